"""Policies that AWS has not, as keys of `scale`: `hpa` (Kubernetes), `kpa` (Knative); and our own, `adaptive`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from flyball.core import durations
from flyball.core.manifest import units
from flyball.core.model import Adaptive, ChangeRate, Hpa, Kpa, Metric

from .base import (
    NUMBER_OR_PERCENT,
    Duration,
    Percent,
    Share,
    Table,
    between,
    key,
    number_or_percent,
    required,
    span,
    text_of,
)

SLO_PATTERN = r"^p(50|95|99)[ ]*<=?[ ]*[0-9]{1,9}(\.[0-9]{1,6})?[ ]?(ms|s|m|h|d)$"
RATE_PATTERN = r"^[0-9]{1,6}%?/[0-9]{1,9}(\.[0-9]{1,6})?(ms|s|m|h|d)$"
Many = Annotated[float, Field(gt=0, le=1e9)]
Factor = Annotated[float, Field(ge=1, le=1e6)]


def percents(low: float, high: float) -> AfterValidator:
    """Refuses percentages outside low..high."""
    return between(low, high, lambda value: f"{units.number_text(value)}%")


PercentTarget = Annotated[
    float, BeforeValidator(number_or_percent), percents(1, 100), WithJsonSchema(NUMBER_OR_PERCENT)
]


def _change_rate(value: Any) -> ChangeRate:
    """The rate of "4/15s" or "100%/15s"."""
    if isinstance(value, str) and re.fullmatch(RATE_PATTERN, value):
        amount, period = value.split("/")
        seconds = durations.seconds(period)
        if seconds:
            return ChangeRate(amount=int(amount.rstrip("%")), percent=amount.endswith("%"), period_s=seconds)
    raise ValueError(f'must be a rate such as "4/15s" or "100%/15s", found {units.value_text(value)}')


Rates = list[
    Annotated[ChangeRate, BeforeValidator(_change_rate), WithJsonSchema({"type": "string", "pattern": RATE_PATTERN})]
]


class HpaTable(Table):
    """What Kubernetes' Horizontal Pod Autoscaler would do. Needs exactly one of cpu, memory, requests."""

    cpu: PercentTarget | None = key("percent of the reserved CPU to keep, 1 to 100")
    memory: PercentTarget | None = key("percent of the memory limit to keep, 1 to 100")
    requests: Many | None = key("requests per instance and minute to keep")
    tolerance: Share | None = key("a smaller distance from the target value changes nothing", to="tolerance_percent")
    every: Annotated[Duration, span("1s", "1h")] | None = key("how often it looks", to="every_s")
    out_window: Annotated[Duration, span("0s", "1h")] | None = key(
        "before a scale-out: the smallest recommendation of so long counts", to="out_window_s"
    )
    in_window: Annotated[Duration, span("0s", "1h")] | None = key(
        "before a scale-in: the largest recommendation of so long counts", to="in_window_s"
    )
    out_rates: Rates | None = key('most that may be added: ["4/15s", "100%/15s"], of which the larger change counts')
    in_rates: Rates | None = key('most that may be removed: ["100%/15s"]')
    model: ClassVar[type | None] = Hpa

    def metrics(self) -> list[tuple[Metric, float]]:
        """The given target values."""
        found = ((metric, getattr(self, metric)) for metric in (Metric.CPU, Metric.MEMORY, Metric.REQUESTS))
        return [(metric, value) for metric, value in found if value is not None]

    def resolve(self) -> Hpa:
        """The policy for its one metric."""
        metric, value = self.metrics()[0]
        policy = Hpa(**self.given(), metric=metric, target_value=value)
        out_rates = policy.out_rates if self.out_rates is None else tuple(self.out_rates)
        in_rates = policy.in_rates if self.in_rates is None else tuple(self.in_rates)
        return replace(policy, out_rates=out_rates, in_rates=in_rates)


class KpaTable(Table):
    """What Knative's autoscaler would do. Needs exactly one of concurrency, rps."""

    concurrency: Many | None = key("requests in flight that one instance can have")
    rps: Many | None = key("requests per second that one instance can answer")
    utilization: Annotated[Percent, percents(1, 100)] | None = key(
        "how much of that is meant to be used", to="utilization_percent"
    )
    stable: Annotated[Duration, span("6s", "1h")] | None = key("length of the stable window", to="stable_s")
    panic: Annotated[Duration, span("1s", "1h")] | None = key("length of the panic window", to="panic_s")
    panic_threshold: Annotated[Percent, percents(110, 1000)] | None = key(
        "it panics when the panic window needs so much of what is ready", to="panic_percent"
    )
    out_rate: Factor | None = key("the capacity grows at most by this factor each time", to="out_rate")
    in_rate: Factor | None = key("the capacity falls at most by this factor each time", to="in_rate")
    in_delay: Annotated[Duration, span("0s", "1h")] | None = key(
        "before a scale-in: the largest wish of so long counts", to="in_delay_s"
    )
    model: ClassVar[type | None] = Kpa

    def metrics(self) -> list[tuple[Metric, float]]:
        """The given target values."""
        found = ((Metric.CONCURRENCY, self.concurrency), (Metric.OFFERED, self.rps))
        return [(metric, value) for metric, value in found if value is not None]

    def resolve(self) -> Kpa:
        """The policy for its one metric."""
        metric, value = self.metrics()[0]
        return Kpa(**self.given(), metric=metric, target_value=value)


def _objective(text: str) -> tuple[Metric, float]:
    """Metric and milliseconds of "p99 < 200ms"."""
    metric, comparison, value = units.condition(text)
    if metric not in {Metric.P50, Metric.P95, Metric.P99} or comparison.upward or value <= 0:
        raise ValueError(f"must be a latency below a limit such as p99 < 200ms, found {text!r}")
    return metric, value


class AdaptiveTable(Table):
    """As few instances as keep an objective."""

    slo: Annotated[
        tuple[Metric, float],
        text_of(_objective, 'an objective in quotes such as "p99 < 200ms"'),
        WithJsonSchema({"type": "string", "pattern": SLO_PATTERN}),
    ] = required('the objective: "p99 < 200ms", also p95 and p50')
    model: ClassVar[type | None] = Adaptive

    def resolve(self) -> Adaptive:
        """The policy."""
        metric, threshold = self.slo
        return Adaptive(metric=metric, threshold=threshold)
