"""An engine in which requests are a fluid: what comes, what is served and what waits are amounts, nothing is drawn.

It costs the same whatever the rate, so that thousands of settings can be compared; what it says of latencies is only
good enough to choose what is worth a run of the real engines. All requests wait in one place for all instances. One
that needs `s` seconds alone takes s / (1 - use) beside others, after what waits before it; latencies around that mean
are taken as exponential, which is exact for one server with exponential service.
https://en.wikipedia.org/wiki/M/M/1_queue#Response_time
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from math import inf, log

from flyball.core.arrivals import RateCurve

from .numbers import mean
from .parts import COARSE, FINE, Engine, Kind, Passed, Rules, Station, Use, coarse_table, fine_bucket

TICK_S = 0.25
"""The longest piece of time in which nothing changes but amounts."""
FULLEST = 0.9
"""Use of the processor is counted up to here: nearer to 1 the mean takes longer to come about than a tick lasts."""
PARTS = (
    (0.5, 0.25),
    (0.3, 0.65),
    (0.1, 0.85),
    (0.05, 0.925),
    (0.03, 0.965),
    (0.01, 0.985),
    (0.009, 0.995),
    (0.001, 0.9995),
)
"""(share of the requests, quantile that stands for them)."""
TAILS = tuple((share, -log(1.0 - quantile)) for share, quantile in PARTS)
LARGEST_MS = 60_000
_TABLE = coarse_table()


@dataclass(slots=True)
class Basin:
    """One instance: `rate` requests per second with all its `cores`. `sent` to `cpu_s`: sums since they were read."""

    release: int
    cores: float
    rate: float
    alone_s: float
    work_s: float
    open: bool = False
    pace: float = 1.0
    sent: float = 0.0
    answered: float = 0.0
    failed: float = 0.0
    cpu_s: float = 0.0


@dataclass(slots=True)
class FluidEngine:
    """See `parts.Engine`."""

    curve: RateCurve
    kinds: list[Kind]
    rules: Rules
    _now: float = 0.0
    _waiting: float = 0.0
    _use: float = 0.0
    _totals: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    _fine: dict[int, float] = field(default_factory=dict)
    _coarse: list[float] = field(default_factory=lambda: [0.0] * COARSE)
    _basins: list[Basin | None] = field(default_factory=list)
    _ends: list[float] = field(default_factory=list)
    _failing: list[float] = field(default_factory=list)
    _cores: float = inf
    _others: float = 0.0
    _least: float = 0.0
    _whole: float = inf
    _concurrency: int = 0
    _ended: float = 0.0
    _inside_s: float = 0.0
    _turned_away: float = 0.0

    def __post_init__(self) -> None:
        self._ends = list(accumulate(stage.duration_s for stage in self.curve.stages))
        self._failing = [kind.failing for kind in self.kinds[:: len(self.rules.mix)]]
        self._concurrency = self.rules.concurrency

    # What the world does to it.

    def add(self, station: Station, *, now: float) -> int:  # noqa: ARG002 - amounts have no past
        """See `parts.Engine`."""
        mix = self.rules.mix
        kinds = self.kinds[station.release * len(mix) : (station.release + 1) * len(mix)]
        shares = [upper - lower for lower, upper in pairwise((0.0, *mix))]
        work_s = max(sum(share * mean(kind.work) for share, kind in zip(shares, kinds, strict=True)), 1e-9)
        wait_s = sum(share * mean(kind.wait) for share, kind in zip(shares, kinds, strict=True))
        cores = min(station.cores, station.peak)
        # A short burst is served at the program's own speed.
        alone_s = work_s / station.peak + wait_s + mean(self.rules.way)
        rate = cores / work_s
        if station.workers < 1 << 20:
            rate = min(rate, station.workers / alone_s)
        self._basins.append(Basin(release=station.release, cores=cores, rate=rate, alone_s=alone_s, work_s=work_s))
        return len(self._basins) - 1

    def remove(self, slot: int, *, now: float) -> None:  # noqa: ARG002
        """See `parts.Engine`."""
        self._basins[slot] = None

    def route(self, slot: int, *, open: bool, weight: float, now: float) -> None:  # noqa: A002, ARG002
        """See `parts.Engine`."""
        self._at(slot).open = open and weight > 0

    def pace(self, slot: int, factor: float, *, now: float) -> None:  # noqa: ARG002
        """See `parts.Engine`."""
        self._at(slot).pace = factor

    def machine(self, cores: float, others: float, *, least: float = 0.0, whole: float = inf, now: float) -> None:  # noqa: ARG002
        """See `parts.Engine`."""
        self._cores, self._others, self._least, self._whole = cores, others, least, whole

    def limit(self, concurrency: int, *, now: float) -> None:  # noqa: ARG002
        """See `parts.Engine`."""
        self._concurrency = concurrency

    def fail(self, release: int, share: float) -> None:
        """See `parts.Engine`."""
        self._failing[release] = share

    def run(self, until: float) -> None:
        """See `parts.Engine`."""
        while self._now < until:
            stage = bisect_right(self._ends, self._now)
            rate = self.curve.stages[stage].rate if stage < len(self._ends) else 0.0
            edge = self._ends[stage] if stage < len(self._ends) else inf
            ends = min(until, edge, self._now + TICK_S)
            self._flow(rate, ends - self._now)
            self._now = ends

    def _flow(self, rate: float, lasting_s: float) -> None:
        came = rate * lasting_s
        self._totals[0] += came
        takers = [one for one in self._basins if one is not None and one.open]
        power = sum(one.rate * one.pace for one in takers)
        if power <= 0:
            self._waiting += came
            self._give_up(power)
            return
        there = self._waiting + came
        power *= self._share(takers, there / (power * lasting_s))
        served = min(there, power * lasting_s)
        before_s = self._waiting / power
        self._waiting = there - served
        self._use = min(served / (power * lasting_s), FULLEST)
        self._serve(takers, power, served, came, (before_s + self._waiting / power) / 2)
        self._give_up(power)

    def _share(self, takers: list[Basin], need: float) -> float:
        """The share of its power that the machine leaves to each, when they `need` so much of it."""
        wanted = sum(one.cores * one.pace for one in takers) * min(need, 1.0) + self._others
        if wanted <= self._cores:
            return 1.0
        return max(self._cores / wanted, min(self._least, self._whole / wanted))

    def _serve(self, takers: list[Basin], power: float, served: float, came: float, before_s: float) -> None:
        failed = 0.0
        for one in takers:
            share = one.rate * one.pace / power
            bad = served * share * self._failing[one.release]
            one.sent += came * share
            one.answered += served * share
            one.failed += bad
            one.cpu_s += served * share * one.work_s
            failed += bad
        self._totals[1] += served - failed
        self._totals[2] += failed
        alone_s = sum(one.alone_s for one in takers) / len(takers) / (1.0 - self._use)
        self._ended += served
        self._inside_s += served * alone_s
        for share, times in TAILS:
            latency_s = before_s + alone_s * times
            bucket = fine_bucket(latency_s)
            self._fine[bucket] = self._fine.get(bucket, 0.0) + served * share
            self._coarse[_TABLE[min(int(latency_s * 1_000), LARGEST_MS)]] += served * share

    def _give_up(self, power: float) -> None:
        """What would wait longer than it may, or does not fit into the queue, is answered with an error."""
        most = power * self.rules.timeout_s if power > 0 else 0.0
        if self._concurrency:
            takers = sum(1 for one in self._basins if one is not None and one.open)
            room = float(self._concurrency * takers)
            most = min(most, room + min(float(self.rules.queue), power * self.rules.longest_s if power > 0 else 0.0))
        if self._waiting > most:
            self._totals[2] += self._waiting - most
            self._turned_away += self._waiting - most
            self._waiting = most

    # What the world sees of it.

    def load(self, slot: int) -> int:
        """See `parts.Engine`."""
        one, power = self._at(slot), self._power()
        if not one.open or power <= 0:
            return 0
        beside = self._use / (1.0 - self._use) if self._use < 1 else inf
        return int(beside + self._waiting * one.rate * one.pace / power)

    def backlog_s(self, slot: int) -> float:
        """See `parts.Engine`."""
        power = self._power()
        return self._waiting / power if self._at(slot).open and power > 0 else 0.0

    def queued(self) -> int:
        """See `parts.Engine`."""
        if not self._concurrency:
            return 0
        takers = sum(1 for one in self._basins if one is not None and one.open)
        return int(max(0.0, self._waiting - self._concurrency * takers))

    def passed(self) -> Passed:
        """See `parts.Engine`: whole requests, the rest stays for the next time."""
        found = Passed(int(self._ended), self._inside_s, int(self._turned_away))
        self._ended -= found.ended
        self._turned_away -= found.turned_away
        self._inside_s = 0.0
        return found

    def use(self, slot: int) -> Use:
        """See `parts.Engine`: whole requests, the rest stays for the next time."""
        one = self._at(slot)
        found = Use(sent=int(one.sent), answered=int(one.answered), errors=int(one.failed), cpu_s=one.cpu_s)
        one.sent -= found.sent
        one.answered -= found.answered
        one.failed -= found.errors
        one.cpu_s = 0.0
        return found

    def coarse(self) -> list[int]:
        """See `parts.Engine`."""
        found = [int(count) for count in self._coarse]
        self._coarse = [count - whole for count, whole in zip(self._coarse, found, strict=True)]
        return found

    def fine(self) -> list[int]:
        """See `parts.Engine`."""
        found = [0] * FINE
        for bucket, count in self._fine.items():
            found[bucket] = int(count)
            self._fine[bucket] = count - found[bucket]
        return found

    def totals(self) -> tuple[int, int, int]:
        """See `parts.Engine`."""
        came, well, failed = self._totals
        return round(came), round(well), round(failed)

    def _at(self, slot: int) -> Basin:
        one = self._basins[slot]
        assert one is not None
        return one

    def _power(self) -> float:
        return sum(one.rate * one.pace for one in self._basins if one is not None and one.open)


def fluid(curve: RateCurve, seed: int | str, draws: str, kinds: list[Kind], rules: Rules) -> Engine:  # noqa: ARG001
    """The engine of a service; nothing in it is drawn."""
    return FluidEngine(curve, kinds, rules)
