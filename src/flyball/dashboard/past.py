"""The past in the shape that the page needs, from the journal's reader.

Each question has a reader and a thread of its own: no step waits for a page that asks for a week.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from flyball.core.view.rows import COLUMNS, OVER_TIME, SIDE_BY_SIDE, Moment, Row, merged
from flyball.local.face import Reader

SECONDS_S = 3_600.0  # a longer time is read minute by minute

Answer = TypeVar("Answer")
Columns = dict[str, list[float | None]]


class Past:
    """Asks one journal."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal

    async def ask(self, question: Callable[[Reader], Answer]) -> Answer:
        """The reader's answer to a question. Raises `Failed` when the journal cannot be read."""

        def answer() -> Answer:
            with closing(Reader(self._journal)) as reader:
                return question(reader)

        return await asyncio.to_thread(answer)

    async def series(self, *, since: float, until: float, service: str | None, points: int) -> dict[str, object]:
        """Columns for charts: `at` (the end of each datapoint, seconds) and `COLUMNS`, at most `points` datapoints.

        Without a service: all of them together. A datapoint of nulls stands where nothing was written for a while.
        `step` is the length of the datapoints.
        """
        resolution = 1 if until - since <= SECONDS_S else 60
        step = max(resolution, math.ceil((until - since) / points))

        def columns(reader: Reader) -> dict[str, object]:
            moments = reader.history(since=since - resolution, until=until, resolution=resolution, service=service)
            return {"step": step, **_columns(moments, step, resolution if resolution > 1 else 0)}

        return await self.ask(columns)


def _columns(moments: Iterable[Moment], step: int, ends_after: int) -> Columns:
    columns: Columns = {name: [] for name in ("at", *COLUMNS)}
    last: float | None = None
    for at, found in _buckets(moments, step, ends_after).items():
        if last is not None and at - last > 3 * max(step, ends_after):
            _append(columns, last + step, {})
        _append(columns, at, merged(found, OVER_TIME))
        last = at
    return columns


def _buckets(moments: Iterable[Moment], step: int, ends_after: int) -> dict[float, list[Row]]:
    """Datapoints of `step` seconds, each with its moments; all services of a moment are one row."""
    buckets: dict[float, list[Row]] = {}
    for at, services in groupby(moments, key=lambda moment: moment.at):
        end = at + ends_after
        key = end if step <= 1 else math.ceil(end / step) * step
        buckets.setdefault(key, []).append(merged([one.row for one in services], SIDE_BY_SIDE))
    return buckets


def _append(columns: Columns, at: float, row: Row) -> None:
    columns["at"].append(at)
    for name in COLUMNS:
        columns[name].append(row.get(name))
