"""What each service did, second by second for an hour and minute by minute for a week: the charts' data."""

from __future__ import annotations

import math
from typing import Any

from .journal import Journal


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
        rows = [(service, together(of)) for service, of in self._rows.items()]
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


def together(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One row for many: averages, but the worst of latencies and the last of capacities."""
    merged: dict[str, Any] = {}
    for key in rows[-1]:
        values = [row[key] for row in rows if row[key] is not None]
        if not values:
            merged[key] = None
        elif key in {"p50", "p95", "p99"}:
            merged[key] = max(values)
        elif key in {"desired", "in_service"}:
            merged[key] = values[-1]
        else:
            merged[key] = round(sum(values) / len(values), 3)
    return merged
