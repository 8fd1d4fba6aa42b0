"""The compiled engine: `plain_engine` with its results, request by request, some twenty times as fast.

Importing it costs a second, and the first call ever some more to compile (it is cached): short runs go without.
"""

from __future__ import annotations

from math import fsum, inf
from typing import Any

import numpy as np

from flyball.core.model import BalancingAlgorithm

from . import compiled as c
from . import compiled_station as s
from . import layout as at
from .parts import COARSE, DRAWS, FINE, Arrivals, Kind, Passed, Rules, Served, Station, Use, coarse_table, mean_works

FIRST_SLOTS, FIRST_MOST, FIRST_ROWS = 8, 64, 1024


class FastEngine:
    """See `parts.Engine`. With `log`, how every request ended is kept, for as many requests as `logged`."""

    def __init__(
        self,
        arrivals: Arrivals,
        kinds: list[Kind],
        rules: Rules,
        *,
        log: list[Served] | None = None,
        logged: int = 0,
    ) -> None:
        self._arrivals = arrivals
        self._log = log
        self._mean_works = mean_works(kinds, rules.mix)
        self._connections = rules.connections
        self._a = _arrays(kinds, rules, logged)
        self._refill()

    def _refill(self) -> None:
        times, draws = self._arrivals.more()
        self._a = self._a._replace(
            times=np.asarray(times, dtype=np.float64), draws=np.asarray(draws, dtype=np.float64).reshape(-1, DRAWS)
        )
        self._a.counts[at.AT] = 0
        self._a.counts[at.END] = len(times) == 0

    def add(self, station: Station, *, now: float) -> int:
        """See `Engine`."""
        a = self._a
        slot = next((i for i in range(a.counts[at.SLOTS]) if not a.whole[i, at.THERE]), int(a.counts[at.SLOTS]))
        if slot == a.next_at.shape[0]:
            self._more_slots()
            a = self._a
        a.counts[at.SLOTS] = max(a.counts[at.SLOTS], slot + 1)
        a.reals[slot] = 0.0
        a.whole[slot] = 0
        a.whole[slot, at.THERE] = 1
        a.whole[slot, at.RELEASE] = station.release
        a.whole[slot, at.WORKERS], a.whole[slot, at.BACKLOG] = station.workers, station.backlog
        a.reals[slot, at.CORES], a.reals[slot, at.PEAK] = station.cores, station.peak
        a.reals[slot, at.MOST_SAVED] = a.reals[slot, at.SAVED] = station.saved_s
        a.reals[slot, at.SEEN_AT] = a.reals[slot, at.JOINED_AT] = now
        a.reals[slot, at.FACTOR] = a.reals[slot, at.WEIGHT] = 1.0
        a.reals[slot, at.SLICE], a.reals[slot, at.SLICE_AT] = station.slice_s, now + station.slice_at
        a.reals[slot, at.COLD], a.reals[slot, at.RESTS] = station.cold_s, now
        a.next_at[slot] = inf
        return slot

    def remove(self, slot: int, *, now: float) -> None:
        """See `Engine`."""
        a = self._a
        c.advance(a, slot, now)
        rows = [int(row) for row in a.work_row[slot, : a.whole[slot, at.WORKING]]]
        rows += [int(row) for row in a.wait_row[slot, : a.whole[slot, at.WAITING]]]
        row = int(a.whole[slot, at.HEAD])
        for _ in range(a.whole[slot, at.LINE]):
            rows.append(row)
            row = int(a.rows[row, at.NEXT])
        a.whole[slot, [at.THERE, at.OPEN, at.WORKING, at.WAITING, at.LINE]] = 0
        a.next_at[slot] = inf
        while int(a.whole[:, at.WORKING : at.WAITING + 1].sum()) + len(rows) > self._a.work_at.shape[1]:
            self._more_heaps()
        for lost in sorted(rows, key=lambda one: int(a.rows[one, at.NUMBER])):
            c.lose(self._a, lost, slot, now)
        c.settle(self._a, now)

    def route(self, slot: int, *, open: bool, weight: float, now: float) -> None:  # noqa: A002
        """See `Engine`."""
        a = self._a
        if open and not a.whole[slot, at.OPEN]:
            a.reals[slot, at.JOINED_AT], a.reals[slot, at.DEADLINE] = now, a.scalars[at.ROUND] + 1.0 / weight
        a.whole[slot, at.OPEN], a.reals[slot, at.WEIGHT] = open, weight
        self._serve_queue(now)

    def pace(self, slot: int, factor: float, *, now: float) -> None:
        """See `Engine`."""
        c.advance(self._a, slot, now)
        self._a.reals[slot, at.FACTOR] = factor
        s.plan(self._a, slot)
        c.settle(self._a, now)

    def machine(self, cores: float, others: float, *, least: float = 0.0, whole: float = inf, now: float) -> None:
        """See `Engine`."""
        scalars = self._a.scalars
        scalars[at.MACHINE], scalars[at.OTHERS] = cores, others
        scalars[at.LEAST_SHARE], scalars[at.WHOLE] = least, whole
        c.settle(self._a, now)

    def limit(self, concurrency: int, *, now: float) -> None:
        """See `Engine`."""
        self._a.counts[at.CONCURRENCY] = concurrency
        self._serve_queue(now)

    def _serve_queue(self, now: float) -> None:
        waiting = int(self._a.counts[at.Q_LEN])
        if waiting:
            busiest = int(self._a.whole[:, at.WORKING : at.WAITING + 1].sum(axis=1).max())
            while self._a.work_at.shape[1] < min(busiest + waiting, self._connections):
                self._more_heaps()
            c.serve_queue(self._a, now)
        c.settle(self._a, now)

    def fail(self, release: int, share: float) -> None:
        """See `Engine`."""
        self._a.failing[release] = share

    def run(self, until: float) -> None:
        """See `Engine`."""
        while True:
            match c.run(self._a, until, self._a.work_at.shape[1]):
                case at.FINISHED:
                    break
                case at.NEEDS_ARRIVALS:
                    self._refill()
                case at.NEEDS_ROWS:
                    self._more_rows()
                case at.NEEDS_HEAPS:
                    self._more_heaps()
        if self._log is not None:
            self._tell(self._log)

    def _tell(self, log: list[Served]) -> None:
        a, count = self._a, int(self._a.counts[at.LOGGED])
        assert count < a.log_at.shape[0], "more requests than can be logged"
        for (number, slot, status), when in zip(a.log_what[:count].tolist(), a.log_at[:count].tolist(), strict=True):
            log.append(Served(number, slot, when, status))
        a.counts[at.LOGGED] = 0

    def _more_slots(self) -> None:
        a = self._a
        names = ("reals", "whole", "next_at", "work_at", "work_row", "wait_at", "wait_row")
        self._a = a._replace(**{name: _doubled(getattr(a, name), 0) for name in names})
        self._a.next_at[a.next_at.shape[0] :] = inf

    def _more_heaps(self) -> None:
        names = ("work_at", "work_row", "wait_at", "wait_row")
        self._a = self._a._replace(**{name: _doubled(getattr(self._a, name), 1) for name in names})

    def _more_rows(self) -> None:
        a = self._a
        self._a = a._replace(**{name: _doubled(getattr(a, name), 0) for name in ("born", "told", "drawn", "rows")})
        _chain(self._a.rows, a.born.shape[0])
        a.counts[at.FREE] = a.born.shape[0]

    def load(self, slot: int) -> int:
        """See `Engine`."""
        whole = self._a.whole
        return int(whole[slot, at.WORKING]) + int(whole[slot, at.WAITING]) + int(whole[slot, at.LINE])

    def backlog_s(self, slot: int) -> float:
        """See `Engine`."""
        a, reals, whole = self._a, self._a.reals[slot], self._a.whole[slot]
        if reals[at.FACTOR] <= 0:
            return inf
        if whole[at.WORKING] + whole[at.WAITING] < whole[at.WORKERS]:
            return 0.0
        left = fsum(a.work_at[slot, : whole[at.WORKING]] - reals[at.CLOCK])
        left += int(whole[at.LINE]) * self._mean_works[int(whole[at.RELEASE])]
        return left / float(min(reals[at.CORES], reals[at.PEAK]) * reals[at.FACTOR])

    def queued(self) -> int:
        """See `Engine`."""
        a = self._a
        slots = int(a.counts[at.SLOTS])
        loads = a.whole[:slots, at.WORKING] + a.whole[:slots, at.WAITING] + a.whole[:slots, at.LINE]
        return int(a.counts[at.Q_LEN]) + int(np.maximum(loads - self._connections, 0).sum())

    def passed(self) -> Passed:
        """See `Engine`."""
        counts, scalars = self._a.counts, self._a.scalars
        found = Passed(int(counts[at.ENDED]), float(scalars[at.INSIDE]), int(counts[at.AWAY]))
        counts[at.ENDED] = counts[at.AWAY] = 0
        scalars[at.INSIDE] = 0.0
        return found

    def use(self, slot: int) -> Use:
        """See `Engine`."""
        whole, reals = self._a.whole[slot], self._a.reals[slot]
        used = Use(int(whole[at.SENT]), int(whole[at.ANSWERED]), int(whole[at.ERRORS]), float(reals[at.CPU]))
        whole[at.SENT] = whole[at.ANSWERED] = whole[at.ERRORS] = 0
        reals[at.CPU] = 0.0
        return used

    def coarse(self) -> list[int]:
        """See `Engine`."""
        return _taken(self._a.coarse)

    def fine(self) -> list[int]:
        """See `Engine`."""
        return _taken(self._a.fine)

    def totals(self) -> tuple[int, int, int]:
        """See `Engine`."""
        came, well, failed = (int(self._a.counts[one]) for one in (at.CAME, at.WELL, at.FAILED))
        return came, well, failed


def _arrays(kinds: list[Kind], rules: Rules, logged: int) -> at.Arrays:
    shared = [inf, 0.0, 1.0, rules.longest_s, 0.0, 0.0, -inf, rules.cold_way_s, inf]
    scalars = np.array([0.0, rules.slow_start_s, rules.timeout_s, *shared])
    counts = np.zeros(at.AWAY + 1, dtype=np.int64)
    counts[at.TURNS] = rules.by_turns
    counts[at.LEAST] = rules.algorithm is BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS
    counts[at.CONNECTIONS], counts[at.CONCURRENCY], counts[at.QUEUE] = rules.connections, rules.concurrency, rules.queue
    counts[at.REPEATABLE] = rules.repeatable
    work, wait = _table([kind.work for kind in kinds]), _table([kind.wait for kind in kinds])
    rows = np.zeros((FIRST_ROWS, at.ROW), dtype=np.int64)
    _chain(rows, 0)
    heap = (FIRST_SLOTS, FIRST_MOST)
    return at.Arrays(
        reals=np.zeros((FIRST_SLOTS, at.RESTS + 1)),
        whole=np.zeros((FIRST_SLOTS, at.ERRORS + 1), dtype=np.int64),
        next_at=np.full(FIRST_SLOTS, inf),
        work_at=np.zeros(heap),
        work_row=np.zeros(heap, dtype=np.int64),
        wait_at=np.zeros(heap),
        wait_row=np.zeros(heap, dtype=np.int64),
        born=np.zeros(FIRST_ROWS),
        told=np.zeros((FIRST_ROWS, at.WAY + 1)),
        drawn=np.zeros((FIRST_ROWS, DRAWS)),
        rows=rows,
        scalars=scalars,
        counts=counts,
        times=np.zeros(0),
        draws=np.zeros((0, DRAWS)),
        work=work,
        wait=wait,
        lengths=np.array([[len(kind.work), len(kind.wait)] for kind in kinds], dtype=np.int64),
        mix=np.array(rules.mix),
        way=_table([rules.way]),
        failing=np.array([kind.failing for kind in kinds[:: len(rules.mix)]]),
        coarse=np.zeros(COARSE, dtype=np.int64),
        fine=np.zeros(FINE, dtype=np.int64),
        coarse_of_ms=np.array(coarse_table(), dtype=np.int64),
        log_what=np.zeros((logged, 3), dtype=np.int64),
        log_at=np.zeros(logged),
    )


def _table(rows: list[tuple[float, ...]]) -> Any:
    table = np.zeros((len(rows), max(len(row) for row in rows)))
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table


def _chain(rows: Any, first: int) -> None:
    """The rows from `first` on are free."""
    rows[first:, at.NEXT] = np.arange(first + 1, rows.shape[0] + 1)
    rows[-1, at.NEXT] = -1


def _doubled(array: Any, axis: int) -> Any:
    return np.ascontiguousarray(np.concatenate([array, np.zeros_like(array)], axis=axis))


def _taken(counts: Any) -> list[int]:
    taken: list[int] = counts.tolist()
    counts[:] = 0
    return taken
