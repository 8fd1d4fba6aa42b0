"""Rules within one service, and between a service and its stores."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from difflib import get_close_matches

from flyball.core.manifest import units
from flyball.core.manifest.complaints import Path, Unplaced
from flyball.core.manifest.schema import FileTable, ServiceTable
from flyball.core.model import BalancingAlgorithm, Listener, Strategy
from flyball.core.model.stores import variable


def service_complaints(name: str, service: ServiceTable, file: FileTable) -> Iterator[Unplaced]:
    """Complaints about one service."""
    at: Path = ("services", name)
    yield from _command(at, service)
    yield from _stores(at, service, file)
    yield from _environment(at, service)
    yield from _instances(at, service)
    yield from _health(at, service)
    yield from _rollout(at, service)
    yield from _queue(at, service, file)
    if service.slow_start and service.balancing is BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS:
        yield Unplaced(
            path=(*at, "slow_start"),
            message="slow start cannot be combined with least_outstanding_requests, as on AWS",
            hint='use balancing = "round_robin"',
            also=((*at, "balancing"),),
        )


def _queue(at: Path, service: ServiceTable, file: FileTable) -> Iterator[Unplaced]:
    """A request that waits is idle, and the listener ends what is idle for too long."""
    wait_s = None if service.queue is None else service.queue.wait
    given_s = None if file.listener is None else file.listener.idle_timeout
    idle_s = Listener().idle_timeout_s if given_s is None else given_s
    if wait_s is not None and wait_s >= idle_s:
        yield Unplaced(
            path=(*at, "queue", "wait"),
            message=f"{units.duration_text(wait_s)} is not below the listener's idle_timeout of "
            f"{units.duration_text(idle_s)}, after which a waiting request is answered 504",
            hint="raise listener.idle_timeout, or wait less long",
        )


def _command(at: Path, service: ServiceTable) -> Iterator[Unplaced]:
    try:
        words = shlex.split(service.run)
    except ValueError as wrong:
        yield Unplaced(
            path=(*at, "run"), message=f"cannot be split into words: {str(wrong).lower()}", hint="balance the quotes"
        )
        return
    if not words or not words[0]:
        yield Unplaced(path=(*at, "run"), message="names no program")


def _stores(at: Path, service: ServiceTable, file: FileTable) -> Iterator[Unplaced]:
    declared = file.stores or {}
    for index, store in enumerate(service.stores or []):
        path = (*at, "stores", index)
        if store not in declared:
            close = get_close_matches(store, declared, n=1)
            hint = f"did you mean `{close[0]}`?" if close else f"add [stores.{store}]"
            yield Unplaced(path=path, message=f"store `{store}` is not declared", hint=hint, also=(("stores", store),))
        elif store in (service.stores or [])[:index]:
            yield Unplaced(path=path, message=f"store `{store}` is listed twice")


def _environment(at: Path, service: ServiceTable) -> Iterator[Unplaced]:
    stores = {variable(store): store for store in service.stores or []}
    known = {"PORT", "HOST", "HOME", "PATH", "USER", *stores, *(service.env or {})}
    for name, value in (service.env or {}).items():
        path = (*at, "env", name)
        if name == "PORT":
            yield Unplaced(path=path, message="Flyball sets PORT: every instance has its own", on_key=True)
        elif name in stores:
            yield Unplaced(path=path, message=f"Flyball sets {name} for store `{stores[name]}`", on_key=True)
        for used in re.findall(r"\$\{?([A-Za-z_]\w*)", value):
            if used in known or used.startswith("FLYBALL_"):
                message = f"${used} is not filled in here, only in `run`"
                yield Unplaced(path=path, message=message, hint=f'such as run = "env {name}={value} …"')


def _instances(at: Path, service: ServiceTable) -> Iterator[Unplaced]:
    if service.instances is None:
        return
    bounds, path = service.instances.resolve(), (*at, "instances")
    if bounds.max < bounds.min:
        yield Unplaced(path=(*path, "max"), message=f"{bounds.max} is below min {bounds.min}")
    elif bounds.desired is not None and not bounds.min <= bounds.desired <= bounds.max:
        yield Unplaced(
            path=(*path, "start"), message=f"{bounds.desired} is not within min {bounds.min} and max {bounds.max}"
        )


def _health(at: Path, service: ServiceTable) -> Iterator[Unplaced]:
    if service.health is None:
        return
    check, path = service.health.resolve(), (*at, "health")
    if check.timeout_s >= check.interval_s:
        timeout, interval = units.duration_text(check.timeout_s), units.duration_text(check.interval_s)
        yield Unplaced(path=(*path, "timeout"), message=f"{timeout} must be shorter than every {interval}")
    if check.status_min > check.status_max:
        yield Unplaced(path=(*path, "status", "max"), message=f"{check.status_max} is below min {check.status_min}")


def _rollout(at: Path, service: ServiceTable) -> Iterator[Unplaced]:
    deploy, path = service.deploy, (*at, "deploy")
    if deploy is None:
        return
    rules = deploy.resolve(1.0)
    if rules.strategy is Strategy.ROLLING and rules.minimum_healthy_percent == rules.maximum_percent == 100:
        yield Unplaced(
            path=(*path, "maximum"),
            message="with minimum_healthy 100% and maximum 100% a rollout can neither start nor stop an instance: "
            "it would wait for ever",
            hint="raise maximum or lower minimum_healthy",
        )
    if rules.strategy is Strategy.BLUE_GREEN and rules.maximum_percent < 200:
        yield Unplaced(
            path=(*path, "maximum"),
            message=f"{rules.maximum_percent}% leaves no room for a complete second set of instances",
            hint='blue_green needs "200%"',
        )
    rollback = deploy.rollback
    if rollback is not None and rollback.within is not None and deploy.bake not in {None, rollback.within}:
        yield Unplaced(
            path=(*path, "rollback", "within"),
            message="differs from `bake`, which means the same",
            also=((*path, "bake"),),
        )
    breaker = deploy.circuit_breaker
    if breaker is not None and breaker.bounded is not None and isinstance(breaker.failures, int):
        yield Unplaced(
            path=(*path, "circuit_breaker", "bounded"), message='only applies to a share such as "50%", not to a number'
        )
