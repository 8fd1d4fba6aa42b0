"""What a simulated service is made of: stations, the rules of its balancer, and what is counted.

An instance is a station. It works on at most `workers` requests at a time, which share its processor (processor
sharing); the others wait in order. One worker makes it first come, first served. `peak` cores are what the program can
use at once (1 for an interpreter with one lock), `cores` what it may use for long, and `saved_s` how many core seconds
it may save while it is idle and spend at its peak: the CPU share with its burst. The kernel gives the share in slices:
at the begin of each `slice_s` comes what is due for it, and an instance that has spent all stands still until the next.

A request that comes to a station at rest finds a processor that has gone to sleep and whose caches are cold: it costs
`cold_s` more, in proportion to how long it rested, all of it after `COOLS_S`. So does the balancer, which costs
`cold_way_s` more after `BALANCER_COOLS_S` without a request.

All stations of a service are on one machine, whose cores they share evenly when together they want more than it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import frexp, inf
from typing import Protocol

from flyball.core.latency import BUCKET_EDGES_MS
from flyball.core.model import BalancingAlgorithm

UNLIMITED = 1 << 30
CONNECTIONS = 500
"""The most that the live balancer opens to one instance; more requests wait for it in the balancer."""
COOLS_S = 0.004
BALANCER_COOLS_S = 0.010
RETRIES = 4
RETRY_S = 0.001
"""The balancer waits 1 ms on average before it tries another instance."""
PARTS_OF_OCTAVE = 128
"""Buckets in each doubling of the latency: each is 0.8 % wide."""
SMALLEST_EXPONENT = -19
"""Latencies below 1 us fall into the first bucket."""
FINE = 31 * PARTS_OF_OCTAVE
COARSE = len(BUCKET_EDGES_MS) + 1


def coarse_table() -> list[int]:
    """The live balancer's bucket of each whole millisecond up to a minute; it knows latencies in no more detail."""
    table, bucket = [], 0
    for milliseconds in range(60_001):
        while bucket < len(BUCKET_EDGES_MS) and milliseconds > BUCKET_EDGES_MS[bucket]:
            bucket += 1
        table.append(bucket)
    return table


def fine_bucket(latency_s: float) -> int:
    """The bucket of a latency in the report's histogram."""
    part, exponent = frexp(latency_s)
    bucket = (exponent - SMALLEST_EXPONENT) * PARTS_OF_OCTAVE + int((part - 0.5) * 2 * PARTS_OF_OCTAVE)
    return min(max(bucket, 0), FINE - 1)


def fine_value(bucket: int) -> float:
    """The middle of a bucket, in seconds."""
    octave, part = divmod(bucket, PARTS_OF_OCTAVE)
    return float((0.5 + (part + 0.5) / (2 * PARTS_OF_OCTAVE)) * 2.0 ** (octave + SMALLEST_EXPONENT))


def quantile_s(counts: Sequence[int], share: float) -> float | None:
    """The latency that this share of the counted requests did not exceed; None without requests."""
    rank = share * sum(counts)
    if rank <= 0:
        return None
    seen = 0
    for bucket, count in enumerate(counts):
        seen += count
        if seen >= rank:
            return fine_value(bucket)
    raise AssertionError("a share is at most 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """What one instance can do. `release`: which service times and failure rate it has, counted from 0.

    With `slice_s` 0 the share comes in evenly. `slice_at`: when the first slice begins, at most one slice later.
    """

    release: int = 0
    cores: float = 1.0
    peak: float = 1.0
    saved_s: float = inf
    slice_s: float = 0.0
    slice_at: float = 0.0
    cold_s: float = 0.0
    workers: int = UNLIMITED
    backlog: int = UNLIMITED


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What requests of one route cost at instances of one release: quantiles at equal distances, in seconds.

    `work` is spent on the processor at the full speed of a core, `wait` before it without using any (a store answers).
    One draw gives both, and the way: a moment at which the machine is slow is slow for all of them.
    `failing` is the share answered with an error, the same for all routes of a release.
    """

    work: tuple[float, ...]
    wait: tuple[float, ...] = (0.0, 0.0)
    failing: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How the balancer of a service chooses and gives up.

    `connections`: the most requests at one instance; more wait for it in the balancer. `concurrency`: how many requests
    there may be at work for each instance before others wait for any of them (0: none do), at most `queue` of them and
    `longest_s` long. `by_turns`: round robin, in which the turn of an instance comes later the more requests it has.
    `repeatable`: a request whose instance died is sent to another one. `mix`: the share of requests up to and including
    each route; there is a `Kind` for each route of each release, those of the first release first. `way`: quantiles of
    what a visitor waits beside the time in the queue and at the instance.
    """

    algorithm: BalancingAlgorithm = BalancingAlgorithm.ROUND_ROBIN
    slow_start_s: float = 0.0
    connections: int = CONNECTIONS
    concurrency: int = 0
    queue: int = 0
    longest_s: float = inf
    by_turns: bool = False
    timeout_s: float = inf
    repeatable: bool = True
    mix: tuple[float, ...] = (1.0,)
    way: tuple[float, ...] = (0.0, 0.0)
    cold_way_s: float = 0.0


def mean_works(kinds: Sequence[Kind], mix: Sequence[float]) -> list[float]:
    """What a request costs on average, for each release."""
    shares = [upper - lower for lower, upper in pairwise((0.0, *mix))]
    means = [(sum(one.work) - (one.work[0] + one.work[-1]) / 2) / (len(one.work) - 1) for one in kinds]
    releases = [means[first : first + len(mix)] for first in range(0, len(means), len(mix))]
    return [sum(share * value for share, value in zip(shares, one, strict=True)) for one in releases]


@dataclass(slots=True)
class Use:
    """What one station did since it was last asked."""

    sent: int = 0
    answered: int = 0
    errors: int = 0
    cpu_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Passed:
    """What went through a service's queue since it was last asked: requests that ended at an instance, which had them
    for so many seconds altogether, and those that the queue had no room or no time for.
    """

    ended: int
    inside_s: float
    turned_away: int


@dataclass(frozen=True, slots=True)
class Served:
    """How one request ended: its number, its instance's slot (-1: none took it), when, and the status."""

    number: int
    slot: int
    at: float
    status: int


Batch = tuple[Sequence[float], Sequence[float]]
"""Arrival times, and draws from [0, 1) for each: what it takes, route and failure, choice."""
DRAWS = 3


class Arrivals(Protocol):
    """Where requests come from."""

    def more(self) -> Batch:
        """The next ones; empty at the end."""
        ...


class Engine(Protocol):
    """One service's requests, balancer and instances in virtual time. Two engines do this with the same results."""

    def add(self, station: Station, *, now: float) -> int:
        """A new instance that nobody sends requests to yet; answers its slot."""
        ...

    def remove(self, slot: int, *, now: float) -> None:
        """The instance is gone, with what it had in hand."""
        ...

    def route(self, slot: int, *, open: bool, weight: float, now: float) -> None:  # noqa: A002
        """Whether it gets new requests, and how much of them."""
        ...

    def pace(self, slot: int, factor: float, *, now: float) -> None:
        """It goes on at this share of its speed; 0 is frozen."""
        ...

    def machine(self, cores: float, others: float, *, least: float = 0.0, whole: float = inf, now: float) -> None:
        """The machine has so many cores for the stations, and for others that want so many of them at the moment.

        However many are wanted, everybody gets the share `least` of what he wants, as long as the `whole` machine has
        that much.
        """
        ...

    def limit(self, concurrency: int, *, now: float) -> None:
        """From now on so many requests may be at work for each instance."""
        ...

    def fail(self, release: int, share: float) -> None:
        """From now on this share of what instances of a release answer are errors."""
        ...

    def run(self, until: float) -> None:
        """Let time pass."""
        ...

    def load(self, slot: int) -> int:
        """Requests sent to it and not answered, those that wait for its connections included."""
        ...

    def backlog_s(self, slot: int) -> float:
        """How long a request that came now would wait before it is worked on, about."""
        ...

    def queued(self) -> int:
        """Requests that wait in the balancer for any instance."""
        ...

    def passed(self) -> Passed:
        """What went through the queue since the last call."""
        ...

    def use(self, slot: int) -> Use:
        """What it did since the last call."""
        ...

    def coarse(self) -> list[int]:
        """Answers by the live balancer's latency buckets since the last call."""
        ...

    def fine(self) -> list[int]:
        """Answers by the report's latency buckets since the last call."""
        ...

    def totals(self) -> tuple[int, int, int]:
        """Requests that came, that were answered well and that failed, from the beginning."""
        ...
