"""The application as people and programs read it: the shape that `flyball ps --json` promises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flyball.core.control.observation import LatencySample
from flyball.core.control.state import Instance, Lifecycle, ReleaseStatus, Rollout, ServiceState, State
from flyball.core.model import Application, Service

from .instances.instances import Running
from .observe import Measured, Observer


def application(app: Application, state: State, observer: Observer) -> list[dict[str, Any]]:
    """All services, in the order of the file."""
    return [
        service(app.service(one.name), one, state.instances, observer)
        for one in state.services
        if any(known.name == one.name for known in app.services)
    ]


def service(of: Service, state: ServiceState, instances: Iterable[Instance], observer: Observer) -> dict[str, Any]:
    """One service: capacity, metrics, rollout, instances."""
    mine = [one for one in instances if one.service == state.name]
    in_service = [one for one in mine if one.lifecycle is Lifecycle.IN_SERVICE]
    return {
        "name": state.name,
        "release": state.release,
        "building": next((one.number for one in state.releases if one.status is ReleaseStatus.BUILDING), None),
        "rollout": None if state.rollout is None else rollout(state.rollout),
        "capacity": {
            "min": of.capacity.min,
            "desired": state.desired,
            "max": of.capacity.max,
            "in_service": len(in_service),
        },
        "metrics": metrics(in_service, mine, observer.measured, observer.latencies.get(state.name)),
        "instances": [
            instance(one, observer.measured.get(one.id, Measured()), observer.instances.running.get(one.id))
            for one in mine
        ],
    }


def rollout(of: Rollout) -> dict[str, Any]:
    """A rollout on its way."""
    return {
        "from": of.from_release,
        "to": of.to_release,
        "phase": of.phase.value,
        "started_at": of.started_at,
        "percent": of.percent,
        "failures": of.failures,
        "why": of.why,
    }


def metrics(
    in_service: list[Instance], mine: list[Instance], measured: Mapping[str, Measured], latency: LatencySample | None
) -> dict[str, Any]:
    """What the service does now: sums of rates, averages of use over instances in service.

    Latency is null without traffic.
    """
    used = [measured[one.id] for one in in_service if one.id in measured]
    served = [measured[one.id] for one in mine if one.id in measured]
    return {
        "requests_per_second": round(sum(one.requests_per_s for one in served), 2),
        "errors_per_second": round(sum(one.errors_per_s for one in served), 2),
        "cpu_percent": _average([one.cpu_percent for one in used]),
        "memory_percent": _average([one.memory_percent for one in used]),
        "latency_ms": {
            "p50": None if latency is None else round(latency.p50_ms, 2),
            "p95": None if latency is None else round(latency.p95_ms, 2),
            "p99": None if latency is None else round(latency.p99_ms, 2),
        },
    }


def _average(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 2) if known else None


def instance(one: Instance, measured: Measured, running: Running | None) -> dict[str, Any]:
    """One instance."""
    return {
        "id": one.id,
        "release": one.release,
        "lifecycle": one.lifecycle.value,
        "health": one.health.value,
        "zone": one.zone,
        "pid": None if running is None or running.process is None else running.process.pid,
        "port": None if running is None else running.port,
        "cpu_percent": None if measured.cpu_percent is None else round(measured.cpu_percent, 1),
        "memory_bytes": measured.memory_bytes,
        "requests_per_second": round(measured.requests_per_s, 2),
        "in_flight": one.in_flight,
        "started_at": one.launched_at,
        "detail": "" if running is None else running.detail,
    }
