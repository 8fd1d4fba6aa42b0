"""Does a metric breach its threshold for long enough?

Rule: an alarm looks at the newest N datapoints and is in alarm when M of them breach. To bridge missing ones it fetches
two more than N and uses real ones first. With fewer than N real ones it is in alarm only when the oldest breaching one
is at least M datapoints old and nothing newer contradicts it; it is OK as soon as one real datapoint does not breach,
without any real one INSUFFICIENT_DATA, and otherwise it keeps its state. This is `missing` as the treatment of missing
data, which both alarms of a target tracking policy have.

AWS: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
Ours: CloudWatch does not publish how many more it fetches (its example: 5 for 3 of 3); two more is used for every N.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from flyball.core.model import Comparison, Metric, RolloutAlarm, StepScaling

EXTRA_POINTS = 2
"""Datapoints fetched beyond N to bridge missing ones."""
EXACT = 1e-9
"""A quotient this close to a whole number is that number."""

_COMPARE: dict[Comparison, Callable[[float, float], bool]] = {
    Comparison.ABOVE: operator.gt,
    Comparison.AT_LEAST: operator.ge,
    Comparison.BELOW: operator.lt,
    Comparison.AT_MOST: operator.le,
}
_UNITS = {
    **dict.fromkeys((Metric.CPU, Metric.MEMORY, Metric.ERRORS), "%"),
    Metric.REQUESTS: "per minute",
    Metric.CONCURRENCY: "in flight",
    Metric.OFFERED: "per second",
}


class AlarmState(StrEnum):
    """CloudWatch's three states."""

    OK = "OK"
    ALARM = "ALARM"
    INSUFFICIENT_DATA = "INSUFFICIENT_DATA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """The remembered state of one alarm. `name` says whose it is: "target cpu high", "step 1", "rollout 0"."""

    name: str
    state: AlarmState


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """An alarm's rule: `to_alarm` of `points` datapoints breach."""

    name: str
    metric: Metric
    comparison: Comparison
    value: float
    points: int
    to_alarm: int

    def breaching(self, values: Sequence[float]) -> int:
        """How many of these datapoints breach."""
        compare, limit = _COMPARE[self.comparison], self.value
        return sum(1 for value in values if compare(value, limit))

    def text(self, value: float, values: Sequence[float | None]) -> str:
        """The alarm on these datapoints as a sentence: "cpu 83 % > 50 % for 3 of 3 points"."""
        shown, limit = show(self.metric, value), show(self.metric, self.value)
        breaching = self.breaching(self.newest(values))
        return f"{self.metric} {shown} {self.comparison} {limit} for {breaching} of {self.points} points"

    def newest(self, values: Sequence[float | None]) -> list[float]:
        """The real datapoints that the alarm looks at, oldest first."""
        real = [value for value in values[-(self.points + EXTRA_POINTS) :] if value is not None]
        return real[-self.points :]


def lasting(name: str, rule: StepScaling | RolloutAlarm, *, period_s: float) -> Threshold:
    """The alarm of a metric that breaches through a rule's duration: N of N datapoints, rounded up, one at least."""
    points = max(1, math.ceil(rule.duration_s / period_s - EXACT))
    return Threshold(
        name=name,
        metric=rule.metric,
        comparison=rule.comparison,
        value=rule.threshold,
        points=points,
        to_alarm=points,
    )


def show(metric: Metric, value: float) -> str:
    """A value with its unit, as users read it."""
    number = f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return f"{number} {_UNITS.get(metric, 'ms')}"


def evaluate(threshold: Threshold, values: Sequence[float | None], before: AlarmState) -> AlarmState:
    """The alarm's state given the closed datapoints (oldest first) and its state before."""
    newest = threshold.newest(values)
    if not newest:
        return AlarmState.INSUFFICIENT_DATA
    breaching = threshold.breaching(newest)
    if breaching >= threshold.to_alarm:
        return AlarmState.ALARM
    if len(newest) == threshold.points or breaching < len(newest):
        return AlarmState.OK
    return AlarmState.ALARM if _old_enough(threshold, values) else before


def _old_enough(threshold: Threshold, values: Sequence[float | None]) -> bool:
    recent = values[-threshold.points :]
    oldest = next((age for age, value in zip(range(len(recent), 0, -1), recent, strict=True) if value is not None), 0)
    return oldest >= threshold.to_alarm
