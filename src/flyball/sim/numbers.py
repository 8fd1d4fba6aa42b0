"""The numbers that a simulated service runs on, each with where it comes from: measured, given, or assumed.

A distribution is a table of quantiles at equal distances: drawing from it is a straight line between two entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import exp, log, sqrt
from statistics import NormalDist

from .parts import UNLIMITED

Table = tuple[float, ...]
POINTS = 513
NOTHING: Table = (0.0, 0.0)


class Source(StrEnum):
    """Where a number comes from."""

    MEASURED = "measured"
    GIVEN = "given"
    ASSUMED = "assumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteNumbers:
    """What requests of one route take; `share` of all that the service gets."""

    route: str
    share: float
    work: Table
    wait: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseNumbers:
    """What requests take at instances of one release."""

    release: int
    work: Table
    wait: Table
    routes: tuple[RouteNumbers, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The one machine that all instances are on, in cores and seconds.

    `background` is what everything else uses on average, `seconds` the same second by second, `request_s` what the
    balancer and who sends the request need for each. `starting`: what an instance uses until it is ready. `stall`: how
    long the machine stood still, by second.
    `least`: the share of what it wants that an instance gets however much others want.
    """

    cores: float
    background: float
    request_s: float
    starting: float
    seconds: tuple[float, ...] = ()
    stall: Table = NOTHING
    least: float = 1.0

    def told(self) -> dict[str, float]:
        """What was measured, for a report."""
        return {
            "cores": self.cores,
            "background_cores": round(self.background, 4),
            "balancer_ms": round(self.request_s * 1000, 4),
            "starting_cores": round(self.starting, 4),
            "least_share": self.least,
            "stall_ms_p99": round(drawn(self.stall, 0.99) * 1000, 4),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """What instances of a service do, in seconds. `sources`: (name, source) of those that are not assumed.

    `work` is processor time of a request, `wait` its time without; `peak`: cores that the program can use at once;
    `idle`: cores that it uses without requests;
    `cold_s`, `cold_way_s`: what a request costs more whose instance, or the balancer, was at rest;
    `way`: what a visitor waits beside the queue and the instance: in the balancer, and before and behind it.
    `start`: launch to first answer; `health`: from then to healthy in the balancer; `stop`: SIGTERM to exit.
    `routes`: the same by route, where there are several; `releases`: of every release that was measured.
    """

    work: Table
    wait: Table
    start: Table
    health: Table
    stop: Table
    build_s: float = 1.0
    memory_percent: float = 20.0
    peak: float = 1.0
    workers: int = UNLIMITED
    backlog: int = UNLIMITED
    failing: float = 0.0
    idle: float = 0.0
    cold_s: float = 0.0
    cold_way_s: float = 0.0
    way: Table = NOTHING
    routes: tuple[RouteNumbers, ...] = ()
    releases: tuple[ReleaseNumbers, ...] = ()
    sources: tuple[tuple[str, Source], ...] = ()

    def told(self) -> dict[str, dict[str, object]]:
        """Every number, with its source, for a report."""
        known = dict(self.sources)
        shown: dict[str, object] = {
            "work_ms": _shown(self.work, 1000),
            "wait_ms": _shown(self.wait, 1000),
            "cold_ms": round(self.cold_s * 1000, 4),
            "way_ms": _shown(self.way, 1000),
            "cold_way_ms": round(self.cold_way_s * 1000, 4),
            "start_s": _shown(self.start),
            "health_s": _shown(self.health),
            "stop_s": _shown(self.stop),
            "build_s": round(self.build_s, 4),
            "memory_percent": round(self.memory_percent, 4),
            "peak_cores": self.peak,
            "workers": None if self.workers >= UNLIMITED else self.workers,
        }
        told: dict[str, dict[str, object]] = {
            name: {"value": value, "source": known.get(name, Source.ASSUMED).value} for name, value in shown.items()
        }
        for one in self.routes:
            value = {"share": round(one.share, 4), "work": _shown(one.work, 1000), "wait": _shown(one.wait, 1000)}
            told[f"route {one.route} ms"] = {"value": value, "source": Source.MEASURED.value}
        for old in self.releases if len(self.releases) > 1 else ():
            told[f"release {old.release} work_ms"] = {"value": _shown(old.work, 1000), "source": Source.MEASURED.value}
        return told

    def of_release(self, number: int) -> Numbers:
        """The numbers of a release that was measured. Raises KeyError."""
        found = {one.release: one for one in self.releases}[number]
        return replace(self, work=found.work, wait=found.wait, routes=found.routes)


def _shown(table: Table, times: float = 1.0) -> dict[str, float]:
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {"mean": round(mean(table) * times, 4)} | {k: round(drawn(table, s) * times, 4) for k, s in shares.items()}


def drawn(table: Table, draw: float) -> float:
    """The quantile at a draw from [0, 1)."""
    at = draw * (len(table) - 1)
    below = min(int(at), len(table) - 2)
    return table[below] + (at - below) * (table[below + 1] - table[below])


def mean(table: Table) -> float:
    """The mean of what is drawn from the table."""
    return (sum(table) - (table[0] + table[-1]) / 2) / (len(table) - 1)


def constant(value: float) -> Table:
    """Always the same."""
    return (value, value)


def lognormal(average: float, variation: float) -> Table:
    """Log-normal with this mean and coefficient of variation; the last entry makes the table's mean exact."""
    if average <= 0 or variation <= 0:
        return constant(max(average, 0.0))
    normal = NormalDist()
    spread = sqrt(log(1 + variation**2))
    shift = log(average) - spread**2 / 2
    inner = [exp(shift + spread * normal.inv_cdf(index / (POINTS - 1))) for index in range(1, POINTS - 1)]
    return _ended([0.0, *inner], average)


def exponential(average: float) -> Table:
    """Exponential with this mean."""
    return _ended([-average * log(1 - index / (POINTS - 1)) for index in range(POINTS - 1)], average)


def _ended(quantiles: list[float], average: float) -> Table:
    rest = sum(quantiles) - quantiles[0] / 2 - quantiles[-1] / 2
    last = 2 * (average * len(quantiles) - rest) - quantiles[-1]
    return (*quantiles, max(last, quantiles[-1]))


def of_samples(samples: Sequence[float]) -> Table:
    """What was measured: its quantiles, all of them when there are few."""
    known = sorted(samples)
    if len(known) == 1:
        return constant(known[0])
    points = min(len(known), POINTS)
    return tuple(drawn(tuple(known), index / (points - 1)) for index in range(points))


def split(took: Table, work_s: float) -> tuple[Table, Table]:
    """What requests took, as processor time with this mean and waiting.

    What no request takes longer than the processor time explains is that; what is above is waiting. So a few that stood
    in somebody's way do not count as work.
    """
    if mean(took) <= work_s:
        return scaled(took, work_s / mean(took)), NOTHING
    low, high = 0.0, max(took)
    for _ in range(60):
        middle = (low + high) / 2
        enough = mean(tuple(min(value, middle) for value in took)) >= work_s
        low, high = (low, middle) if enough else (middle, high)
    return tuple(min(value, high) for value in took), tuple(max(value - high, 0.0) for value in took)


def scaled(table: Table, factor: float) -> Table:
    """Everything so many times as long."""
    return tuple(value * factor for value in table)


ASSUMED = Numbers(
    work=lognormal(0.003, 1.0),
    wait=NOTHING,
    start=lognormal(1.0, 0.2),
    health=constant(0.02),
    stop=constant(0.3),
)
"""A program in a scripting language: 3 ms of processor time for a request, one second to start."""


def given(numbers: Numbers = ASSUMED, *, request_s: float | None = None, start_s: float | None = None) -> Numbers:
    """These numbers, with the means that a user knows better."""
    known = {"work_ms": request_s, "start_s": start_s}
    others = [(name, source) for name, source in numbers.sources if known.get(name) is None]
    named = [(name, Source.GIVEN) for name, value in known.items() if value is not None]
    start = numbers.start if start_s is None else lognormal(start_s, 0.2)
    known_better = replace(numbers, start=start, sources=(*others, *named))
    if request_s is None:
        return known_better
    return replace(known_better, work=lognormal(request_s, 1.0), routes=(), releases=())
