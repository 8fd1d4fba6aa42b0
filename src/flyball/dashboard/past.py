"""What was: the journal's history and events, read beside the control plane that writes them.

Every question opens the file for itself, read-only and in a thread, so that a page that asks for a week keeps no step
waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import sqlite3
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from flyball.core.errors import Failed

SECONDS_S = 3_600.0  # longer than this is read minute by minute
COLUMNS = ("rps", "eps", "cpu", "memory", "p50", "p95", "p99", "desired", "in_service")
_SUMMED = frozenset({"rps", "eps", "desired", "in_service"})
_WORST = frozenset({"p50", "p95", "p99"})
_LAST = frozenset({"desired", "in_service"})

Row = dict[str, float | None]


class Past:
    """Reads one journal."""

    def __init__(self, journal: Path) -> None:
        self._address = f"{journal.absolute().as_uri()}?mode=ro"

    async def series(self, *, since: float, until: float, service: str | None, points: int) -> dict[str, Any]:
        """Columns for charts: `at` (the end of each datapoint, seconds) and `COLUMNS`, at most `points` datapoints.

        Without a service, all of them together: rates and capacities added, the worst latency, the average of use.
        Where nothing was written for a while there is one datapoint of nulls. `step` is the datapoints' length.
        """
        resolution = 1 if until - since <= SECONDS_S else 60
        step = max(resolution, math.ceil((until - since) / points))
        query = (
            "SELECT at, data FROM history WHERE resolution = ? AND at >= ? AND at <= ?"
            " AND (? IS NULL OR service = ?) ORDER BY at"
        )
        found = await self._read(query, (resolution, since - resolution, until, service, service))
        return await asyncio.to_thread(_columns, found, step, resolution if resolution > 1 else 0)

    async def events(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        since: float = 0.0,
        service: str | None = None,
        kinds: Collection[str] = (),
        limit: int = 1000,
    ) -> list[dict[str, Any]]:
        """The newest `limit` events between two numbers, oldest first, as `Event.as_json` gives them."""
        among = f" AND kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
        query = (
            "SELECT id, at, service, kind, before, after, reason, instance, release FROM events"  # noqa: S608
            " WHERE id > ? AND id < ? AND at >= ? AND (? IS NULL OR service IN (?, ''))"
            f"{among} ORDER BY id DESC LIMIT ?"
        )
        highest = 2**62 if before is None else before
        rows = await self._read(query, (after, highest, since, service, service, *kinds, limit))
        names = ("id", "at", "service", "kind", "from", "to", "reason", "instance", "release")
        return [dict(zip(names, row, strict=True)) for row in reversed(rows)]

    async def scalings(self, since: float) -> dict[str, dict[str, int]]:
        """How often each service scaled out and in since then: {"web": {"scale_out": 2, "scale_in": 1}}."""
        query = (
            "SELECT service, kind, count(*) FROM events WHERE at >= ?"
            " AND kind IN ('scale_out', 'scale_in') GROUP BY service, kind"
        )
        counts: dict[str, dict[str, int]] = {}
        for service, kind, count in await self._read(query, (since,)):
            counts.setdefault(service, {"scale_out": 0, "scale_in": 0})[kind] = count
        return counts

    async def _read(self, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        def rows() -> list[tuple[Any, ...]]:
            with contextlib.closing(sqlite3.connect(self._address, uri=True, timeout=5.0)) as database:
                return database.execute(query, values).fetchall()

        try:
            return await asyncio.to_thread(rows)
        except sqlite3.Error as error:
            raise Failed(f"the journal cannot be read: {error}") from error


def _columns(found: Iterable[tuple[float, str]], step: int, ends_after: int) -> dict[str, Any]:
    columns: dict[str, list[float | None]] = {name: [] for name in ("at", *COLUMNS)}
    last: float | None = None
    for at, rows in _buckets(found, step, ends_after):
        if last is not None and at - last > 3 * max(step, ends_after):
            _append(columns, last + step, dict.fromkeys(COLUMNS))
        _append(columns, at, over_time(rows))
        last = at
    return {"step": step, **columns}


def _buckets(found: Iterable[tuple[float, str]], step: int, ends_after: int) -> Iterable[tuple[float, list[Row]]]:
    """Datapoints of `step` seconds, each with its moments: at one moment all services together are one row."""
    moments: dict[float, list[Row]] = {}
    for at, data in found:
        moments.setdefault(at, []).append(json.loads(data))
    buckets: dict[float, list[Row]] = {}
    for at, rows in moments.items():
        end = at + ends_after
        key = end if step <= 1 else math.ceil(end / step) * step
        buckets.setdefault(key, []).append(side_by_side(rows))
    return buckets.items()


def _append(columns: dict[str, list[float | None]], at: float, row: Mapping[str, float | None]) -> None:
    columns["at"].append(at)
    for name in COLUMNS:
        columns[name].append(row.get(name))


def side_by_side(rows: list[Row]) -> Row:
    """Several services at one moment as one row; use is weighted by instances in service."""
    if len(rows) == 1:
        return rows[0]
    merged: Row = {}
    for name in COLUMNS:
        if name in _SUMMED:
            merged[name] = _combined(rows, name, sum)
        elif name in _WORST:
            merged[name] = _combined(rows, name, max)
        else:
            weighted = [(row[name], row.get("in_service") or 0) for row in rows if row.get(name) is not None]
            weight = sum(instances for _, instances in weighted)
            total = sum((value or 0) * instances for value, instances in weighted)
            merged[name] = round(total / weight, 2) if weight else None
    return merged


def over_time(rows: list[Row]) -> Row:
    """One row for a stretch of time: averages, but the worst latencies and the last capacities."""
    if len(rows) == 1:
        return rows[0]
    merged: Row = {}
    for name in COLUMNS:
        if name in _WORST:
            merged[name] = _combined(rows, name, max)
        elif name in _LAST:
            merged[name] = rows[-1].get(name)
        else:
            merged[name] = _combined(rows, name, lambda values: round(sum(values) / len(values), 2))
    return merged


def _combined(rows: list[Row], name: str, how: Callable[[list[float]], float]) -> float | None:
    values = [value for row in rows if (value := row.get(name)) is not None]
    return how(values) if values else None
