"""Numbered facts of target tracking. The first line of a docstring is the fact, the second its source."""

from __future__ import annotations

import pytest

from builders import tracking
from core.control.situations import decision, situation, step_rule, why
from flyball.core.control.scaling import target_tracking
from flyball.core.control.scaling.proposal import Counts
from flyball.core.model import (
    Metric,
    Scaling,
    ScalingShape,
    TargetTracking,
)

CPU, MEMORY, REQUESTS = Metric.CPU, Metric.MEMORY, Metric.REQUESTS


def test_fact_05_two_alarms_3_of_3_and_15_of_15():
    """AlarmHigh is metric > target for 3 of 3 datapoints, AlarmLow metric < threshold for 15 of 15.
    https://github.com/aws/copilot-cli/blob/mainline/site/content/docs/concepts/services.en.md
    """
    assert decision(tracking(), {CPU: [10.0, 80, 80]}, desired=2).desired == 2
    assert decision(tracking(), {CPU: [80.0, 80, 80]}, desired=2).desired == 4
    assert decision(tracking(), {CPU: [50.0, 50, 50]}, desired=2).desired == 2
    assert decision(tracking(), {CPU: [60.0] + [10.0] * 14}, desired=4).desired == 4
    assert decision(tracking(), {CPU: [10.0] * 15}, desired=4).desired == 1


@pytest.mark.parametrize(
    ("shape", "target", "threshold"),
    [
        *(("ecs", target, low) for target, low in ((30, 27), (50, 45), (70, 63), (75, 67.5), (80, 72))),
        *(("asg", target, low) for target, low in ((50, 35), (40, 28), (60, 42), (30, 21))),
    ],
)
def test_fact_06_the_low_threshold_depends_on_the_shape(shape, target, threshold):
    """AlarmLow's threshold is 0.9 x target for ECS and 0.7 x target for an Auto Scaling group.
    https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
    """
    policy = TargetTracking(metric=CPU, target_value=target)
    assert target_tracking.low(policy, ScalingShape(shape)).value == threshold


@pytest.mark.parametrize(("current", "value", "wanted"), [(3, 75, 5), (1, 51, 2), (2, 100, 4), (10, 50.1, 11)])
def test_fact_08_adding_rounds_up(current, value, wanted):
    """Adding is proportional and rounds up: 1.5 more are 2.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html
    """
    assert decision(tracking(), {CPU: value}, desired=current).desired == wanted


@pytest.mark.parametrize(("current", "value", "wanted"), [(5, 35, 4), (10, 27, 6), (3, 20, 2)])
def test_fact_08_removing_rounds_down(current, value, wanted):
    """Removing rounds down: 1.5 fewer are 1.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html
    """
    assert decision(tracking(), {CPU: value}, desired=current).desired == wanted


def test_fact_09_starts_from_what_runs():
    """Scaling starts from the running count, not from the desired one, so slow starts do not run away.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-auto-scaling.html
    """
    made = decision(tracking(), {CPU: 100.0}, desired=4, running=2)
    assert made.desired == 4
    assert "4 wanted already are enough" in why(made)
    step = Scaling(steps=(step_rule(CPU, ">", 50, 1),))
    assert decision(step, {CPU: 100.0}, desired=4, running=2).desired == 4


def test_fact_10_no_action_that_is_reversed_at_once():
    """A scale-in that would at once trigger the scale-out is not taken (AutoScalingAnticipatedFlapping).
    https://docs.aws.amazon.com/autoscaling/application/APIReference/API_NotScaledReason.html
    """
    made = decision(tracking(), {CPU: 30.0}, desired=2)
    assert made.desired == 2
    assert "all 2 wanted are needed" in why(made)
    rules = Scaling(steps=(step_rule(CPU, ">", 50, 1), step_rule(CPU, "<", 30, -1)))
    made = decision(rules, {CPU: 28.0}, desired=2)
    assert made.desired == 2
    assert "with 1 cpu would be 56 % > 50 %" in why(made)
    assert decision(rules, {CPU: 20.0}, desired=2).desired == 1


def test_fact_10_already_at_max_and_min():
    """AlreadyAtMaxCapacity and AlreadyAtMinCapacity are reasons not to scale.
    https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-scaling-activities.html
    """
    assert why(decision(tracking(), {CPU: 90.0}, desired=4, high=4)).startswith("scale-out held: already at max 4")
    assert why(decision(tracking(), {CPU: 5.0}, desired=2, low=2)) == "scale-in held: already at min 2"
    assert not decision(tracking(), {CPU: 0.0}, desired=1, low=1).holds  # cpu never asks for less than 1


def _both(**rest) -> Scaling:
    cpu = TargetTracking(metric=CPU, target_value=70)
    memory = TargetTracking(metric=MEMORY, target_value=80, **rest)
    return Scaling(target_tracking=(cpu, memory))


def test_fact_11_any_policy_scales_out_the_largest_wins():
    """With several policies any one scales out, and the largest capacity wins.
    https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
    """
    assert decision(_both(), {CPU: 95.0, MEMORY: 10.0}, desired=4).desired == 6
    assert decision(_both(), {CPU: 75.0, MEMORY: 100.0}, desired=8).desired == 10


def test_fact_11_all_policies_must_agree_to_scale_in():
    """Scale-in only when all policies with scale-in enabled are ready; again the largest capacity wins.
    https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
    """
    made = decision(_both(), {CPU: 10.0, MEMORY: 75.0}, desired=4)
    assert made.desired == 4
    assert why(made) == "scale-in held: memory is 75 %, not yet < 72 % for 15 of 15 points"
    assert decision(_both(), {CPU: 10.0, MEMORY: 40.0}, desired=4).desired == 2
    falling = [75.0] * 12 + [15.0] * 3
    assert decision(_both(), {CPU: 10.0, MEMORY: falling}, desired=4).desired == 4
    assert decision(_both(disable_scale_in=True), {CPU: 10.0, MEMORY: falling}, desired=4).desired == 1


def test_fact_11_scale_in_can_be_switched_off():
    """DisableScaleIn is off by default; switched on, the policy only scales out.
    https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
    """
    policy = TargetTracking(metric=CPU, target_value=50, disable_scale_in=True)
    assert why(decision(Scaling(target_tracking=(policy,)), {CPU: 5.0}, desired=4)) == (
        "scale-in held: switched off in the file"
    )
    assert "switched off" in why(decision(tracking(disable_scale_in=True), {CPU: 5.0}, desired=4))
    assert decision(tracking(disable_scale_in=True), {CPU: 90.0}, desired=4).desired == 8


def test_fact_12_insufficient_data_never_scales_in():
    """A policy without data votes against scale-in.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-autoscaling-targettracking.html
    """
    made = decision(_both(), {CPU: 5.0, MEMORY: [None] * 17}, desired=4)
    assert made.desired == 4
    assert why(made) == "scale-in held: no data for memory"
    assert decision(tracking(), {CPU: [None] * 17}, desired=4).holds == ()


def test_fact_12_requests_can_reach_zero_and_come_back():
    """Real zeros of requests per target and min 0 reach 0; from 0, one datapoint with requests adds the first.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-auto-scaling.html
    """
    scaling = tracking(REQUESTS, 600.0)
    assert decision(scaling, {REQUESTS: 0.0}, desired=3, low=0).desired == 0
    assert decision(tracking(), {CPU: 0.0}, desired=3, low=0).desired == 1
    assert decision(scaling, {REQUESTS: [0.0, 0.0, 60.0]}, desired=0, low=0).desired == 1
    assert decision(scaling, {REQUESTS: [0.0, 0.0, 60.0]}, desired=0, low=2, running=0).desired == 2
    assert decision(scaling, {REQUESTS: [0.0, 0.0, 0.0]}, desired=0, low=0).desired == 0


def test_fact_13_policies_take_metrics_that_fall_with_capacity():
    """The metric must fall as capacity grows: cpu, memory, requests per target; only these can flap.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html
    """
    rules = Scaling(steps=(step_rule(Metric.P99, ">", 50, 1), step_rule(CPU, "<", 30, -1)))
    assert decision(rules, {Metric.P99: 40.0, CPU: 10.0}, desired=2).desired == 1


def test_the_load_is_of_those_that_were_measured():
    """A newly started instance is not counted, because it carried none of that load."""
    at = situation(tracking(), {CPU: 100.0}, desired=3, running=1, counts=Counts(desired=3, running=3))
    (vote,) = target_tracking.scale_out(at.scaling, at.windows, at.alarms, at.counts)
    assert "3 wanted already are enough" in vote.text


def test_one_quiet_point_does_not_empty_a_service():
    """Scale-in looks at the largest of the newest three datapoints."""
    assert decision(tracking(), {CPU: [40.0] * 14 + [1.0]}, desired=10).desired == 8
