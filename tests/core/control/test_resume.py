"""What a loop goes on with: the state that was written down, which begins anew after a shutdown."""

from __future__ import annotations

from dataclasses import replace

from builders import application, instance, launching, seen, service, state
from flyball.core.control.actions import Launch
from flyball.core.control.resume import resumed
from flyball.core.control.step import begin, step
from flyball.core.model import Capacity

APP = application(service(low=2, high=5, desired=3))


def test_without_a_state_it_begins():
    assert resumed(APP, None, now=7.0) == begin(APP, now=7.0)


def test_a_state_goes_on_and_grace_periods_count_from_now():
    before = state(instance(), instance(2), desired=4)
    assert resumed(APP, before, now=7.0) == replace(before, balancer_since=None)


def test_one_that_the_loop_before_may_not_have_started_is_asked_for_again_and_has_not_failed():
    before = state(instance(), launching(2, seen=True), desired=2)
    made = step(APP, resumed(APP, before, now=7.0), seen(instance()), now=7.0)
    assert [(type(one), one.instance) for one in made.actions] == [(Launch, "web-2")]
    assert made.reasons == ()


def test_one_that_had_answered_and_is_no_longer_there_has_failed():
    before = state(instance(), launching(2, seen=True, ready_at=1.0), desired=2)
    made = step(APP, resumed(APP, before, now=7.0), seen(instance()), now=7.0)
    assert made.reasons[0].text.startswith("web-2 is gone")


def test_after_a_shutdown_it_begins_again_with_the_first_capacity_and_what_the_file_still_has():
    before = replace(state(desired=5, held_until=99.0), shutting_down=True)
    before = replace(before, services=(*before.services, replace(before.services[0], name="gone")))
    after = resumed(APP, before, now=7.0)
    [web] = after.services
    assert not after.shutting_down
    assert (web.desired, web.held_until) == (3, None)
    assert web.releases == before.services[0].releases


def test_the_first_capacity_is_within_the_bounds_and_may_be_none():
    assert Capacity(min=2, max=5).first == 2
    assert Capacity(min=2, max=5, desired=9).first == 5
    assert Capacity(min=0, max=5, desired=0).first == 0
