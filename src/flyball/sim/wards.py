"""The pretended instances of a service, and what the world knows of them and of their requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import accumulate
from math import inf

from flyball.core.control.cadence import SHORTEST_GLANCE_S
from flyball.core.control.glance import Glance
from flyball.core.control.observation import LatencySample, QueueSample, TargetHealth
from flyball.core.control.routing import Target
from flyball.core.latency import BUCKET_EDGES_MS, percentiles_of
from flyball.core.model import Service, Size

from .numbers import Numbers
from .parts import CONNECTIONS, Engine, Station

EDGES = (*BUCKET_EDGES_MS, inf)
CPU_PERIOD_S = 0.1
"""A CPU share is given out in slices of this length; with `burst` a whole one may be saved."""


@dataclass(slots=True, eq=False)
class Member:
    """One pretended instance. Times are None until they happen."""

    id: str
    service: Service
    release: int
    zone: str
    started_at: float
    draw: Callable[[], float]
    ready: bool = False
    slot: int | None = None
    stopping: bool = False
    gone_at: float | None = None
    exit_code: int | None = None
    detail: str = ""
    target: Target | None = None
    health: TargetHealth = TargetHealth.UNUSED
    checks: int = 0
    right: int = 0
    wrong: int = 0
    factor: float = 1.0
    first_sample: bool = True
    failing: bool = False


@dataclass(slots=True)
class Ward:
    """One service as the world has it. `engine` is None before there is traffic; `failing`: by release.

    `limit`: requests at work for each instance, where that adapts.
    `came` and `glanced_at`: how many requests had come at the last look at it, and when that was.
    """

    service: Service
    numbers: Numbers
    engine: Engine | None = None
    failing: tuple[float, ...] = (0.0,)
    members: dict[str, Member] = field(default_factory=dict)
    limit: int = 0
    came: int = 0
    glanced_at: float = 0.0

    def station(self, member: Member) -> Station:
        """What one of its instances can do."""
        made = station(self.numbers, member.service.size, member.draw())
        return replace(made, release=min(member.release, len(self.failing)) - 1)

    def latency(self) -> LatencySample | None:
        """What the live balancer would say of the answers since the last sample; None without any."""
        assert self.engine is not None
        of = percentiles_of(EDGES, list(accumulate(self.engine.coarse())))
        name = self.service.name
        return None if of is None else LatencySample(service=name, p50_ms=of["p50"], p95_ms=of["p95"], p99_ms=of["p99"])

    def queue(self) -> QueueSample | None:
        """What waits and what went through its queue since the last sample, as the live balancer tells it."""
        assert self.engine is not None
        waiting, passed = self.engine.queued(), self.engine.passed()
        if not self.service.adapts and self.service.places is None:
            return QueueSample(service=self.service.name, waiting=waiting) if waiting else None
        if not (waiting or passed.ended or passed.turned_away):
            return None
        return QueueSample(
            service=self.service.name,
            waiting=waiting,
            turned_away=passed.turned_away,
            ended=passed.ended,
            inside_ms=1000 * passed.inside_s / passed.ended if passed.ended else None,
        )

    def glance(self, began: float, *, now: float) -> Glance | None:
        """What came since the last look at it; None before there is traffic, or when that was just now."""
        since = max(self.glanced_at, began)
        if self.engine is None or now - since < SHORTEST_GLANCE_S:
            return None
        came = self.engine.totals()[0]
        requests, self.came, self.glanced_at = came - self.came, came, now
        loads = [self.engine.load(one.slot) for one in self.members.values() if one.slot is not None]
        return Glance(
            service=self.service.name,
            requests=requests,
            over_s=now - since,
            in_flight=sum(min(load, CONNECTIONS) for load in loads),
            waiting=self.engine.queued(),
        )


def station(numbers: Numbers, size: Size, draw: float) -> Station:
    """An instance of this size. `draw`: where in a slice of its CPU share it begins."""
    peak = max(numbers.peak, size.cpu) if numbers.peak > 1 else numbers.peak
    shared = peak > size.cpu
    return Station(
        cores=size.cpu,
        peak=peak,
        saved_s=size.cpu * CPU_PERIOD_S * (2 if size.burst else 1) if shared else inf,
        slice_s=CPU_PERIOD_S if shared else 0.0,
        slice_at=draw * CPU_PERIOD_S,
        cold_s=numbers.cold_s,
        workers=numbers.workers,
        backlog=numbers.backlog,
    )
