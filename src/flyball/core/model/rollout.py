"""How a new release replaces the old one. Terms and rounding are those of ECS deployments.

https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
Circuit breaker and rollback are on by default here, off on AWS; templates have every value written out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from .metric import Metric
from .scaling import Comparison


class Strategy(StrEnum):
    """ECS's deployment strategies."""

    ROLLING = "rolling"
    BLUE_GREEN = "blue_green"
    CANARY = "canary"
    LINEAR = "linear"


class ThresholdType(StrEnum):
    """How ECS limits failures: a number, a share of desired kept within 3 to 200, or an unbounded share."""

    COUNT = "COUNT"
    BOUNDED_PERCENT = "BOUNDED_PERCENT"
    UNBOUNDED_PERCENT = "UNBOUNDED_PERCENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """Fails a rollout after too many failed instances: BOUNDED_PERCENT 50 is ceil(0.5 x desired), within 3 to 200."""

    threshold_type: ThresholdType = ThresholdType.BOUNDED_PERCENT
    value: int = 50
    reset_on_healthy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutAlarm:
    """Rolls back a rollout when `metric` breaches for `duration_s` while it runs or bakes."""

    metric: Metric
    comparison: Comparison = Comparison.ABOVE
    threshold: float
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """How to roll out a release and stop an instance. Percentages are of the desired capacity.

    `deregistration_delay_s` is the longest drain (300 s by default on AWS, 30 s in the seeds and here);
    `stop_timeout_s` runs from SIGTERM to SIGKILL. `step_percent` and `step_interval_s` are the share and time of the
    canary, or of each step of linear.
    """

    strategy: Strategy = Strategy.ROLLING
    minimum_healthy_percent: int = 100
    maximum_percent: int = 200
    circuit_breaker: CircuitBreaker | None = CircuitBreaker()
    rollback: bool = True
    alarms: tuple[RolloutAlarm, ...] = ()
    bake_s: float = 0.0
    step_percent: float = 10.0
    step_interval_s: float = 60.0
    deregistration_delay_s: float = 30.0
    stop_timeout_s: float = 30.0

    def fewest(self, desired: int) -> int:
        """How many healthy instances stay in service during a rollout: the minimum percent, rounded up."""
        return math.ceil(desired * self.minimum_healthy_percent / 100)

    def most(self, desired: int) -> int:
        """How many instances there may be during a rollout: the maximum percent, rounded down."""
        return math.floor(desired * self.maximum_percent / 100)
