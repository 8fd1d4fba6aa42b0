"""How many instances a service should have, and when that changes: the nouns of scaling.

Terms and defaults are those of EC2 Auto Scaling and Application Auto Scaling; `core/control/scaling` has the behaviour.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .autoscalers import Adaptive, Hpa, Kpa
from .metric import Metric


class ScalingShape(StrEnum):
    """Whose target tracking applies: an Auto Scaling group's, or ECS's (Application Auto Scaling)."""

    ASG = "asg"
    ECS = "ecs"


class AdjustmentType(StrEnum):
    """AWS's names for what a step does to the capacity."""

    CHANGE_IN_CAPACITY = "ChangeInCapacity"
    EXACT_CAPACITY = "ExactCapacity"
    PERCENT_CHANGE_IN_CAPACITY = "PercentChangeInCapacity"


class Comparison(StrEnum):
    """How a metric is compared with a threshold."""

    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="

    @property
    def upward(self) -> bool:
        """Whether it breaches above the threshold; such a rule scales out, the others scale in."""
        return self in (Comparison.ABOVE, Comparison.AT_LEAST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Bounds in instances; `desired` is the first desired capacity, `min` if None."""

    min: int = 1
    max: int = 1
    desired: int | None = None

    @property
    def first(self) -> int:
        """The desired capacity to begin with, within the bounds."""
        return min(max(self.min if self.desired is None else self.desired, self.min), self.max)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTracking:
    """Keeps the average of `metric` at `target_value`: percent, or requests per instance and minute."""

    metric: Metric
    target_value: float
    disable_scale_in: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAdjustment:
    """One step. Bounds are relative to the alarm's threshold; None is unbounded. `amount` may be negative."""

    lower_bound: float | None = None
    upper_bound: float | None = None
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepScaling:
    """An alarm (`metric` `comparison` `threshold` for `duration_s`) and what to do while it is in alarm.

    All of its ceil(duration_s / period_s) datapoints must breach. If `cooldown_s` is None, the service's counts.
    """

    metric: Metric
    comparison: Comparison
    threshold: float
    duration_s: float
    adjustment_type: AdjustmentType = AdjustmentType.CHANGE_IN_CAPACITY
    steps: tuple[StepAdjustment, ...]
    min_adjustment_magnitude: int | None = None
    cooldown_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledAction:
    """Sets any of min, max and desired: on `cron`, five fields, or once `at` seconds since the epoch."""

    cron: str | None = None
    at: float | None = None
    timezone: str = "UTC"
    min: int | None = None
    max: int | None = None
    desired: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictiveScaling:
    """AWS's predictive scaling: an hourly forecast that only scales out, `buffer_s` before the hour."""

    metric: Metric
    target_value: float
    forecast_only: bool = True
    buffer_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Everything that decides a service's capacity.

    `period_s` is the length of one metric datapoint: 1 s here by default, 60 s on AWS (on ECS also 20 s).
    Cooldowns and warm-up default to five datapoints, 5 x `period_s`, as AWS's 300 s are five of 60 s.
    """

    target_tracking: tuple[TargetTracking, ...] = ()
    steps: tuple[StepScaling, ...] = ()
    schedule: tuple[ScheduledAction, ...] = ()
    predictive: PredictiveScaling | None = None
    hpa: Hpa | None = None
    kpa: Kpa | None = None
    adaptive: Adaptive | None = None
    shape: ScalingShape = ScalingShape.ECS
    period_s: float = 1.0
    scale_out_cooldown_s: float | None = None
    scale_in_cooldown_s: float | None = None
    warmup_s: float | None = None
    disable_scale_in: bool = False

    @property
    def default_cooldown_s(self) -> float:
        """AWS's 300 s, scaled from 60 s datapoints to ours."""
        return 5.0 * self.period_s
