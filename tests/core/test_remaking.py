"""What a loop goes on with when the journal is lost: a state made of what runs."""

from __future__ import annotations

from dataclasses import replace

from builders import SPEC, application, seen, service
from flyball.core.control.observation import TargetHealth
from flyball.core.control.state import Lifecycle
from flyball.core.control.step import begin, step
from flyball.core.remaking import Found, remade

APP = application(service(low=2, high=5, desired=3))


def found(number: int, release: int = 1, *, ready: bool = True, of: str = "web") -> Found:
    spec = replace(SPEC, content=f"content of {release}")
    return Found(id=f"{of}-{number}", service=of, release=release, zone="a", spec=spec, started_at=3.0, ready=ready)


def test_without_what_was_written_down_what_runs_makes_the_state_and_nothing_is_started_or_ended():
    after = remade(APP, [found(12), found(4), found(7), found(9)], now=7.0)
    [web] = after.services
    assert (web.release, web.desired, web.next_instance) == (1, 4, 13)
    assert [one.id for one in after.instances] == ["web-4", "web-7", "web-9", "web-12"]
    assert {(one.lifecycle, one.health, one.launched_at) for one in after.instances} == {
        (Lifecycle.IN_SERVICE, TargetHealth.HEALTHY, 3.0)
    }
    made = step(APP, after, seen(*after.instances), now=7.0)
    assert (made.actions, made.reasons) == ((), ())


def test_the_release_of_most_ready_instances_serves_and_the_newest_of_equals():
    [web] = remade(APP, [found(1, 1), found(2, 1), found(3, 2), found(4, 2, ready=False)], now=7.0).services
    assert web.release == 1
    assert [(one.number, one.spec.content) for one in web.releases] == [(1, "content of 1"), (2, "content of 2")]
    [web] = remade(APP, [found(1, 1), found(3, 2)], now=7.0).services
    assert web.release == 2


def test_one_that_was_not_ready_yet_is_waited_for_and_a_service_that_the_file_has_not_is_nobodys():
    after = remade(APP, [found(1, ready=False), found(1, of="gone")], now=7.0)
    [one] = after.instances
    assert (one.id, one.lifecycle, one.ready_at) == ("web-1", Lifecycle.LAUNCHING, None)
    assert after.services[0].desired == 2  # the file's least


def test_without_anything_it_begins():
    assert remade(APP, [], now=7.0) == begin(APP, now=7.0)
