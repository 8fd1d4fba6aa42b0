"""Numbered facts of step, scheduled and predictive scaling. First line of a docstring: the fact; second: its source."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from builders import application, instance, service, state
from core.control.situations import decision, step_rule, why
from flyball.core.control.memory import Memory, PredictiveMemory
from flyball.core.control.observation import Observation
from flyball.core.control.reasons import ReasonKind
from flyball.core.control.scaling import predictive, schedule, steps
from flyball.core.control.step import step
from flyball.core.model import (
    AdjustmentType,
    Comparison,
    Metric,
    PredictiveScaling,
    Scaling,
    ScalingShape,
    ScheduledAction,
    StepAdjustment,
    StepScaling,
    TargetTracking,
)

CPU = Metric.CPU
AWS_STEPS = (
    StepAdjustment(lower_bound=0, upper_bound=10, amount=0),
    StepAdjustment(lower_bound=10, upper_bound=20, amount=10),
    StepAdjustment(lower_bound=20, amount=30),
)
AWS_STEPS_IN = (
    StepAdjustment(lower_bound=-10, upper_bound=0, amount=0),
    StepAdjustment(lower_bound=-20, upper_bound=-10, amount=-10),
    StepAdjustment(upper_bound=-20, amount=-30),
)


def rule(kind: str = "PercentChangeInCapacity", below: bool = False, **rest) -> StepScaling:
    return StepScaling(
        **{
            "metric": CPU,
            "comparison": Comparison.AT_MOST if below else Comparison.AT_LEAST,
            "threshold": 50,
            "duration_s": 1,
            "adjustment_type": AdjustmentType(kind),
            "steps": AWS_STEPS_IN if below else AWS_STEPS,
        }
        | rest
    )


@pytest.mark.parametrize(("value", "amount"), [(50, 0), (59.9, 0), (60, 10), (69.9, 10), (70, 30), (100, 30)])
def test_fact_20_above_the_threshold_lower_bounds_are_inclusive(value, amount):
    """Above the threshold a step holds its lower bound and not its upper one.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html
    """
    assert steps.adjustment(rule(), value).amount == amount


@pytest.mark.parametrize(("value", "amount"), [(50, 0), (40.1, 0), (40, -10), (30.1, -10), (30, -30), (0, -30)])
def test_fact_20_below_the_threshold_upper_bounds_are_inclusive(value, amount):
    """Below the threshold it is reversed.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html
    """
    assert steps.adjustment(rule(below=True), value).amount == amount


@pytest.mark.parametrize(("base", "percent", "after"), [(10, 127, 22), (67, 1, 68), (58, -1, 57), (10, -66.7, 4)])
def test_fact_20_percent_changes_are_rounded(base, percent, after):
    """12.7 -> 12, 0.67 -> 1, -0.58 -> -1, -6.67 -> -6.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html
    """
    assert steps.adjusted(rule(), StepAdjustment(amount=percent), base) == after


def test_fact_20_the_worked_example():
    """AWS's example: 10 -> 11 at 60, -> 14 at 70, -> 13 at 40, -> 10 at 30.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html
    """
    capacity = 10
    for value, below, after in ((60, False, 11), (70, False, 14), (40, True, 13), (30, True, 10)):
        policy = rule(below=below)
        capacity = steps.adjusted(policy, steps.adjustment(policy, value), capacity)
        assert capacity == after


def test_fact_20_exact_capacity_and_least_change():
    """ExactCapacity sets; MinAdjustmentMagnitude is the least a percentage changes.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html
    """
    assert steps.adjusted(rule("ExactCapacity"), StepAdjustment(amount=7), 3) == 7
    assert steps.adjusted(rule(min_adjustment_magnitude=2), StepAdjustment(amount=25), 4) == 6
    assert steps.adjusted(rule(min_adjustment_magnitude=2), StepAdjustment(amount=-25), 4) == 2
    assert steps.adjusted(rule(min_adjustment_magnitude=2), StepAdjustment(amount=0), 4) == 4
    assert steps.adjusted(rule("ChangeInCapacity"), StepAdjustment(amount=-9), 4) == 0


def test_fact_20_the_alarm_has_the_rules_duration():
    """The alarm has as many datapoints as the duration needs, and all of them breach.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html
    """
    assert steps.alarm(rule(duration_s=120), 0, 60).points == 2
    assert steps.alarm(rule(duration_s=121), 0, 60).points == 3
    assert steps.alarm(rule(duration_s=1), 0, 60).points == 1
    out = Scaling(steps=(replace(step_rule(CPU, ">", 50, 2), duration_s=3.0),))
    assert decision(out, {CPU: [90.0, 40.0, 90.0]}, desired=2).desired == 2
    assert decision(out, {CPU: [90.0, 90.0, 90.0]}, desired=2).desired == 4


def test_fact_20_no_step_for_the_distance_changes_nothing():
    """A distance that no step holds changes nothing.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html
    """
    gap = Scaling(steps=(rule("ChangeInCapacity", steps=(StepAdjustment(lower_bound=30, amount=1),)),))
    assert decision(gap, {CPU: 60.0}, desired=2).desired == 2
    assert decision(gap, {CPU: 90.0}, desired=2).desired == 3


def test_fact_21_the_largest_capacity_of_several_policies():
    """Several step policies: the one with the largest capacity wins, out and in.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html
    """
    out = Scaling(steps=(step_rule(CPU, ">", 50, 1), step_rule(Metric.MEMORY, ">", 50, 3)))
    assert decision(out, {CPU: 90.0, Metric.MEMORY: 90.0}, desired=2).desired == 5
    in_ = Scaling(steps=(step_rule(CPU, "<", 50, -1), step_rule(Metric.MEMORY, "<", 50, -3)))
    assert decision(in_, {CPU: 10.0, Metric.MEMORY: 10.0}, desired=6).desired == 5


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("cron", "zone", "due"),
    [
        ("0 8 * * *", "UTC", "2026-11-20T08:00"),
        ("0 8 * * *", "Europe/Stockholm", "2026-11-20T07:00"),
        ("*/15 * * * *", "UTC", "2026-11-20T11:45"),
        ("30 9-11/2 * * 1-5", "UTC", "2026-11-20T11:30"),
        ("0 8 * nov-dec MON-FRI", "UTC", "2026-11-20T08:00"),
        ("0 8 * * SAT,SUN", "UTC", None),
        ("5/20 8,9 20 11 *", "UTC", "2026-11-20T09:45"),
        ("0 6 1 * 5", "UTC", "2026-11-20T06:00"),
        ("0 6 1 * *", "UTC", None),
        ("0 6 * * 7", "UTC", None),
    ],
)
def test_fact_22_cron(cron, zone, due):
    """Scheduled actions have five cron fields, in UTC unless a time zone is given.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html
    """
    action = ScheduledAction(cron=cron, timezone=zone)
    found = schedule.last_due(action, since=at("2026-11-20T00:00"), now=at("2026-11-20T12:00") - 1)
    assert found == (None if due is None else at(due))


def test_fact_22_a_long_absence_is_made_up_for_one_day():
    """What was due while the control plane was away is done once, up to a day later.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html
    """
    action = ScheduledAction(cron="0 8 1 * *")
    now = at("2026-11-02T07:00")
    assert schedule.last_due(action, since=0.0, now=now) == at("2026-11-01T08:00")
    assert schedule.last_due(action, since=0.0, now=now + 7200) is None


def test_what_was_due_at_the_last_look_is_not_due_again():
    action, eight = ScheduledAction(cron="0 8 * * *"), at("2026-11-20T08:00")
    assert schedule.last_due(action, since=eight - 1, now=eight) == eight
    assert schedule.last_due(action, since=eight, now=eight + 1) is None


def scheduled(*actions: ScheduledAction, now: float = 60.0, **rest):
    web = service(low=1, high=10, scaling=Scaling(schedule=actions))
    before = state(*(instance(number) for number in range(1, 4)), schedule_at=0.0, **rest)
    return step(application(web), before, Observation(), now=now)


def test_fact_22_sets_any_of_min_max_desired_and_ignores_cooldowns():
    """A scheduled action sets any of min, max and desired, whatever cooldown runs.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html
    """
    made = scheduled(ScheduledAction(at=30.0, min=5, max=8))
    (web,) = made.state.services
    assert (web.bounds.min, web.bounds.max, web.desired) == (5, 8, 5)
    assert "scheduled action (at) says min 5" in [one.text for one in made.reasons]
    assert scheduled(ScheduledAction(at=30.0, max=2)).state.services[0].desired == 2
    assert scheduled(ScheduledAction(at=30.0, desired=7)).state.services[0].desired == 7
    assert scheduled(ScheduledAction(cron="1 0 * * *", desired=2)).state.services[0].desired == 2
    assert scheduled(ScheduledAction(at=30.0, desired=99)).state.services[0].desired == 10
    same = scheduled(ScheduledAction(at=30.0, desired=3))
    assert [one for one in same.reasons if one.before is not None] == []
    later = scheduled(ScheduledAction(at=90.0, desired=7))
    assert later.state.services[0].desired == 3
    assert later.state.services[0].schedule_at == 60.0


def test_fact_22_the_later_of_two_wins_and_the_file_wins_over_both():
    """Due actions are carried out in the order of their times; bounds changed in the file replace theirs.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html
    """
    made = scheduled(ScheduledAction(at=50.0, desired=4), ScheduledAction(at=40.0, desired=6))
    assert made.state.services[0].desired == 4
    raised = scheduled(ScheduledAction(at=50.0, min=6))
    changed = step(application(service(low=2, high=9)), raised.state, Observation(), now=61.0)
    assert changed.state.services[0].bounds.min == 2


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        (ScheduledAction(cron="0 8 * *"), "must have five fields"),
        (ScheduledAction(cron="61 8 * * *"), "is not within 0 to 59"),
        (ScheduledAction(cron="0 8-6 * * *"), "is not within 0 to 23"),
        (ScheduledAction(cron="x 8 * * *"), "is not within 0 to 59"),
        (ScheduledAction(cron="*/0 8 * * *"), "is not within"),
        (ScheduledAction(cron="0 8 * * *", timezone="Mars/Base"), "there is no time zone 'Mars/Base'"),
        (ScheduledAction(at=30.0, min=9, max=3), "min 9 above max 3"),
    ],
)
def test_fact_22_what_cannot_be_is_refused_once(action, problem):
    """A scheduled action that cannot be carried out is refused, once.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html
    """
    first = scheduled(action)
    (refusal,) = [one for one in first.reasons if one.kind is ReasonKind.REFUSED]
    assert problem in refusal.text
    web = service(low=1, high=10, scaling=Scaling(schedule=(action,)))
    again = step(application(web), replace(first.state), Observation(), now=61.0)
    assert not [one for one in again.reasons if one.kind is ReasonKind.REFUSED]


@pytest.mark.parametrize(
    ("scaling", "said"),
    [
        (Scaling(warmup_s=5), "warm-up is not used"),
        (Scaling(shape=ScalingShape.ASG, scale_in_cooldown_s=5), "cooldowns are not used"),
        (
            Scaling(shape=ScalingShape.ASG, steps=(replace(step_rule(CPU, ">", 1, 1), cooldown_s=9),)),
            "cooldowns are not used",
        ),
    ],
)
def test_fact_23_what_is_not_done_here_is_said_once(scaling, said):
    """Cooldowns belong to ECS and warm-up to an Auto Scaling group; the other's are refused, never silently ignored.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-default-instance-warmup.html
    """
    app = application(service(scaling=scaling))
    first = step(app, state(instance()), Observation(), now=1.0)
    assert [one.text.startswith(said) for one in first.reasons if one.kind is ReasonKind.REFUSED] == [True]
    assert not [o for o in step(app, first.state, Observation(), now=2.0).reasons if o.kind is ReasonKind.REFUSED]


HOUR_S = 3600.0


def hourly(loads, *, now: float) -> Memory:
    """What predictive scaling remembers of these hours, the last of which ended with the hour of `now`."""
    return Memory(predictive=PredictiveMemory(hour=int(now // HOUR_S), loads=tuple(loads)))


def predicted(loads, *, now: float, desired: int = 2, high: int = 100, **rule):
    scaling = Scaling(
        predictive=PredictiveScaling(**{"metric": CPU, "target_value": 50, "forecast_only": False} | rule)
    )
    return decision(scaling, {CPU: 10.0}, desired=desired, high=high, now=now, memory=hourly(loads, now=now))


def test_fact_51_a_forecast_needs_a_day_of_history():
    """Predictive scaling needs 24 hours of history, and uses up to 14 days of it.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/predictive-scaling-policy-overview.html
    """
    assert predicted([200.0] * 23, now=30 * HOUR_S).desired == 2
    assert predicted([200.0] * 24, now=30 * HOUR_S).desired == 4
    far = predictive.counted(hourly([1.0] * 400, now=HOUR_S * 400).predictive, 1.0, now=HOUR_S * 500)
    assert far.loads == (*[1.0] * (predictive.KEPT - 100), *[None] * 100)
    assert predictive.forecast(far, 500) == 1.0
    gap = PredictiveMemory(hour=24, loads=(None,) * 24)
    assert predictive.forecast(gap, 24) is None
    open_hour = predictive.counted(predictive.counted(PredictiveMemory(), 10.0, now=0.0), 30.0, now=1.0)
    assert predictive.counted(open_hour, None, now=HOUR_S) == PredictiveMemory(hour=1, loads=(20.0,))
    assert predictive.counted(PredictiveMemory(), None, now=0.0) == PredictiveMemory()


def test_fact_52_it_scales_out_a_buffer_before_the_hour_and_never_in():
    """The capacity for an hour is there 5 min before it by default, the largest policy wins, and it never scales in.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/predictive-scaling-policy-overview.html
    """
    loads = [50.0] * 9 + [400.0] + [50.0] * 14
    nine = 24 * HOUR_S + 9 * HOUR_S
    yesterday = loads[8:] + loads[:8]
    assert predicted(yesterday, now=nine - 301).kind is None
    soon = predicted(yesterday, now=nine - 300)
    assert (soon.desired, soon.kind) == (8, ReasonKind.SCALE_OUT)
    assert soon.text == "cpu 400 % in all expected from 09:00 UTC / 50 -> 8"
    assert predicted(yesterday, now=nine - 300, high=5).desired == 5
    assert predicted([50.0] * 24, now=nine, desired=7).kind is None
    tracked = Scaling(
        target_tracking=(TargetTracking(metric=CPU, target_value=50),),
        predictive=PredictiveScaling(metric=CPU, target_value=50, forecast_only=False),
    )
    held = decision(tracked, {CPU: 1.0}, desired=3, now=nine, memory=hourly([150.0] * 24, now=nine))
    assert why(held).startswith("scale-in held: 3 are needed (cpu 150 % in all expected")
    lower = decision(tracked, {CPU: 1.0}, desired=5, now=nine, memory=hourly([150.0] * 24, now=nine))
    assert (lower.desired, lower.kind) == (3, ReasonKind.SCALE_IN)


def test_fact_53_forecast_only_says_and_does_nothing():
    """In the mode "forecast only", which is the default, a forecast is shown and nothing is scaled.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/predictive-scaling-policy-overview.html
    """
    told = predicted([400.0] * 24, now=30 * HOUR_S, forecast_only=True)
    assert (told.desired, told.kind) == (2, None)
    assert why(told) == "forecast only: cpu 400 % in all expected from 06:00 UTC / 50 -> 8"
