"""What do charts show of a service, and of many moments or services as one?

Rule: a row is a service's last closed datapoint with its capacities. Over time, rates and use are averages, latencies
the worst, capacities the last. Side by side, rates and capacities are sums, use counts by instances in service,
latencies and shares of errors are the worst.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from .views import ServiceView, short

Row = Mapping[str, float | None]
Rules = Mapping[str, Callable[[Sequence[float], Sequence[float]], float | None]]
"""By column: what makes one value of those that are known and of the instances in service beside each."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A service's row at the end of a datapoint, in seconds."""

    at: float
    service: str
    row: Row


def row_of(service: ServiceView) -> Row:
    """The numbers of one service that charts need."""
    seen, capacity = service.metrics, service.capacity
    return {
        "rps": short(seen.requests_per_s),
        "eps": short(seen.errors_per_s),
        **{metric.value: short(value) for metric, value in seen.points.items()},
        "desired": capacity.desired,
        "in_service": capacity.in_service,
    }


class Minutes:
    """Gathers the rows of each service until a minute is over."""

    def __init__(self) -> None:
        self._minute = 0
        self._rows: dict[str, list[Row]] = {}

    def add(self, rows: Mapping[str, Row], *, now: float) -> list[Moment]:
        """Take a tick's rows; those of the minute before, when it is over by now."""
        over: list[Moment] = []
        if math.floor(now / 60.0) != self._minute:
            over = [Moment(self._minute * 60.0, name, merged(of, OVER_TIME)) for name, of in self._rows.items()]
            self._minute, self._rows = math.floor(now / 60.0), {}
        for name, row in rows.items():
            self._rows.setdefault(name, []).append(row)
        return over


def _mean(values: Sequence[float], _: Sequence[float]) -> float:
    return round(sum(values) / len(values), 3)


def _mean_of_instances(values: Sequence[float], instances: Sequence[float]) -> float | None:
    total = sum(value * weight for value, weight in zip(values, instances, strict=True))
    return round(total / sum(instances), 3) if sum(instances) else None


def _total(values: Sequence[float], _: Sequence[float]) -> float:
    return sum(values)


def _worst(values: Sequence[float], _: Sequence[float]) -> float:
    return max(values)


def _last(values: Sequence[float], _: Sequence[float]) -> float:
    return values[-1]


_RULES = {
    "rps": (_mean, _total),
    "eps": (_mean, _total),
    "cpu": (_mean, _mean_of_instances),
    "memory": (_mean, _mean_of_instances),
    "requests": (_mean, _mean_of_instances),
    "errors": (_mean, _worst),
    "p50": (_worst, _worst),
    "p95": (_worst, _worst),
    "p99": (_worst, _worst),
    "desired": (_last, _total),
    "in_service": (_last, _total),
}
COLUMNS = tuple(_RULES)
OVER_TIME: Rules = {name: rule for name, (rule, _) in _RULES.items()}
"""One service at several moments."""
SIDE_BY_SIDE: Rules = {name: rule for name, (_, rule) in _RULES.items()}
"""Several services at one moment."""


def merged(rows: Sequence[Row], rules: Rules) -> Row:
    """One row for many, each column by its rule; None where no row has a value. One row stays as it is."""
    if len(rows) == 1:
        return rows[0]
    row: dict[str, float | None] = {}
    for name, rule in rules.items():
        known = [(value, one.get("in_service") or 0) for one in rows if (value := one.get(name)) is not None]
        row[name] = rule(*zip(*known, strict=True)) if known else None
    return row
