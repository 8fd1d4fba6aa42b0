"""Policies that AWS has not: Kubernetes' HPA and Knative's KPA, with their words and defaults, and our own.

https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/
https://knative.dev/docs/serving/autoscaling/
"""

from __future__ import annotations

from dataclasses import dataclass

from .metric import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRate:
    """At most `amount` instances (or percent of those at its beginning) in any `period_s`."""

    amount: int
    percent: bool = False
    period_s: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hpa:
    """Keeps the average of `metric` at `target_value`, looking every `every_s`.

    `tolerance_percent`: a smaller distance from the target value changes nothing. `out_window_s`, `in_window_s`: the
    smallest (largest) recommendation of so long counts. Of several rates the one that allows the largest change counts.
    """

    metric: Metric
    target_value: float
    tolerance_percent: float = 10.0
    every_s: float = 15.0
    out_window_s: float = 0.0
    in_window_s: float = 300.0
    out_rates: tuple[ChangeRate, ...] = (ChangeRate(amount=4), ChangeRate(amount=100, percent=True))
    in_rates: tuple[ChangeRate, ...] = (ChangeRate(amount=100, percent=True),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kpa:
    """Keeps `utilization_percent` of `target_value` (requests in flight, or per second) at every instance.

    `stable_s` and `panic_s` are the two windows; from `panic_percent` of what is ready it panics. `out_rate` and
    `in_rate`: the capacity grows (falls) at most by this factor each time. `in_delay_s`: the largest wish of so long
    counts.
    """

    metric: Metric
    target_value: float
    utilization_percent: float = 70.0
    stable_s: float = 60.0
    panic_s: float = 6.0
    panic_percent: float = 200.0
    out_rate: float = 1000.0
    in_rate: float = 2.0
    in_delay_s: float = 0.0

    @property
    def per_instance(self) -> float:
        """What one instance is meant to have."""
        return self.target_value * self.utilization_percent / 100.0

    @property
    def longest_s(self) -> float:
        """The longer of its two windows."""
        return max(self.stable_s, self.panic_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    """As few instances as keep a latency below `threshold` (ms), found out from what the requests take."""

    metric: Metric
    threshold: float
