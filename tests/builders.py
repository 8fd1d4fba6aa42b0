"""Values with defaults, so that a test states only what matters to it."""

from __future__ import annotations

from dataclasses import replace

from flyball.core.control.observation import InstanceSeen, Observation, ReleaseSpec, TargetHealth
from flyball.core.control.state import Instance, Lifecycle, Release, ReleaseStatus, Rollout, ServiceState, State
from flyball.core.model import Application, Capacity, Deployment, HealthCheck, Metric, Scaling, Service, TargetTracking

SPEC = ReleaseSpec(content="1f2e3d", run="serve")


def tracking(metric: Metric = Metric.CPU, target: float = 50.0, **scaling) -> Scaling:
    """One target tracking policy, and anything else of `Scaling`."""
    return Scaling(target_tracking=(TargetTracking(metric=metric, target_value=target),), **scaling)


def service(name: str = "web", low: int = 1, high: int = 10, *, desired: int | None = None, **rest) -> Service:
    """A service that runs between `low` and `high` instances."""
    return Service(name=name, run="serve", capacity=Capacity(min=low, max=high, desired=desired), **rest)


def application(*services: Service, **rest) -> Application:
    """An application of these services, one `web` without any."""
    return Application(name="shop", services=services or (service(),), **rest)


def instance(number: int = 1, *, service: str = "web", release: int = 1, zone: str = "a", **rest) -> Instance:
    """A healthy instance in service since time 0."""
    values = {
        "lifecycle": Lifecycle.IN_SERVICE,
        "health": TargetHealth.HEALTHY,
        "launched_at": 0.0,
        "ready_at": 0.0,
        "in_service_at": 0.0,
        "seen": True,
    } | rest
    return Instance(id=f"{service}-{number}", service=service, release=release, zone=zone, **values)


def launching(number: int = 1, **rest) -> Instance:
    """An instance that was just asked for and is not seen yet."""
    values = {
        "lifecycle": Lifecycle.LAUNCHING,
        "health": TargetHealth.UNUSED,
        "ready_at": None,
        "in_service_at": None,
        "seen": False,
    }
    return instance(number, **(values | rest))


def release(number: int = 1, status: ReleaseStatus = ReleaseStatus.COMPLETED, **rest) -> Release:
    """A release that has completed a rollout."""
    return Release(number=number, spec=SPEC, status=status, created_at=0.0, **rest)


def rollout(to: int = 2, from_: int | None = 1, **rest) -> Rollout:
    """A rolling rollout that began at time 0."""
    return Rollout(**({"from_release": from_, "to_release": to, "started_at": 0.0, "phase_started_at": 0.0} | rest))


def state(*instances: Instance, desired: int | None = None, **rest) -> State:
    """A state of the service `web` at rest, serving release 1 with these instances."""
    values = {
        "releases": (release(),),
        "release": 1,
        "desired": len(instances) if desired is None else desired,
        "next_instance": 1 + max((int(one.id.rsplit("-", 1)[1]) for one in instances), default=0),
    } | rest
    return State(origin=0.0, services=(ServiceState(name="web", **values),), instances=instances, balancer_since=0.0)


def seen(*instances: Instance | InstanceSeen, **rest) -> Observation:
    """An observation of these instances as the state has them."""
    shown = tuple(one if isinstance(one, InstanceSeen) else seen_of(one) for one in instances)
    return Observation(instances=shown, **rest)


def seen_of(one: Instance, **changes) -> InstanceSeen:
    """An instance as a world would show it: all is as the state has it."""
    shown = InstanceSeen(id=one.id, ready=one.ready_at is not None, target_health=one.health, in_flight=one.in_flight)
    return replace(shown, **changes)


def deployment(**rest) -> Deployment:
    """Rules of a rollout."""
    return Deployment(**rest)


def health(grace_s: float = 30.0) -> HealthCheck:
    """A health check with this grace period."""
    return HealthCheck(path="/health", grace_s=grace_s)
