"""Numbered facts of cooldowns and warm-up. The first line of a docstring is the fact, the second its source."""

from __future__ import annotations

from builders import application, instance, seen, service, state, tracking
from core.control.situations import decision, step_rule, why
from flyball.core.control.observation import InstanceSample, Observation
from flyball.core.control.pacing import Cooldown
from flyball.core.control.scaling import cooldown, steps
from flyball.core.control.scaling.proposal import Counts
from flyball.core.control.step import step
from flyball.core.model import Metric, Scaling, ScalingShape, StepScaling

CPU = Metric.CPU


def test_fact_14_cooldowns_are_five_datapoints_by_default():
    """Cooldowns are 300 s on ECS, five of its 60 s datapoints; a policy's own value goes first.
    https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
    """
    rule = step_rule(CPU, ">", 50, 1)
    assert steps.cooldown_s(rule, Scaling(period_s=60), out=True) == 300
    assert steps.cooldown_s(rule, Scaling(period_s=1), out=False) == 5
    assert steps.cooldown_s(rule, Scaling(scale_out_cooldown_s=7), out=True) == 7
    assert steps.cooldown_s(rule, Scaling(scale_out_cooldown_s=7), out=False) == 5
    own = StepScaling(
        metric=CPU, comparison=rule.comparison, threshold=50, duration_s=1, steps=rule.steps, cooldown_s=0
    )
    assert steps.cooldown_s(own, Scaling(scale_out_cooldown_s=7), out=True) == 0
    made = decision(tracking(period_s=60), {CPU: 90.0}, desired=1)
    assert made.cooldown.out_until == 400.0
    made = decision(tracking(period_s=60, scale_in_cooldown_s=30), {CPU: 1.0}, desired=3)
    assert made.cooldown.in_until == 130.0
    assert decision(tracking(scale_out_cooldown_s=0), {CPU: 90.0}, desired=1).cooldown == Cooldown()
    assert decision(tracking(scale_in_cooldown_s=0), {CPU: 1.0}, desired=3).cooldown == Cooldown()


def test_fact_15_only_a_larger_scale_out_passes_in_its_cooldown():
    """In the scale-out cooldown what was added counts: +2, then an alarm that asks for +3 adds 1.
    https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-step-scaling-policies.html
    """
    running = Cooldown(out_until=110.0, out_base=4)
    three = Scaling(steps=(step_rule(CPU, ">", 50, 3),))
    two = Scaling(steps=(step_rule(CPU, ">", 50, 2),))
    assert decision(three, {CPU: 90.0}, desired=6, cooldown=running).desired == 7
    made = decision(two, {CPU: 90.0}, desired=6, cooldown=running)
    assert made.desired == 6
    assert why(made).startswith("scale-out held: cooldown, 10 s left")
    after = decision(three, {CPU: 90.0}, desired=6, cooldown=running).cooldown
    assert after == Cooldown(out_until=105.0, out_base=4)
    assert decision(two, {CPU: 90.0}, desired=6).desired == 8


def test_twice_the_instances_in_a_rollout_do_not_double_a_step():
    two = Scaling(steps=(step_rule(CPU, ">", 50, 2),))
    assert decision(two, {CPU: 90.0}, desired=6, running=12).desired == 8


def test_fact_15_scale_in_waits_and_scale_out_ends_the_wait():
    """Scale-in is blocked in its cooldown; a scale-out then happens at once and cancels it.
    https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
    """
    waiting = Cooldown(in_until=112.0)
    made = decision(tracking(), {CPU: 5.0}, desired=4, cooldown=waiting)
    assert made.desired == 4
    assert why(made) == "scale-in held: cooldown, 12 s left"
    made = decision(tracking(), {CPU: 90.0}, desired=4, cooldown=waiting)
    assert made.desired == 8
    assert made.cooldown.in_until is None


def test_fact_15_a_cooldown_ends():
    """A cooldown of 300 s blocks for 300 s.
    https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-step-scaling-policies.html
    """
    both = Cooldown(out_until=10.0, out_base=3, in_until=20.0)
    assert cooldown.expired(both, now=9.0) == both
    assert cooldown.expired(both, now=10.0) == Cooldown(in_until=20.0)
    assert cooldown.expired(both, now=20.0) == Cooldown()


def test_fact_16_an_auto_scaling_group_has_warm_up_and_no_cooldown():
    """Target and step policies of an Auto Scaling group use warm-up (default: the default cooldown), not cooldowns.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/consolidated-view-of-warm-up-and-cooldown-settings.html
    """
    asg = ScalingShape.ASG
    assert cooldown.warmup_s(Scaling(shape=asg, period_s=60)) == 300
    assert cooldown.warmup_s(Scaling(shape=asg, warmup_s=42)) == 42
    assert cooldown.warmup_s(Scaling(warmup_s=42)) == 0
    assert decision(tracking(shape=asg), {CPU: 90.0}, desired=1).cooldown == Cooldown()
    assert decision(tracking(shape=asg), {CPU: 1.0}, desired=3).cooldown == Cooldown()


def test_fact_17_warming_instances_are_not_measured():
    """Warming instances are left out of the metric.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-default-instance-warmup.html
    """
    web = service(scaling=tracking(shape=ScalingShape.ASG, warmup_s=100))
    before = state(instance(1, in_service_at=-200.0), instance(2, in_service_at=0.0))
    samples = (InstanceSample(id="web-1", cpu_percent=90), InstanceSample(id="web-2", cpu_percent=10))
    shown = seen(*before.instances, sampled=True, samples=samples)
    after = step(application(web), before, shown, now=1.0).state
    assert after.services[0].windows.latest(CPU) == 90.0
    assert after.services[0].windows.instances == 1.0


def test_fact_17_warming_blocks_scale_in_and_counts_for_scale_out():
    """Warming instances count toward capacity for a scale-out and block every scale-in.
    https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-default-instance-warmup.html
    """
    asg = tracking(shape=ScalingShape.ASG)
    warming = Counts(desired=4, running=2, warming=True)
    made = decision(asg, {CPU: 5.0}, desired=4, counts=warming)
    assert made.desired == 4
    assert why(made) == "scale-in held: instances are still warming up"
    assert decision(asg, {CPU: 90.0}, desired=4, running=2, counts=warming).desired == 4
    rule = Scaling(shape=ScalingShape.ASG, steps=(step_rule(CPU, ">", 50, 1),))
    assert "still starting or warming up" in why(decision(rule, {CPU: 90.0}, desired=4, counts=warming))


def test_fact_18_scale_in_is_held_in_a_rollout_and_scale_out_is_not():
    """Scale-in is suspended while a deployment runs; scale-out continues.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-auto-scaling.html
    """
    made = decision(tracking(), {CPU: 5.0}, desired=4, rollout="release 7")
    assert made.desired == 4
    assert why(made) == "scale-in held: rollout of release 7 is running"
    assert decision(tracking(), {CPU: 90.0}, desired=4, rollout="release 7").desired == 8


def test_fact_19_desired_goes_into_the_bounds():
    """A desired capacity below min goes to min, above max to max.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-auto-scaling.html
    """
    before = state(instance(1), instance(2))
    raised = step(application(service(low=4)), before, Observation(), now=1.0)
    assert raised.state.services[0].desired == 4
    lowered = step(application(service(high=1)), before, Observation(), now=1.0)
    assert lowered.state.services[0].desired == 1
    changes = [(one.kind, one.before, one.after) for one in (*raised.reasons, *lowered.reasons) if one.after]
    assert changes == [("scale_out", 2, 4), ("scale_in", 2, 1)]


def test_an_operator_holds_policies():
    """While held by hand neither direction moves."""
    assert "held by hand, 30 s left" in why(decision(tracking(), {CPU: 90.0}, desired=4, held_s=30.0))
    assert "held by hand, 30 s left" in why(decision(tracking(), {CPU: 5.0}, desired=4, held_s=30.0))
