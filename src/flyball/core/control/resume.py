"""With which state does a loop begin that goes on after another one?

Rule: with the state that was written down last, a new one where nothing was. An application that was shut down begins
again with its first capacities; its releases are still known. Grace periods count from now on: nobody has told the
balancer of new instances, or heard it, meanwhile. An instance that may never have been started is asked for again.
Where what was written down is lost, the state is made anew of what runs: the release that most ready instances have
serves, the newest of equals, and the capacity is what is there. Nothing is started twice, and nothing ended for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from flyball.core.model import Application, Service

from .observation import ReleaseSpec, TargetHealth
from .state import Instance, Lifecycle, Release, ReleaseStatus, ServiceState, State
from .step import begin


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


def resumed(app: Application, state: State | None, *, now: float) -> State:
    """The state to go on with; `state` is the one after the last step, None without."""
    if state is None:
        return begin(app, now=now)
    state = replace(state, balancer_since=None, instances=tuple(_to_be_seen(one) for one in state.instances))
    if not state.shutting_down:
        return state
    first = {service.name: service.capacity.first for service in app.services}
    services = (one for one in state.services if one.name in first)
    return replace(
        state,
        shutting_down=False,
        services=tuple(replace(one, desired=first[one.name], held_until=None) for one in services),
    )


def _to_be_seen(one: Instance) -> Instance:
    started = one.lifecycle is not Lifecycle.LAUNCHING or one.ready_at is not None
    return one if started else replace(one, seen=False)
