"""Small changes to the rules that no other test would notice."""

from __future__ import annotations

from dataclasses import replace

from builders import application, instance, launching, seen, service, state, tracking
from core.control.situations import decision, step_rule, why
from flyball.core.control.breaker import backed_off, launchable
from flyball.core.control.exchange import Wanted, plan
from flyball.core.control.observation import InstanceSample, TargetHealth
from flyball.core.control.pacing import Backoff
from flyball.core.control.placement import victims
from flyball.core.control.reasons import ReasonKind
from flyball.core.control.state import Lifecycle
from flyball.core.control.step import step
from flyball.core.model import Metric, Scaling, ScalingShape, ScheduledAction

CPU = Metric.CPU


def test_a_scale_in_counts_those_in_service_and_never_fewer_than_desired():
    few = decision(tracking(), {CPU: 40.0}, desired=4, running=1)  # one of four was in service
    assert few.desired == 4
    assert why(few) == (
        "scale-in held: all 4 wanted are needed (cpu 40 % < 45 % for 15 of 15 points; 4 x 40 / 50 = 3.2 -> 4)"
    )
    many = decision(tracking(), {CPU: 20.0}, desired=5, running=8)  # a rollout has just ended
    assert (many.desired, "8 x 20 / 50 = 3.2 -> 4" in many.text) == (4, True)


def test_a_scale_out_counts_those_that_were_measured():
    out = decision(tracking(), {CPU: 90.0}, desired=4, running=4, measured_instances=2.0)
    assert "2 x 90 / 50 = 3.6 -> 4" in why(out)
    assert decision(tracking(), {CPU: 90.0}, desired=4, running=4).desired == 8


def test_one_instance_without_a_sample_counts_as_an_average_one():
    app = application(service(low=4, high=12, scaling=tracking()))
    rows = [instance(number) for number in (1, 2, 3, 4)]
    before = state(*rows)
    for second in range(1, 4):
        shown = seen(*rows, sampled=True, samples=(InstanceSample(id="web-1", cpu_percent=90.0),))
        before = step(app, before, shown, now=float(second)).state
    assert before.service("web").desired == 8


def test_a_scale_in_stays_above_min_in_the_same_step():
    assert decision(tracking(), {CPU: 1.0}, desired=9, low=3).desired == 3


def test_a_scheduled_desired_capacity_stays_within_its_bounds_in_the_same_step():
    action = ScheduledAction(at=5.0, desired=50)
    app = application(service(low=2, high=6, scaling=Scaling(schedule=(action,))))
    rows = [instance(1), instance(2)]
    before = state(*rows, schedule_at=0.0)
    assert step(app, before, seen(*rows), now=5.0).state.service("web").desired == 6
    app = application(service(low=2, high=6, scaling=Scaling(schedule=(replace(action, desired=0),))))
    assert step(app, before, seen(*rows), now=5.0).state.service("web").desired == 2


def test_skipped_datapoints_are_not_zero():
    app = application(service(low=1, high=9, scaling=tracking()))
    rows = [instance(number) for number in (1, 2, 3, 4)]
    before = state(*rows)
    for second in (*range(1, 14), 17):  # three datapoints have no tick, nothing was measured in others
        samples = tuple(InstanceSample(id=one.id, cpu_percent=None if second == 9 else 40.0) for one in rows)
        before = step(app, before, seen(*rows, sampled=True, samples=samples), now=float(second)).state
    values = before.service("web").windows.values(CPU)
    assert values[-8:] == (None, 40.0, 40.0, 40.0, 40.0, None, None, 40.0)
    assert 0.0 not in values
    assert before.service("web").desired == 4


def test_the_guard_against_flapping_is_exact():
    rules = Scaling(steps=(step_rule(CPU, ">", 50, 1), step_rule(CPU, "<", 30, -1)))
    assert decision(rules, {CPU: 25.0}, desired=2).desired == 1  # 50 % is not above 50 %
    assert why(decision(rules, {CPU: 25.3}, desired=2)) == "scale-in held: with 1 cpu would be 50.6 % > 50 %"


def test_the_guard_looks_at_step_policies_of_ecs_only():
    rules = Scaling(steps=(step_rule(CPU, ">", 50, 1), step_rule(CPU, "<", 30, -1)), shape=ScalingShape.ASG)
    assert decision(rules, {CPU: 28.0}, desired=2).desired == 1


def test_few_real_datapoints_do_not_empty_a_service():
    values: list[float | None] = [None, None, None, None] * 5
    values[5] = values[9] = values[19] = 5.0
    made = decision(tracking(), {CPU: values}, desired=6)
    assert made.desired == 6
    assert why(made) == "scale-in held: only 3 of 15 points of cpu were measured"
    half = [5.0 if position % 2 else None for position in range(20)]
    assert decision(tracking(), {CPU: half}, desired=6).desired == 1


def test_few_real_datapoints_do_not_carry_a_step_either():
    rule = replace(step_rule(CPU, "<", 30, -1), duration_s=10.0)
    values: list[float | None] = [None] * 20
    values[10] = values[16] = values[19] = 5.0
    assert why(decision(Scaling(steps=(rule,)), {CPU: values}, desired=6)) == (
        "scale-in held: only 3 of 10 points of cpu were measured"
    )


def test_cpu_cannot_ask_for_none():
    made = decision(tracking(), {CPU: 0.0}, desired=1, low=0)
    assert made.desired == 1
    assert "1 x 0 / 50 = 0 -> 1, the least that cpu can ask for" in why(made)


def test_a_metric_that_nobody_measures_is_said():
    app = application(service(low=2, scaling=tracking()))
    rows, said = [instance(1), instance(2)], []
    before = state(*rows)
    for second in range(1, 40):
        made = step(app, before, seen(*rows, sampled=True), now=float(second))
        before = made.state
        said += [reason.text for reason in made.reasons]
    assert said == ["scaling held: cpu was not measured for 15 datapoints"]


def test_a_metric_that_nobody_could_measure_yet_is_not_said():
    app, before, said = application(service(scaling=tracking())), state(), []
    for second in range(1, 30):
        rows = [instance(1)] if second > 20 else []
        made = step(app, replace(before, instances=tuple(rows)), seen(*rows, sampled=True), now=float(second))
        before = made.state
        said += [reason.text for reason in made.reasons if reason.kind is ReasonKind.HELD]
    assert said == []


def test_a_service_at_zero_that_no_policy_can_wake_is_said():
    texts = []
    for scaling in (tracking(), tracking(Metric.REQUESTS, 100.0), Scaling()):
        app = application(service(low=0, scaling=scaling))
        texts.append([one.text for one in step(app, state(desired=0), seen(), now=1.0).reasons])
    asleep = "at 0 instances no policy is awake: only one on requests, a schedule or a hand starts one"
    assert texts == [[asleep], [], []]


def test_who_serves_is_kept_before_who_starts_before_who_is_ill():
    rows = [
        instance(1, zone="b"),
        launching(2, zone="a"),
        instance(3, zone="a", health=TargetHealth.UNHEALTHY, unhealthy_since=1.0),
        instance(4, zone="a", health=TargetHealth.INITIAL),
    ]
    assert [one.id for one in victims(3, rows)] == ["web-3", "web-2", "web-4"]
    open_to_all = [replace(one, health=TargetHealth.UNHEALTHY) for one in rows]
    assert victims(1, open_to_all)[0].id == "web-2"
    failed_release = [instance(1), instance(2, release=2), launching(3, release=2)]
    assert [one.id for one in victims(2, failed_release, first=2)] == ["web-3", "web-2"]


def test_a_scale_in_of_a_mixed_set_keeps_what_serves():
    rows = [instance(1, zone="a"), launching(2, zone="b"), launching(3, zone="b"), launching(4, zone="a")]
    made = plan(Wanted(release=1, desired=1, lower=1, upper=2, new_count=1), rows, [], alive=4)
    assert {one.id for one in made.excess} == {"web-2", "web-3", "web-4"}
    assert all(one.lifecycle is Lifecycle.LAUNCHING for one in made.excess)


def test_only_the_place_that_failed_waits():
    first = backed_off(Backoff(), launching(1), now=10.0)
    assert first == Backoff(failures=1, failed_at=10.0, release=1, retry_at=(11.0,))
    second = backed_off(first, launching(2), now=10.5)
    assert second.retry_at == (11.0, 12.5)
    assert launchable(second, 5, release=1, now=10.6) == 3
    assert launchable(second, 5, release=1, now=11.0) == 4
    assert launchable(second, 1, release=1, now=10.6) == 0
    assert launchable(second, 5, release=2, now=10.6) == 5
    assert backed_off(second, launching(3, release=2), now=10.7).failures == 1
    lasted = instance(4, in_service_at=0.0)
    assert backed_off(second, lasted, now=60.0) == second


def test_a_scale_out_does_not_wait_for_the_back_off():
    app = application(service(low=1, high=12))
    young = [instance(number, in_service_at=99.0) for number in (1, 2)]
    failed = Backoff(failures=6, failed_at=100.0, release=1, retry_at=(132.0,))
    before = replace(
        state(*young, desired=3), services=(replace(state(*young, desired=3).services[0], backoff=failed),)
    )
    waits = step(app, before, seen(*young), now=101.0)
    assert waits.actions == ()
    more = replace(before, services=(replace(before.services[0], desired=7),))
    assert len(step(app, more, seen(*young), now=101.0).actions) == 4
