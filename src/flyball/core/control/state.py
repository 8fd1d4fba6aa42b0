"""All that the loop remembers between two steps. Serialisable; nothing else is remembered anywhere.

Tuples are kept in a fixed order (services as in the file, instances by their number), so equal states are equal values.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .observation import ReleaseSpec, TargetHealth


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
    is a blue/green instance waiting for the switch). `cause` is why it leaves, shown to the user.
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
    drain_started_at: float | None = None
    terminate_started_at: float | None = None
    shadow: bool = False
    in_flight: int = 0
    cause: str = ""


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
    """running: instances are being exchanged. baking: all are new, alarms are watched. rolling_back: going home."""

    RUNNING = "running"
    BAKING = "baking"
    ROLLING_BACK = "rolling_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A service on its way from one release to another. `from_release` is None for the very first.

    `failures` counts failed instances of the new release; `percent` is its share of traffic (canary and linear);
    `phase_started_at` is when the phase or the current traffic step began; `why` says why it is rolled back.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceState:
    """What the loop knows of one service. `release` is the one that serves (None before the first rollout began)."""

    name: str
    desired: int
    release: int | None = None
    releases: tuple[Release, ...] = ()
    rollout: Rollout | None = None
    next_instance: int = 1
    held_until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """`origin` is the first step's `now`: datapoints are counted from it, so a shift of all times changes nothing."""

    origin: float
    services: tuple[ServiceState, ...]
    instances: tuple[Instance, ...] = ()
    shutting_down: bool = False

    def service(self, name: str) -> ServiceState:
        """The state of the service of that name. Raises KeyError when there is none."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)
