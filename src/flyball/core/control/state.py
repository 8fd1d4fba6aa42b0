"""All that the loop remembers between two steps. Serialisable; nothing else is remembered anywhere.

Tuples are kept in a fixed order (services as in the file, instances by their number), so equal states are equal values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from flyball.core.model import Strategy

from .alarms import Alarm
from .memory import Memory
from .observation import ReleaseSpec, TargetHealth
from .pacing import Adaptive, Backoff, Bounds, Cooldown, Held
from .windows import Windows


class Lifecycle(StrEnum):
    """Where an instance is in its life. AWS's words: Pending, InService, Terminating:Wait, Terminating:Proceed."""

    LAUNCHING = "launching"
    IN_SERVICE = "in_service"
    DRAINING = "draining"
    TERMINATING = "terminating"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One running copy of a service. Times are None until they happen.

    `ready_at`: first answered its health path; from then it is registered with the balancer (unless `shadow`, which
    is a blue/green instance waiting for the switch). `cause` is why it leaves, shown to the user. `seen`: the world has
    shown it, so its absence means that it is gone. `replace`: asked by hand to make room for another. `answered_at`:
    when it last answered a request while it failed its health check. `astray`: it was said that it does not come up.
    """

    id: str
    service: str
    release: int
    zone: str
    lifecycle: Lifecycle = Lifecycle.LAUNCHING
    health: TargetHealth = TargetHealth.UNUSED
    launched_at: float
    ready_at: float | None = None
    in_service_at: float | None = None
    unhealthy_since: float | None = None
    answered_at: float | None = None
    drain_started_at: float | None = None
    terminate_started_at: float | None = None
    shadow: bool = False
    in_flight: int = 0
    cause: str = ""
    seen: bool = False
    replace: bool = False
    astray: bool = False

    @property
    def staying(self) -> bool:
        """It serves or is about to: neither draining nor terminating."""
        return self.lifecycle in (Lifecycle.LAUNCHING, Lifecycle.IN_SERVICE)

    @property
    def healthy(self) -> bool:
        """It counts for the minimum healthy percent: in service and the balancer says healthy."""
        return self.lifecycle is Lifecycle.IN_SERVICE and self.health is TargetHealth.HEALTHY


class ReleaseStatus(StrEnum):
    """building -> built or build_failed; completed: a rollout of it has finished, so it can be rolled back to."""

    BUILDING = "building"
    BUILT = "built"
    BUILD_FAILED = "build_failed"
    FAILED = "failed"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Immutable code and settings of a service, numbered from 1."""

    number: int
    spec: ReleaseSpec
    status: ReleaseStatus
    created_at: float
    note: str = ""
    message: str = ""


class RolloutPhase(StrEnum):
    """running: instances are being exchanged. baking: all are new, alarms are watched. rolling_back: going home.

    stalled: it failed and there is nowhere to go back to (or rollback is off); the next deploy or rollback ends it.
    rollback_failed: going home failed too; it ends like a stalled one, or when the release serves after all.
    """

    RUNNING = "running"
    BAKING = "baking"
    ROLLING_BACK = "rolling_back"
    STALLED = "stalled"
    ROLLBACK_FAILED = "rollback_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A service on its way from one release to another. `from_release` is None for the very first.

    `failures` counts failed instances of the new release; `percent` is its share of traffic (canary and linear);
    `phase_started_at` is when the phase or the current traffic step began; `why` says why it is rolled back.
    `step_reached`: the instances that the current traffic step needs are in service, its time runs from
    `phase_started_at`. `failure` is the last failed instance in one sentence. `ignored_alarms` are the positions of
    the file's rollout alarms that were in alarm when it began. `in_service`: healthy instances of the new release.
    """

    from_release: int | None
    to_release: int
    phase: RolloutPhase = RolloutPhase.RUNNING
    started_at: float
    phase_started_at: float
    failures: int = 0
    percent: float = 100.0
    by_hand: bool = False
    why: str = ""
    strategy: Strategy = Strategy.ROLLING
    step_reached: bool = False
    failure: str = ""
    ignored_alarms: tuple[int, ...] = ()
    in_service: int = 0

    @property
    def given_up(self) -> bool:
        """Nothing is exchanged any more: what serves stays, whichever release it is of."""
        return self.phase in (RolloutPhase.STALLED, RolloutPhase.ROLLBACK_FAILED)

    @property
    def parks_old(self) -> bool:
        """Blue/green after the switch: the old set stays beside the new one and gets no requests."""
        return self.strategy is Strategy.BLUE_GREEN and self.phase is RolloutPhase.BAKING


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """What the loop knows of one service. `release` is the one that serves (None before the first rollout began).

    `finished` is the last completed rollout while it is still watched for late crashes. `holds` are the holds said
    lately, `told` the refusals already said. `schedule_at`: scheduled actions up to then are done. `overloaded_since`:
    since when most of its instances have too much to do. `memory`: of its policies. `adaptive`: its limit.
    """

    name: str
    desired: int
    release: int | None = None
    releases: tuple[Release, ...] = ()
    rollout: Rollout | None = None
    next_instance: int = 1
    held_until: float | None = None
    bounds: Bounds | None = None
    windows: Windows = Windows()
    alarms: tuple[Alarm, ...] = ()
    cooldown: Cooldown = Cooldown()
    backoff: Backoff = Backoff()
    finished: Rollout | None = None
    holds: tuple[Held, ...] = ()
    told: tuple[str, ...] = ()
    schedule_at: float | None = None
    overloaded_since: float | None = None
    memory: Memory = Memory()
    adaptive: Adaptive = Adaptive()

    def find_release(self, number: int) -> Release | None:
        """The release of that number, None when it is not (or no longer) known."""
        return next((release for release in self.releases if release.number == number), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`origin` is the first step's `now`: datapoints are counted from it, so a shift of all times changes nothing.

    `balancer_since`: since when the balancer has been there without a break; None while it is not. `stepped_at`: the
    last step; `awake_since`: since when steps have followed each other without a gap. `starved`: no core was free.
    """

    origin: float
    services: tuple[ServiceState, ...]
    instances: tuple[Instance, ...] = ()
    shutting_down: bool = False
    balancer_since: float | None = None
    stepped_at: float | None = None
    awake_since: float | None = None
    starved: bool = False

    def service(self, name: str) -> ServiceState:
        """The state of the service of that name. Raises KeyError when there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)
