"""How many instances a service should have, and when that changes: the nouns of scaling.

Words and defaults are those of EC2 Auto Scaling and Application Auto Scaling; what they mean is in
`core/control/scaling`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Metric(StrEnum):
    """What can be measured of a service. Units: percent, except requests (per instance and minute) and latency (ms)."""

    CPU = "cpu"
    MEMORY = "memory"
    REQUESTS = "requests"
    ERRORS = "errors"
    P50 = "p50"
    P95 = "p95"
    P99 = "p99"


class ScalingShape(StrEnum):
    """Whose target tracking is followed: an Auto Scaling group's or ECS's (Application Auto Scaling)."""

    ASG = "asg"
    ECS = "ecs"


class AdjustmentType(StrEnum):
    """AWS's words for what a step does to the capacity."""

    CHANGE_IN_CAPACITY = "ChangeInCapacity"
    EXACT_CAPACITY = "ExactCapacity"
    PERCENT_CHANGE_IN_CAPACITY = "PercentChangeInCapacity"


class Comparison(StrEnum):
    """How a metric is held against a threshold."""

    ABOVE = ">"
    AT_LEAST = ">="
    BELOW = "<"
    AT_MOST = "<="

    @property
    def upward(self) -> bool:
        """Whether it breaches above its threshold: such a rule scales out, the others scale in."""
        return self in (Comparison.ABOVE, Comparison.AT_LEAST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Bounds in instances; `desired` is the first wish (None: `min`)."""

    min: int = 1
    max: int = 1
    desired: int | None = None

    @property
    def first(self) -> int:
        """The desired capacity to begin with, within the bounds."""
        return min(max(self.min if self.desired is None else self.desired, self.min), self.max)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetTracking:
    """Keep the average of `metric` at `target_value` (percent; for requests: per instance and minute)."""

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

    The alarm has ceil(duration_s / period_s) datapoints, all of which must breach.
    `cooldown_s` None means the service's default for that direction.
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
    """At a time, set any of min, max and desired. `cron` has five fields, or `at` is seconds since the epoch."""

    cron: str | None = None
    at: float | None = None
    timezone: str = "UTC"
    min: int | None = None
    max: int | None = None
    desired: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictiveScaling:
    """AWS's predictive scaling: hourly forecast, only scales out, `buffer_s` before the hour."""

    metric: Metric
    target_value: float
    forecast_only: bool = True
    buffer_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """All that decides the capacity of one service.

    `period_s` is the length of one metric datapoint: 1 s here by default, 60 s (ECS also 20 s) on AWS.
    Cooldowns and warm-up that are None follow AWS's 300 s as five datapoints of 60 s: 5 x `period_s`.
    """

    target_tracking: tuple[TargetTracking, ...] = ()
    steps: tuple[StepScaling, ...] = ()
    schedule: tuple[ScheduledAction, ...] = ()
    predictive: PredictiveScaling | None = None
    shape: ScalingShape = ScalingShape.ECS
    period_s: float = 1.0
    scale_out_cooldown_s: float | None = None
    scale_in_cooldown_s: float | None = None
    warmup_s: float | None = None
    disable_scale_in: bool = False

    @property
    def default_cooldown_s(self) -> float:
        """AWS's 300 s, scaled from its 60 s datapoints to ours."""
        return 5.0 * self.period_s
