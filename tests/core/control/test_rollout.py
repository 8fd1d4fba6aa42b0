"""A rollout's ways: bake, late crashes, a hand that changes its mind."""

from __future__ import annotations

from dataclasses import replace

from builders import (
    SPEC,
    application,
    deployment,
    instance,
    launching,
    release,
    rollout,
    seen,
    service,
    state,
    tracking,
)
from flyball.core.control.alarms import Alarm, AlarmState
from flyball.core.control.observation import Deploy, Replace, Rollback
from flyball.core.control.reasons import ReasonKind
from flyball.core.control.scaling.cooldown import is_warming
from flyball.core.control.state import ReleaseStatus, RolloutPhase
from flyball.core.control.step import step
from flyball.core.model import HealthCheck, Metric, RolloutAlarm, Strategy
from scenarios.pretend import Behaviour, PretendWorld


def world(bad: Behaviour, **rules) -> PretendWorld:
    """Release 1 serves for a while, then release 2 is deployed."""
    web = service(low=2, health=HealthCheck(grace_s=5.0), deployment=deployment(**rules), scaling=tracking())
    made = PretendWorld(app=application(web), behaviours={2: bad})
    made.intents.append(Deploy(service="web", spec=SPEC))
    made.run_until(40.0)
    made.intents.append(Deploy(service="web", spec=SPEC))
    return made


def said(made: PretendWorld, kind: ReasonKind) -> list[float]:
    return [at for at, reason in made.log if reason.kind is kind]


def test_a_failure_begins_the_bake_anew():
    made = world(Behaviour(), bake_s=10.0)
    made.run_until(48.0)
    assert made.state.service("web").rollout.phase is RolloutPhase.BAKING
    made.kill("web-3")
    made.run_until(57.0)
    assert made.state.service("web").rollout.phase is RolloutPhase.BAKING
    made.run_until(60.0)
    assert made.state.service("web").rollout is None


def test_a_crash_soon_after_completion_is_still_taken_back():
    made = world(Behaviour(crash_healthy_s=10.0))
    made.run_until(100.0)
    (completed,) = [at for at in said(made, ReasonKind.ROLLOUT_COMPLETED) if at > 40.0]
    (failed,) = said(made, ReasonKind.ROLLOUT_FAILED)
    (back,) = said(made, ReasonKind.ROLLED_BACK)
    assert completed < failed < back
    web = made.state.service("web")
    assert (web.release, web.find_release(2).status) == (1, ReleaseStatus.FAILED)


def test_a_crash_soon_after_completion_stays_when_rollback_is_off():
    made = world(Behaviour(crash_healthy_s=10.0), rollback=False)
    made.run_until(90.0)
    assert made.state.service("web").release == 2
    assert said(made, ReasonKind.ROLLOUT_FAILED) == []


def test_a_rollback_can_be_taken_back():
    made = world(Behaviour())
    made.run_until(60.0)
    made.intents.append(Rollback(service="web"))
    made.run_until(60.5)
    made.intents.append(Rollback(service="web", release=2))
    made.run_until(80.0)
    web = made.state.service("web")
    assert (web.release, web.rollout) == (2, None)
    assert {one.release for one in made.state.instances} == {2}


def test_an_unhealthy_new_instance_is_counted_as_failed():
    made = world(Behaviour(), bake_s=60.0)
    made.run_until(50.0)
    made.sicken("web-3")
    made.run_until(56.0)
    assert made.state.service("web").rollout.failures == 1
    assert "web-3" not in {one.id for one in made.state.instances if one.staying}


def test_an_old_instance_asked_for_before_the_rollout_is_not_waited_for():
    old, new = instance(1), launching(2)
    before = state(old, new, desired=2, releases=(release(1), release(2)), rollout=rollout())
    made = step(application(), before, seen(old), now=1.0)
    assert [str(one.lifecycle) for one in made.state.instances[:2]] == ["in_service", "terminating"]


def test_a_shadow_does_not_warm_up():
    assert is_warming(launching(1), 5.0, now=1.0)
    assert not is_warming(launching(1, shadow=True), 5.0, now=1.0)
    assert not is_warming(launching(1), 0.0, now=1.0)


def test_blue_green_rolls_back_by_hand_while_it_bakes():
    made = world(Behaviour(), strategy=Strategy.BLUE_GREEN, bake_s=60.0)
    made.run_until(50.0)
    assert made.state.service("web").rollout.parks_old
    made.intents.append(Rollback(service="web"))
    made.run_until(55.0)
    assert {one.release for one in made.state.instances} == {1}
    assert said(made, ReasonKind.LAUNCHED)[-1] < 50.0


def test_a_first_release_is_not_baked_and_recovers_after_it_stalled():
    web = service(deployment=deployment(bake_s=60.0))
    made = PretendWorld(app=application(web), behaviours={1: Behaviour(exit_s=0.5)})
    made.intents.append(Deploy(service="web", spec=SPEC))
    made.run_until(12.0)
    assert made.state.service("web").rollout.phase is RolloutPhase.STALLED
    made.behave(1, exit_s=None)
    made.run_until(30.0)
    web = made.state.service("web")
    assert (web.rollout, web.find_release(1).status) == (None, ReleaseStatus.COMPLETED)


def test_the_back_off_begins_anew_after_a_minute_in_service():
    made = world(Behaviour())
    made.run_until(60.0)
    made.kill("web-3")
    made.run_until(65.0)
    assert made.state.service("web").backoff.failures == 1
    made.run_until(130.0)
    assert made.state.service("web").backoff.failures == 0


def test_an_instance_is_replaced_by_hand_by_starting_another_first():
    made = world(Behaviour())
    made.run_until(60.0)
    made.intents.append(Replace(instance="web-3"))
    made.run_until(61.0)
    assert [one.id for one in made.state.instances if one.staying] == ["web-3", "web-4", "web-5"]
    made.run_until(70.0)
    assert [one.id for one in made.state.instances] == ["web-4", "web-5"]


def test_a_stuck_rollout_is_said_once():
    made = world(Behaviour(), minimum_healthy_percent=100, maximum_percent=100)
    made.run_until(120.0)
    stuck = [at for at, reason in made.log if reason.text.startswith("rollout of release 2 is stuck")]
    assert stuck == [41.0]


def going_back(bad: Behaviour, **rules) -> PretendWorld:
    """Releases 1 and 2 have served; release 1, which would do this now, is rolled back to by hand."""
    made = world(Behaviour(), **rules)
    made.run_until(120.0)
    made.behaviours[1] = bad
    made.intents.append(Rollback(service="web", release=1))
    return made


def test_a_rollback_by_hand_to_a_broken_release_goes_back_to_what_served():
    made = going_back(Behaviour(answers=False))
    made.run_until(150.0)
    web = made.state.service("web")
    assert (web.release, web.rollout, web.find_release(1).status) == (2, None, ReleaseStatus.FAILED)
    assert len(said(made, ReasonKind.ROLLBACK_FAILED)) == 1
    assert {one.id for one in made.state.instances} == {"web-3", "web-4"}


def test_a_release_rolled_back_to_by_hand_that_crashes_soon_is_taken_back():
    made = going_back(Behaviour(crash_healthy_s=10.0))
    made.run_until(170.0)
    first, second = said(made, ReasonKind.ROLLED_BACK)
    (failed,) = said(made, ReasonKind.ROLLBACK_FAILED)
    assert first < failed < second
    assert made.state.service("web").release == 2


def test_with_rollback_off_a_failed_rollback_by_hand_leaves_what_serves():
    made = going_back(Behaviour(exit_s=0.5), rollback=False)
    made.run_until(150.0)
    web = made.state.service("web")
    assert (web.release, web.rollout.phase) == (2, RolloutPhase.ROLLBACK_FAILED)
    assert [one.release for one in made.state.instances] == [2, 2]


def test_a_rollback_by_hand_in_the_middle_of_a_rollout_goes_back_to_what_served():
    made = going_back(Behaviour(exit_s=0.5))
    made.run_until(150.0)
    made.behaviours[3] = Behaviour(start_s=60.0)
    made.state = replace(made.state, services=(with_release_1_completed(made),))
    made.intents.append(Deploy(service="web", spec=SPEC))
    made.run_until(152.0)
    made.intents.append(Rollback(service="web", release=1))
    made.run_until(180.0)
    assert made.state.service("web").release == 2
    assert {one.release for one in made.state.instances if one.staying} == {2}


def with_release_1_completed(made: PretendWorld):
    web = made.state.service("web")
    completed = replace(web.find_release(1), status=ReleaseStatus.COMPLETED)
    return replace(web, releases=(completed, *web.releases[1:]))


def test_a_rollback_that_came_by_itself_fails_for_good_and_completes_when_it_recovers():
    made = world(Behaviour(exit_s=0.5), minimum_healthy_percent=0, maximum_percent=100)
    made.behaviours[1] = Behaviour(exit_s=0.5)
    made.run_until(60.0)
    web = made.state.service("web")
    assert (web.release, web.rollout.phase) == (1, RolloutPhase.ROLLBACK_FAILED)
    assert "release 1 is not rolled back: there is nothing better, release 2 failed before" in [
        reason.text for _, reason in made.log if reason.kind is ReasonKind.REFUSED
    ]
    made.behaviours[1] = Behaviour()
    made.run_until(180.0)
    web = made.state.service("web")
    assert (web.rollout, web.find_release(1).status) == (None, ReleaseStatus.COMPLETED)


def test_a_rollback_by_hand_that_failed_and_recovers_is_not_failed_again_for_what_was_before():
    made = world(Behaviour(start_s=60.0), minimum_healthy_percent=0, maximum_percent=100)
    made.run_until(44.0)
    made.behaviours[1] = Behaviour(exit_s=0.5)
    made.intents.append(Rollback(service="web", release=1))
    made.run_until(60.0)
    assert made.state.service("web").rollout.phase is RolloutPhase.ROLLBACK_FAILED
    made.behaviours[1] = Behaviour()
    made.run_until(180.0)
    web = made.state.service("web")
    assert (web.release, web.rollout, web.find_release(1).status) == (1, None, ReleaseStatus.COMPLETED)
    assert said(made, ReasonKind.ROLLOUT_FAILED) == [44.0]


def test_alarms_do_not_judge_a_rollback():
    rules = deployment(alarms=(RolloutAlarm(metric=Metric.ERRORS, threshold=10, duration_s=1),))
    old, new = instance(1, release=2), launching(2)
    going = rollout(to=1, from_=2, phase=RolloutPhase.ROLLING_BACK)
    alarms = (Alarm(name="rollout 0", state=AlarmState.ALARM),)
    before = state(old, new, desired=1, releases=(release(1), release(2)), release=2, rollout=going, alarms=alarms)
    made = step(application(service(deployment=rules)), before, seen(old), now=1.0)
    assert made.state.service("web").rollout.phase is RolloutPhase.ROLLING_BACK
