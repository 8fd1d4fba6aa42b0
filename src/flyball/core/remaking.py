"""With which state does a loop go on when what was written down is lost, but the application runs?

Rule: the state is made anew of what runs. The release that most ready instances have serves, the newest of equals; the
capacity is what is there. Nothing is started twice, and nothing ended for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from .control.observation import ReleaseSpec, TargetHealth
from .control.state import Instance, Lifecycle, Release, ReleaseStatus, ServiceState, State
from .control.step import begin
from .model import Application, Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An instance that runs and that nobody remembers, as it was recorded when it was started."""

    id: str
    service: str
    release: int
    zone: str
    spec: ReleaseSpec
    started_at: float
    ready: bool

    @property
    def number(self) -> int:
        """The last part of its name."""
        return int(self.id.rsplit("-", 1)[1])


def remade(app: Application, found: Sequence[Found], *, now: float) -> State:
    """The state of an application that runs already, as well as what runs can tell."""
    begun = begin(app, now=now)
    known = {service.name for service in app.services}
    ours = sorted((one for one in found if one.service in known), key=lambda one: (one.service, one.number))
    services = tuple(
        _service(app.service(one.name), one, [each for each in ours if each.service == one.name], now=now)
        for one in begun.services
    )
    return replace(begun, services=services, instances=tuple(_instance(one, now=now) for one in ours))


def _service(of: Service, state: ServiceState, found: Sequence[Found], *, now: float) -> ServiceState:
    if not found:
        return state
    specs = {one.release: one.spec for one in found}
    ready = Counter(one.release for one in found if one.ready)
    serving = max(specs, key=lambda number: (ready[number], number))
    return replace(
        state,
        desired=min(max(len(found), of.capacity.min), of.capacity.max),
        release=serving,
        releases=tuple(
            Release(number=number, spec=specs[number], status=ReleaseStatus.COMPLETED, created_at=now, note="found")
            for number in sorted(specs)
        ),
        next_instance=1 + max(one.number for one in found),
    )


def _instance(one: Found, *, now: float) -> Instance:
    since = now if one.ready else None
    return Instance(
        id=one.id,
        service=one.service,
        release=one.release,
        zone=one.zone,
        lifecycle=Lifecycle.IN_SERVICE if one.ready else Lifecycle.LAUNCHING,
        health=TargetHealth.HEALTHY if one.ready else TargetHealth.UNUSED,
        launched_at=min(one.started_at, now),
        ready_at=since,
        in_service_at=since,
        seen=True,
    )
