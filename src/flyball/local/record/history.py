"""What each service did, second by second for an hour and minute by minute for a week: the charts' data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .journal import Journal

Row = dict[str, Any]
Rules = Mapping[str, Callable[[Sequence[float], Sequence[float]], float | None]]
"""By column: what makes one value of those that are known and of the instances in service beside each."""


class History:
    """Writes one row per service and tick, and one per minute with averages (latencies: the minute's worst second)."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._minute = 0
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def record(self, services: list[dict[str, Any]], *, now: float) -> None:
        """Keep this tick. `services` has the shape of `flyball ps --json`."""
        if math.floor(now / 60.0) != self._minute:
            self._close_minute()
            self._minute = math.floor(now / 60.0)
        rows = [(service["name"], row_of(service)) for service in services]
        for name, row in rows:
            self._rows.setdefault(name, []).append(row)
        self._journal.record_history(round(now, 2), rows)

    def _close_minute(self) -> None:
        rows = [(service, merged(of, OVER_TIME)) for service, of in self._rows.items()]
        self._journal.record_history(self._minute * 60.0, rows, resolution=60)
        self._rows = {}


def row_of(service: dict[str, Any]) -> dict[str, Any]:
    """The numbers of one service that charts need."""
    metrics, capacity = service["metrics"], service["capacity"]
    return {
        "rps": metrics["requests_per_second"],
        "eps": metrics["errors_per_second"],
        "cpu": metrics["cpu_percent"],
        "memory": metrics["memory_percent"],
        "p50": metrics["latency_ms"]["p50"],
        "p95": metrics["latency_ms"]["p95"],
        "p99": metrics["latency_ms"]["p99"],
        "desired": capacity["desired"],
        "in_service": capacity["in_service"],
    }


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
    """One row for many, each column by its rule; null where no row has a value. One row stays as it is."""
    if len(rows) == 1:
        return rows[0]
    row: Row = {}
    for name, rule in rules.items():
        known = [(value, one.get("in_service") or 0) for one in rows if (value := one.get(name)) is not None]
        row[name] = rule(*zip(*known, strict=True)) if known else None
    return row
