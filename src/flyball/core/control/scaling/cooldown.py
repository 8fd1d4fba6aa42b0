"""How long does a scaling decision keep the next one waiting?

Rule for ECS: after a scale-out only a larger one passes while its cooldown runs, measured from the capacity before the
first (`out_base`): what was added counts. After a scale-in no other scale-in passes while its cooldown runs; a
scale-out passes at once and ends it. Scheduled actions ignore cooldowns.
Rule for an Auto Scaling group: no cooldowns. An instance warms up for `warmup_s` after it came into service; warming
ones are left out of the metric, count as capacity, and block every scale-in.

AWS: https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-step-scaling-policies.html
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-default-instance-warmup.html
Ours: AWS's 300 s are five of its datapoints, so the defaults are five of ours; a cooldown runs from the decision.
"""

from __future__ import annotations

from dataclasses import replace

from flyball.core.control.pacing import Cooldown
from flyball.core.control.state import Instance, Lifecycle
from flyball.core.model import Scaling, ScalingShape


def warmup_s(scaling: Scaling) -> float:
    """How long an instance warms up; ECS has no warm-up."""
    if scaling.shape is ScalingShape.ECS:
        return 0.0
    return scaling.default_cooldown_s if scaling.warmup_s is None else scaling.warmup_s


def is_warming(instance: Instance, warmup: float, *, now: float) -> bool:
    """Whether an instance in service still warms up, or is on its way into service (`warmup` above 0)."""
    if warmup <= 0 or instance.shadow:
        return False
    if instance.in_service_at is None:
        return instance.lifecycle is Lifecycle.LAUNCHING
    return instance.lifecycle is Lifecycle.IN_SERVICE and now - instance.in_service_at < warmup


def out_s(scaling: Scaling) -> float:
    """How long a scale-out keeps the next one waiting, in seconds."""
    return scaling.default_cooldown_s if scaling.scale_out_cooldown_s is None else scaling.scale_out_cooldown_s


def in_s(scaling: Scaling) -> float:
    """How long a scale-in keeps the next one waiting, in seconds."""
    return scaling.default_cooldown_s if scaling.scale_in_cooldown_s is None else scaling.scale_in_cooldown_s


def expired(cooldown: Cooldown, *, now: float) -> Cooldown:
    """The cooldown without what has ended by now."""
    if cooldown.out_until is not None and now >= cooldown.out_until:
        cooldown = replace(cooldown, out_until=None, out_base=0)
    if cooldown.in_until is not None and now >= cooldown.in_until:
        cooldown = replace(cooldown, in_until=None)
    return cooldown


def after_out(cooldown: Cooldown, *, before: int, duration_s: float, now: float) -> Cooldown:
    """The cooldown after a scale-out from `before` instances: it keeps the base of one that runs, ends a scale-in's."""
    base = before if cooldown.out_until is None else cooldown.out_base
    return Cooldown(out_until=now + duration_s, out_base=base) if duration_s > 0 else Cooldown()


def after_in(cooldown: Cooldown, *, duration_s: float, now: float) -> Cooldown:
    """The cooldown after a scale-in."""
    return replace(cooldown, in_until=now + duration_s if duration_s > 0 else None)
