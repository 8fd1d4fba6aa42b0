"""What a world saw since the last step. Operator commands are observations too, so they are simulated and replayed.

All times are seconds on the world's own clock; `core` compares them to nothing but `now`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from flyball.core.model import Service, Size

from .glance import Glance
from .news import Mishap, StoreSeen


class TargetHealth(StrEnum):
    """The balancer's verdict on a target; AWS's words.

    unused: not registered (or no balancer runs). initial: registered, first check not passed yet.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/target-group-health-checks.html
    """

    UNUSED = "unused"
    INITIAL = "initial"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSeen:
    """One instance as the world sees it now. An instance the world does not know is absent from the observation.

    `ready`: it answered its health path at least once. `exit_code`: negative is a signal, None unknown.
    `detail` is the world's one-line explanation of a failure (last log line, "out of memory", a failing check).
    `in_flight`: requests the balancer has given it and that are not answered. `unanswered`: if it fails
    its health check, then because no answer comes (in time), as opposed to a wrong one. `astray`: it runs, but on
    another port or without the health path, as `detail` says; waiting will hardly help.
    """

    id: str
    ready: bool = False
    exited: bool = False
    exit_code: int | None = None
    target_health: TargetHealth = TargetHealth.UNUSED
    in_flight: int = 0
    unanswered: bool = False
    astray: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSample:
    """One instance's use since the last sampled step. Percent of its reservation; None was not measured.

    `requests` were sent to it in that time, `answered` came back, `errors` of them failed.
    """

    id: str
    cpu_percent: float | None = None
    memory_percent: float | None = None
    memory_bytes: int | None = None
    requests: int = 0
    answered: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSample:
    """Requests of a service that wait in the balancer now, and what became of others since the last sample.

    `waited_p50_ms` and `waited_p99_ms` are of those that had to wait and went on, None when none did; `turned_away` got
    a 503. `ended` ended at an instance, after `inside_ms` there on average; None when that is not counted.
    """

    service: str
    waiting: int
    waited_p50_ms: float | None = None
    waited_p99_ms: float | None = None
    turned_away: int = 0
    ended: int | None = None
    inside_ms: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySample:
    """Latency of a service's requests since the last sampled step, in ms at the balancer. Absent without requests."""

    service: str
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildSeen:
    """A finished build of a release. `message` is its last output line, shown when it failed."""

    service: str
    release: int
    succeeded: bool
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSpec:
    """What a release freezes: the code (by the hash of its content) and the settings an instance starts with."""

    content: str
    run: str
    build: str | None = None
    size: Size = Size()
    environment: tuple[tuple[str, str], ...] = ()
    stores: tuple[str, ...] = ()
    tls: bool = False

    @classmethod
    def of(cls, service: Service, *, content: str) -> Self:
        """What a release of the service as it is now would be."""
        return cls(
            content=content,
            run=service.run,
            build=service.build,
            size=service.size,
            environment=service.environment,
            stores=service.stores,
            tls=service.tls,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploy:
    """Make a new release of a service and roll it out. `note` names where it came from ("push 1f2e3d by ann")."""

    service: str
    spec: ReleaseSpec
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """Roll out an earlier release again; None: the last completed one before the current."""

    service: str
    release: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Set desired capacity. The loop goes on at once, or after `hold_s`."""

    service: str
    desired: int
    hold_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """Drain one instance and start another in its place."""

    instance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutdown:
    """Drain and stop every instance; nothing is launched any more."""


Intent = Deploy | Rollback | Scale | Replace | Shutdown


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything a step may know of the world.

    `sampled`: this observation carries usage since the last sampled one (a tick of the clock); others are made because
    something happened in between, and have no `samples`, `latencies` and `queues`. `glances`: services watched between
    two samples. `busy_percent`: how busy all cores of the machine were since the last sample, None when unknown or not
    a machine. `cores`: of the one machine that all instances share, None where each has its own. `balancer`: it runs
    and its verdicts are fresh; without it nobody is called unhealthy.
    """

    instances: tuple[InstanceSeen, ...] = ()
    sampled: bool = False
    samples: tuple[InstanceSample, ...] = ()
    latencies: tuple[LatencySample, ...] = ()
    queues: tuple[QueueSample, ...] = ()
    glances: tuple[Glance, ...] = ()
    busy_percent: float | None = None
    cores: int | None = None
    builds: tuple[BuildSeen, ...] = ()
    stores: tuple[StoreSeen, ...] = ()
    mishaps: tuple[Mishap, ...] = ()
    intents: tuple[Intent, ...] = ()
    balancer: bool = True
