"""Numbered facts of ECS deployments. The first line of a docstring is the fact, the second its source."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import SPEC, application, deployment, instance, launching, release, rollout, seen, seen_of, service, state
from flyball.core.control import breaker
from flyball.core.control.actions import Launch, Terminate
from flyball.core.control.alarms import Alarm, AlarmState
from flyball.core.control.observation import Deploy, TargetHealth
from flyball.core.control.pacing import Backoff
from flyball.core.control.reasons import ReasonKind
from flyball.core.control.routing import targets
from flyball.core.control.state import Lifecycle, ReleaseStatus, RolloutPhase
from flyball.core.control.step import step
from flyball.core.model import (
    CircuitBreaker,
    HealthCheck,
    Metric,
    RolloutAlarm,
    Service,
    Strategy,
    TargetTracking,
    ThresholdType,
)
from scenarios.pretend import Behaviour, PretendWorld

BUILT = ReleaseStatus.BUILT
TWO = (release(1), release(2, BUILT))


def in_rollout(*instances, desired: int, **rest):
    """Release 2 is rolled out over release 1."""
    return state(*instances, desired=desired, releases=TWO, **({"rollout": rollout()} | rest))


def launched(made) -> int:
    return sum(1 for action in made.actions if isinstance(action, Launch))


def drained(made) -> list[str]:
    return [one.id for one in made.state.instances if one.lifecycle is Lifecycle.DRAINING]


@pytest.mark.parametrize(
    ("desired", "low", "high", "starts", "stops"),
    [
        (4, 100, 200, 4, 0),
        (4, 100, 125, 1, 0),
        (4, 50, 100, 0, 2),
        (3, 50, 100, 0, 1),
        (3, 100, 150, 1, 0),
        (3, 34, 133, 0, 1),
        (5, 100, 119, 0, 0),
    ],
)
def test_fact_35_minimum_rounds_up_and_maximum_rounds_down(desired, low, high, starts, stops):
    """minimumHealthyPercent rounds up, maximumPercent rounds down and counts starting instances too.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
    """
    rules = deployment(minimum_healthy_percent=low, maximum_percent=high)
    old = [instance(number) for number in range(1, desired + 1)]
    made = step(application(service(deployment=rules)), in_rollout(*old, desired=desired), seen(*old), now=1.0)
    assert (launched(made), len(drained(made))) == (starts, stops)


def test_instances_that_the_balancer_has_not_judged_yet_do_not_count_for_the_minimum():
    unjudged = [instance(number, health=TargetHealth.INITIAL) for number in (3, 4)]
    new = [instance(number, release=2) for number in (5, 6)]
    before = in_rollout(instance(1), instance(2), *unjudged, *new, desired=4)
    made = step(application(service(high=4, deployment=deployment())), before, seen(*before.instances), now=1.0)
    assert drained(made) == []
    judged = in_rollout(*(instance(number) for number in range(1, 5)), *new, desired=4)
    made = step(application(service(high=4, deployment=deployment())), judged, seen(*judged.instances), now=1.0)
    assert len(drained(made)) == 2


def test_only_an_instance_that_came_after_the_last_failure_ends_the_back_off():
    waiting = Backoff(failures=3, failed_at=100.0, retry_at=104.0)
    assert breaker.recovered(waiting, [instance(1, in_service_at=99.0)], now=200.0) == waiting
    assert breaker.recovered(waiting, [instance(2, in_service_at=101.0)], now=160.0) == waiting
    assert breaker.recovered(waiting, [instance(2, in_service_at=101.0)], now=161.0) == Backoff()


def test_fact_35_a_stuck_deployment_is_said():
    """If nothing can be started or stopped the deployment is stuck, with an event.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
    """
    rules = deployment(minimum_healthy_percent=100, maximum_percent=100)
    old = [instance(1), instance(2)]
    app = application(service(deployment=rules))
    made = step(app, in_rollout(*old, desired=2), seen(*old), now=1.0)
    (held,) = [one.text for one in made.reasons if one.kind is ReasonKind.HELD]
    assert held.startswith("rollout of release 2 is stuck: minimum healthy 100 % and maximum 100 % of 2 leave no room")
    assert not step(app, made.state, seen(*old), now=2.0).reasons


def test_fact_36_an_instance_counts_once_the_balancer_says_healthy():
    """With a load balancer a task counts as healthy after the target group says so.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
    """
    old, new = instance(1), launching(2, release=2, ready_at=1.0, seen=True)
    before = in_rollout(old, new, desired=1)
    waiting = step(application(), before, seen(old, seen_of(new, target_health=TargetHealth.INITIAL)), now=2.0)
    assert drained(waiting) == []
    ready = step(application(), before, seen(old, seen_of(new, target_health=TargetHealth.HEALTHY)), now=2.0)
    assert drained(ready) == ["web-1"]


def test_fact_36_unhealthy_ones_are_replaced_first_by_starting():
    """A replacement of an unhealthy task starts first if maximumPercent allows.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
    """
    sick = instance(1, health=TargetHealth.UNHEALTHY)
    made = step(application(), state(sick, instance(2)), seen(sick, instance(2)), now=40.0)
    assert (launched(made), drained(made)) == (1, [])


def test_fact_36_else_one_is_stopped_within_the_minimum():
    """If maximumPercent does not allow, unhealthy ones are stopped one by one within the minimum.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
    """
    sick, well = instance(1, health=TargetHealth.UNHEALTHY), instance(2)
    tight = service(deployment=deployment(minimum_healthy_percent=50, maximum_percent=100))
    assert drained(step(application(tight), state(sick, well), seen(sick, well), now=40.0)) == ["web-1"]
    tighter = service(deployment=deployment(minimum_healthy_percent=100, maximum_percent=100))
    made = step(application(tighter), state(sick, well), seen(sick, well), now=40.0)
    assert drained(made) == []
    assert any(one.text.startswith("replacement is stuck") for one in made.reasons)


def test_fact_37_deregister_drain_sigterm_sigkill():
    """The order of a stop: deregister, drain, SIGTERM, stop timeout, SIGKILL.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/update-service-console-v2.html
    """
    app = application(service(deployment=deployment(stop_timeout_s=30.0)))
    one, two = instance(1), instance(2)
    made = step(app, state(one, two, desired=1), seen(one, two), now=100.0)
    assert drained(made) == ["web-1"]
    assert [target.draining for target in targets(made.state, "web")] == [True, False]
    busy = seen_of(one, target_health=TargetHealth.DRAINING, in_flight=1)
    made = step(app, made.state, seen(busy, two), now=101.0)
    assert made.actions == ()
    made = step(app, made.state, seen(replace(busy, in_flight=0), two), now=102.0)
    assert made.actions == (Terminate(instance="web-1"),)
    assert [target.instance for target in targets(made.state, "web")] == ["web-2"]
    for now in range(103, 132):
        made = step(app, made.state, seen(busy, two), now=float(now))
        assert made.actions == (Terminate(instance="web-1"),)
    made = step(app, made.state, seen(busy, two), now=132.0)
    assert made.actions == (Terminate(instance="web-1", force=True),)
    made = step(app, made.state, seen(replace(busy, exited=True), two), now=133.0)
    assert [one.id for one in made.state.instances] == ["web-2"]
    assert (
        made.reasons[-1].text
        == "web-1 exited; SIGKILL was sent because it had not ended 30 s after SIGTERM: scale-in to 1"
    )


@pytest.mark.parametrize(("now", "judged"), [(29.0, False), (30.0, True)])
def test_fact_38_failing_checks_are_forgiven_in_the_grace_period(now, judged):
    """The health check grace period ignores unhealthy checks after the start.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CreateService.html
    """
    app = application(service(health=HealthCheck(grace_s=30.0)))
    sick, slow = instance(1, health=TargetHealth.UNHEALTHY), launching(2, seen=True)
    made = step(app, state(sick, slow), seen(sick, slow), now=now)
    assert (launched(made) > 0 or bool(made.state.services[0].backoff.failures)) is judged


@pytest.mark.parametrize(
    ("desired", "limit"), [(1, 3), (4, 3), (6, 3), (7, 4), (25, 13), (100, 50), (400, 200), (1000, 200)]
)
def test_fact_39_the_breakers_threshold(desired, limit):
    """The circuit breaker's threshold is clamp(ceil(0.5 x desired), 3, 200).
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
    """
    assert breaker.threshold(CircuitBreaker(), desired) == limit


def test_fact_39_other_thresholds():
    """The threshold may be a COUNT or an UNBOUNDED_PERCENT.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ThresholdConfiguration.html
    """
    assert breaker.threshold(CircuitBreaker(threshold_type=ThresholdType.COUNT, value=1), 400) == 1
    unbounded = CircuitBreaker(threshold_type=ThresholdType.UNBOUNDED_PERCENT, value=50)
    assert [breaker.threshold(unbounded, desired) for desired in (0, 1, 3, 1000)] == [1, 1, 2, 500]


@pytest.mark.parametrize(("reset", "failures"), [(True, 0), (False, 2)])
def test_fact_39_a_healthy_instance_may_reset_the_count(reset, failures):
    """resetOnHealthyTask starts the count anew when a task becomes healthy.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ServiceDeploymentCircuitBreaker.html
    """
    rules = deployment(circuit_breaker=CircuitBreaker(reset_on_healthy=reset))
    new = launching(2, release=2, ready_at=0.5, seen=True)
    before = in_rollout(instance(1), new, desired=2, rollout=rollout(failures=2))
    shown = seen(instance(1), seen_of(new, target_health=TargetHealth.HEALTHY))
    made = step(application(service(deployment=rules)), before, shown, now=1.0)
    assert made.state.services[0].rollout.failures == failures


def failing(kind: str) -> Behaviour:
    return {
        "never runs": Behaviour(exit_s=0.5),
        "never listens": Behaviour(listens=False),
        "fails its checks": Behaviour(answers=False),
        "crashes when healthy": Behaviour(crash_healthy_s=5.0),
    }[kind]


def world(bad: Behaviour, **rules) -> PretendWorld:
    web = service(low=2, health=HealthCheck(grace_s=4.0), deployment=deployment(**rules))
    made = PretendWorld(app=application(web), behaviours={2: bad})
    made.intents.append(Deploy(service="web", spec=SPEC))
    made.run_until(50.0)
    made.intents.append(Deploy(service="web", spec=SPEC))
    made.run_until(120.0)
    return made


@pytest.mark.parametrize("kind", ["never runs", "never listens", "fails its checks", "crashes when healthy"])
def test_fact_40_rolls_back_to_the_last_completed(kind):
    """Failures before and after a task runs count; rollback goes to the most recent COMPLETED deployment.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
    """
    made = world(failing(kind), bake_s=10.0)
    (web,) = made.state.services
    assert (web.release, web.rollout) == (1, None)
    assert {one.release for one in made.state.instances} == {1}
    assert web.find_release(2).status is ReleaseStatus.FAILED
    assert [one.kind for _, one in made.log].count(ReasonKind.ROLLED_BACK) == 1


def test_fact_40_without_a_completed_one_it_stalls():
    """With no completed deployment to go to, it stalls; so it does with rollback off.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
    """
    first = PretendWorld(app=application(), behaviours={1: Behaviour(exit_s=0.5)})
    first.intents.append(Deploy(service="web", spec=SPEC))
    first.run_until(20.0)
    assert first.state.services[0].rollout.phase is RolloutPhase.STALLED
    assert first.state.services[0].find_release(1).status is ReleaseStatus.FAILED
    off = world(failing("never runs"), rollback=False)
    assert off.state.services[0].rollout.phase is RolloutPhase.STALLED
    assert [one.release for one in off.state.instances] == [1, 1]


def test_fact_40_off_means_off():
    """Circuit breaker and rollback are off by default on AWS; without a breaker failures are only backed off.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
    """
    made = world(failing("never runs"), circuit_breaker=None)
    assert made.state.services[0].rollout.phase is RolloutPhase.RUNNING
    assert made.state.services[0].rollout.failures >= 4


def test_fact_41_restarts_are_throttled():
    """Tasks that fail are started again with a growing delay; here 1, 2, 4 ... 60 s, after they ran first 0 s.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-throttle-logic.html
    """
    made = PretendWorld(app=application(), behaviours={1: Behaviour(start_s=0.0, crash_healthy_s=2.0)})
    made.intents.append(Deploy(service="web", spec=SPEC))
    made.run_until(300.0)
    ends = [at for at, one in made.log if one.kind is ReasonKind.FAILED]
    starts = [at for at, one in made.log if one.kind is ReasonKind.LAUNCHED]
    waits = [start - end for start, end in zip(starts[1:], ends, strict=False)]
    assert waits[:8] == [0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def alarmed(at_start: AlarmState, phase: RolloutPhase):
    rules = deployment(bake_s=60.0, alarms=(RolloutAlarm(metric=Metric.P99, threshold=200, duration_s=1),))
    old, new = instance(1), instance(2, release=2)
    ignored = (0,) if at_start is AlarmState.ALARM else ()
    before = in_rollout(
        old,
        new,
        desired=2,
        rollout=rollout(phase=phase, ignored_alarms=ignored),
        alarms=(Alarm(name="rollout 0", state=AlarmState.ALARM),),
    )
    return step(application(service(deployment=rules)), before, seen(old, new), now=5.0)


@pytest.mark.parametrize("phase", [RolloutPhase.RUNNING, RolloutPhase.BAKING])
def test_fact_42_an_alarm_takes_a_rollout_back_also_while_it_bakes(phase):
    """An alarm rolls a deployment back while it runs and bakes; either breaker or alarm may fail it.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
    """
    made = alarmed(AlarmState.OK, phase)
    assert made.state.services[0].rollout.phase is RolloutPhase.ROLLING_BACK


def test_fact_42_alarms_in_breach_at_the_start_are_ignored():
    """Alarms that are already in ALARM when the deployment starts are ignored.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
    """
    made = alarmed(AlarmState.ALARM, RolloutPhase.RUNNING)
    assert made.state.services[0].rollout.phase is RolloutPhase.RUNNING
    rules = deployment(alarms=(RolloutAlarm(metric=Metric.P99, threshold=200, duration_s=1),))
    slow = PretendWorld(
        app=application(service(deployment=rules)), load_rps=10.0, behaviours={1: Behaviour(p99_ms=900)}
    )
    slow.intents.append(Deploy(service="web", spec=SPEC))
    slow.run_until(20.0)
    slow.intents.append(Deploy(service="web", spec=SPEC))
    slow.run_until(21.5)
    assert slow.state.services[0].rollout.ignored_alarms == (0,)


@pytest.mark.parametrize("strategy", [Strategy.BLUE_GREEN, Strategy.CANARY, Strategy.LINEAR])
def test_fact_43_other_strategies_complete(strategy):
    """BLUE_GREEN, LINEAR and CANARY; here the breaker guards them too.
    https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LinearConfiguration.html
    """
    rules = {"strategy": strategy, "step_percent": 34.0, "step_interval_s": 5.0, "bake_s": 3.0}
    good = world(Behaviour(), **rules)
    assert good.state.services[0].release == 2
    bad = world(failing("never runs"), **rules)
    assert bad.state.services[0].release == 1
    assert {one.release for one in bad.state.instances} == {1}


def test_fact_13_requests_per_target_in_blue_green_counts_the_serving_set():
    """ALBRequestCountPerTarget is not supported with ECS blue/green; here the set out of traffic is not measured.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-autoscaling-targettracking.html
    """
    tracked = TargetTracking(metric=Metric.REQUESTS, target_value=6000)
    web: Service = service(low=2, deployment=deployment(strategy=Strategy.BLUE_GREEN, bake_s=30.0))
    web = replace(web, scaling=replace(web.scaling, target_tracking=(tracked,)))
    made = PretendWorld(app=application(web), load_rps=40.0)
    made.intents.append(Deploy(service="web", spec=SPEC))
    made.run_until(40.0)
    made.intents.append(Deploy(service="web", spec=SPEC))
    made.run_until(50.0)
    (after,) = made.state.services
    assert after.rollout.parks_old
    assert after.windows.instances == 2.0
    assert after.windows.latest(Metric.REQUESTS) == 1200.0
