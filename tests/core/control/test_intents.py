"""What an operator asks for is carried out or refused with a reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import SPEC, application, instance, release, rollout, seen, service, state, tracking
from flyball.core.control.alarms import Alarm, AlarmState
from flyball.core.control.observation import Deploy, Intent, Replace, Rollback, Scale, Shutdown
from flyball.core.control.reasons import ReasonKind
from flyball.core.control.state import Lifecycle, ReleaseStatus, RolloutPhase, State
from flyball.core.control.step import Step, step
from flyball.core.control.windows import Series, Windows
from flyball.core.model import Metric
from scenarios.pretend import PretendWorld

BUILT, COMPLETED, FAILED = ReleaseStatus.BUILT, ReleaseStatus.COMPLETED, ReleaseStatus.FAILED


def asked(intent: Intent, before: State, *, now: float = 10.0) -> Step:
    return step(application(service(low=1, high=5)), before, seen(*before.instances, intents=(intent,)), now=now)


def refusals(made: Step) -> list[str]:
    return [one.text for one in made.reasons if one.kind is ReasonKind.REFUSED]


def history(*statuses: ReleaseStatus) -> tuple:
    return tuple(release(number, status) for number, status in enumerate(statuses, 1))


@pytest.mark.parametrize(
    ("intent", "refusal"),
    [
        (Deploy(service="wbe", spec=SPEC), "there is no service wbe"),
        (Replace(instance="web-9"), "there is no instance web-9"),
        (Scale(service="web", desired=0), "desired 0 is below min 1"),
        (Scale(service="web", desired=6), "desired 6 is above max 5"),
        (Rollback(service="web"), "there is no completed release to go back to"),
        (Rollback(service="web", release=1), "release 1 already serves"),
        (Rollback(service="web", release=4), "release 4 is not known: the last 10 and those in use are kept"),
    ],
)
def test_what_cannot_be_is_refused(intent, refusal):
    before = state(instance(1))
    made = asked(intent, before)
    assert refusals(made) == [refusal]
    assert made.state.services[0].desired == 1
    assert made.actions == ()


def test_scale_by_hand_goes_on_at_once_without_a_hold():
    made = asked(Scale(service="web", desired=3), state(instance(1), held_until=99.0))
    (web,) = made.state.services
    assert (web.desired, web.held_until) == (3, None)
    assert made.reasons[0].kind is ReasonKind.SCALED_BY_HAND
    assert (made.reasons[0].before, made.reasons[0].after) == (1, 3)


def test_a_capacity_set_by_hand_is_judged_by_what_is_measured_with_it():
    calm = Windows(period_s=1.0, open=30, series=(Series(metric=Metric.CPU, values=(1.0,) * 20),))
    low = (Alarm(name="target cpu low", state=AlarmState.ALARM),)
    made = asked(Scale(service="web", desired=3), state(instance(1), windows=calm, alarms=low))
    (web,) = made.state.services
    assert web.desired == 3
    assert web.windows.values(Metric.CPU) == ()
    assert web.alarms == ()


def test_scale_by_hand_holds_policies_for_a_while():
    made = asked(Scale(service="web", desired=3, hold_s=60.0), state(instance(1)))
    assert made.state.services[0].held_until == 70.0
    assert made.reasons[0].text == "desired 3 by hand, held for 60 s"


def test_an_instance_that_leaves_is_not_replaced_again():
    going = instance(1, lifecycle=Lifecycle.DRAINING, drain_started_at=9.0)
    assert refusals(asked(Replace(instance="web-1"), state(going, instance(2), desired=1))) == [
        "web-1 is already draining"
    ]


def test_nothing_is_carried_out_while_the_application_stops():
    before = replace(state(instance(1)), shutting_down=True)
    assert refusals(asked(Scale(service="web", desired=3), before)) == ["web is being stopped"]


def test_shutdown_is_for_every_service():
    made = asked(Shutdown(), state(instance(1)))
    assert made.state.shutting_down
    assert made.state.instances[0].lifecycle is Lifecycle.DRAINING


def test_a_rollback_goes_to_the_last_completed_before_the_current():
    releases = history(COMPLETED, COMPLETED, FAILED, COMPLETED)
    made = asked(Rollback(service="web"), state(instance(1, release=4), releases=releases, release=4))
    going = made.state.services[0].rollout
    assert (going.from_release, going.to_release, going.phase) == (4, 2, RolloutPhase.ROLLING_BACK)
    assert going.by_hand
    made = asked(Rollback(service="web"), state(instance(1, release=2), releases=releases, release=2))
    assert made.state.services[0].rollout.to_release == 1


def test_a_rollback_goes_only_to_a_completed_release():
    before = state(instance(1, release=2), releases=history(FAILED, COMPLETED), release=2)
    assert refusals(asked(Rollback(service="web", release=1), before)) == [
        "release 1 has not completed its rollout (failed)"
    ]


def test_a_rollback_during_a_rollout_takes_it_back():
    rows = (instance(1), instance(2, release=2))
    before = state(*rows, desired=2, releases=history(COMPLETED, BUILT), rollout=rollout())
    made = asked(Rollback(service="web"), before)
    (web,) = made.state.services
    assert (web.rollout.from_release, web.rollout.to_release) == (2, 1)
    assert web.find_release(2).status is FAILED
    assert web.find_release(2).message == "rolled back by hand"
    again = asked(Rollback(service="web"), replace(made.state), now=10.5)
    assert refusals(again) == ["a rollback to release 1 is already running"]


def test_a_rollback_can_be_sent_elsewhere():
    going = rollout(to=2, from_=3, phase=RolloutPhase.ROLLING_BACK)
    releases = history(COMPLETED, COMPLETED, FAILED)
    before = state(instance(1, release=3), releases=releases, release=2, rollout=going)
    (web,) = asked(Rollback(service="web", release=1), before).state.services
    assert (web.rollout.from_release, web.rollout.to_release) == (2, 1)
    assert web.find_release(2).status is COMPLETED


def test_without_any_release_there_is_nothing_to_go_back_to():
    made = asked(Rollback(service="web", release=1), state(releases=(), release=None, desired=1))
    assert refusals(made) == ["there is no completed release to go back to"]


def test_a_capacity_by_hand_is_judged_by_what_is_measured_with_it():
    """An alarm that was low before must not undo it at once."""
    world = PretendWorld(app=application(service(low=1, high=5, scaling=tracking())))
    world.intents.append(Deploy(service="web", spec=SPEC))
    world.run_until(30.0)
    world.intents.append(Scale(service="web", desired=4))
    world.run_until(44.0)
    assert world.state.service("web").desired == 4
    world.run_until(50.0)
    assert world.state.service("web").desired == 1
