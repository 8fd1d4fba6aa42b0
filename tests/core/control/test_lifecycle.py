"""Instances come, fail, and go."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import application, health, instance, launching, seen, seen_of, service, state
from flyball.core.control.actions import Launch, Terminate
from flyball.core.control.lifecycle import exit_text
from flyball.core.control.observation import InstanceSeen, Observation, TargetHealth
from flyball.core.control.reasons import ReasonKind
from flyball.core.control.state import Lifecycle
from flyball.core.control.step import step

APP = application()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (None, "exited"),
        (0, "exited with code 0"),
        (3, "exited with code 3"),
        (-11, "was killed by signal 11 (SIGSEGV)"),
        (-15, "ended on signal 15 (SIGTERM)"),
        (-64, "was killed by signal 64"),
    ],
)
def test_how_a_process_ended(code, text):
    assert exit_text(InstanceSeen(id="web-1", exited=True, exit_code=code)) == text


def test_a_launch_is_asked_for_until_it_is_seen():
    new = launching(1)
    made = step(APP, state(new), Observation(), now=1.0)
    assert [type(one) for one in made.actions] == [Launch]
    made = step(APP, made.state, Observation(), now=2.0)
    assert [type(one) for one in made.actions] == [Launch]
    made = step(APP, made.state, seen(InstanceSeen(id="web-1")), now=3.0)
    assert made.actions == ()


def test_one_that_was_seen_and_is_no_longer_has_failed():
    made = step(APP, state(instance(1), instance(2)), seen(instance(2)), now=100.0)
    assert [(one.kind, one.text) for one in made.reasons[:1]] == [(ReasonKind.FAILED, "web-1 is gone")]
    assert [one.instance for one in made.actions] == ["web-3"]


def test_one_that_is_never_seen_is_given_up_after_the_grace_period():
    new = launching(1)
    made = step(APP, state(new), Observation(), now=30.0)
    assert made.reasons[0].text == "web-1 did not answer / within 30 s (its place is filled again in 1 s)"
    assert made.actions == (Terminate(instance="web-1"),)
    made = step(APP, made.state, Observation(), now=31.0)
    assert made.reasons[0].text.startswith("web-1 was never started, 1.0 s after it was told to stop")
    assert [type(one) for one in made.actions] == [Launch]


def test_a_draining_one_that_was_never_seen_waits():
    odd = instance(1, lifecycle=Lifecycle.DRAINING, drain_started_at=0.0, seen=False)
    made = step(APP, state(odd, instance(2), desired=1), seen(instance(2)), now=1.0)
    assert made.state.instances[0] == odd


def test_the_failing_check_is_part_of_the_sentence():
    new = launching(1, ready_at=1.0, seen=True)
    shown = seen_of(new, target_health=TargetHealth.UNHEALTHY, detail="503 from /")
    made = step(APP, state(new), seen(shown), now=30.0)
    assert made.reasons[0].text == "web-1 was not healthy within 30 s: 503 from / (its place is filled again in 1 s)"
    sick = seen_of(instance(1), target_health=TargetHealth.UNHEALTHY, detail="timeout")
    made = step(APP, state(instance(1)), seen(sick), now=5.0)
    assert made.reasons[0].text == "web-1 fails its health check: timeout"


def test_a_wrong_port_is_said_at_once_and_once():
    new = launching(1, seen=True)
    shown = seen_of(new, astray=True, detail="it listens on 8000, not on $PORT (4711)")
    made = step(APP, state(new), seen(shown), now=1.0)
    assert [reason.text for reason in made.reasons if reason.kind is ReasonKind.UNHEALTHY] == [
        "web-1 does not come up: it listens on 8000, not on $PORT (4711)"
    ]
    assert not step(APP, made.state, seen(shown), now=2.0).reasons


def test_one_that_recovers_is_not_replaced():
    sick = replace(instance(1), unhealthy_since=10.0, health=TargetHealth.UNHEALTHY)
    made = step(APP, state(sick), seen(seen_of(sick, target_health=TargetHealth.HEALTHY)), now=40.0)
    assert made.actions == ()
    assert made.state.instances[0].unhealthy_since is None


def test_the_grace_period_begins_again_when_the_balancer_is_back():
    app = application(service(health=health(grace_s=10.0)))
    new = launching(1, ready_at=1.0, seen=True)
    away = step(app, state(new), seen(new, balancer=False), now=60.0)
    assert away.reasons == ()
    assert away.state.balancer_since is None
    back = step(app, away.state, seen(new), now=61.0)
    assert back.state.balancer_since == 61.0
    assert back.reasons == ()
    late = back
    for now in range(62, 72):
        assert late.reasons == ()
        late = step(app, late.state, seen(new), now=float(now))
    assert late.reasons[0].kind is ReasonKind.FAILED


def test_without_a_balancer_a_drain_waits_for_its_delay_unless_all_stops():
    going = instance(1, lifecycle=Lifecycle.DRAINING, drain_started_at=0.0, health=TargetHealth.UNUSED)
    before = state(going, instance(2), desired=1)
    made = step(APP, before, seen(going, instance(2), balancer=False), now=5.0)
    assert Terminate(instance="web-1") not in made.actions
    made = step(APP, replace(before, shutting_down=True), seen(going, instance(2), balancer=False), now=5.0)
    assert Terminate(instance="web-1") in made.actions


def test_one_that_exits_while_it_drains_is_not_a_failure():
    going = instance(1, lifecycle=Lifecycle.DRAINING, drain_started_at=2.0, cause="scale-in to 1")
    shown = seen(seen_of(going, exited=True, exit_code=0), instance(2))
    made = step(APP, state(going, instance(2), desired=1), shown, now=5.0)
    assert [(one.kind, one.text) for one in made.reasons] == [
        (ReasonKind.TERMINATED, "web-1 exited with code 0, 3.0 s after its drain began: scale-in to 1")
    ]
    made = step(APP, state(replace(going, cause=""), instance(2), desired=1), shown, now=5.0)
    assert made.reasons[0].text == "web-1 exited with code 0, 3.0 s after its drain began"


def test_a_stranger_is_stopped():
    made = step(APP, state(instance(1)), seen(instance(1), InstanceSeen(id="web-77")), now=5.0)
    assert made.actions == (Terminate(instance="web-77"),)
    made = step(APP, state(instance(1)), seen(instance(1), InstanceSeen(id="web-77", exited=True)), now=5.0)
    assert made.actions == ()
