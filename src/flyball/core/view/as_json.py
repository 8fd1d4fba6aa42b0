"""How is a view told to programs? The one place that makes the JSON which `flyball ps` and `events` promise.

Rule: keys once promised stay; numbers are rounded here and nowhere else. What only a world knows of an instance, its
process and its port, is put beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flyball.core.control.reasons import Event, Reason, ReasonKind
from flyball.core.model import Metric

from .shapes import CapacityJson, EventJson, InstanceJson, MetricsJson, ReleaseJson, RolloutJson, ServiceJson
from .views import CapacityView, InstanceView, Metrics, RolloutView, ServiceView, short


@dataclass(frozen=True, slots=True)
class Place:
    """Where a world runs an instance."""

    pid: int | None = None
    port: int | None = None


NOWHERE = Place()


def service(of: ServiceView, places: Mapping[str, Place]) -> ServiceJson:
    """One service; `places` are those of its instances that run."""
    return {
        "name": of.of.name,
        "release": of.release,
        "building": of.building,
        "rollout": None if of.rollout is None else rollout(of.rollout),
        "capacity": capacity(of.capacity),
        "concurrency": of.concurrency,
        "metrics": metrics(of.metrics),
        "instances": [instance(one, places.get(one.of.id, NOWHERE)) for one in of.instances],
    }


def capacity(of: CapacityView) -> CapacityJson:
    """Bounds, wish and what there is."""
    return {"min": of.min, "desired": of.desired, "max": of.max, "in_service": of.in_service}


def metrics(of: Metrics) -> MetricsJson:
    """The last datapoint."""
    points = {metric: short(value) for metric, value in of.points.items()}
    return {
        "requests_per_second": short(of.requests_per_s),
        "errors_per_second": short(of.errors_per_s),
        "cpu_percent": points[Metric.CPU],
        "memory_percent": points[Metric.MEMORY],
        "requests": points[Metric.REQUESTS],
        "errors_percent": points[Metric.ERRORS],
        "latency_ms": {"p50": points[Metric.P50], "p95": points[Metric.P95], "p99": points[Metric.P99]},
        "waiting": of.waiting,
        "waited_ms": {"p50": short(of.waited_p50_ms), "p99": short(of.waited_p99_ms)},
        "turned_away": of.turned_away,
    }


def rollout(of: RolloutView) -> RolloutJson:
    """A rollout on its way."""
    return {
        "from": of.of.from_release,
        "to": of.of.to_release,
        "phase": of.of.phase,
        "started_at": of.of.started_at,
        "percent": of.of.percent,
        "failures": of.of.failures,
        "why": of.of.why,
    }


def instance(of: InstanceView, place: Place) -> InstanceJson:
    """One instance."""
    return {
        "id": of.of.id,
        "release": of.of.release,
        "lifecycle": of.of.lifecycle,
        "health": of.of.health,
        "zone": of.of.zone,
        "pid": place.pid,
        "port": place.port,
        "cpu_percent": None if of.cpu_percent is None else round(of.cpu_percent, 1),
        "memory_bytes": of.memory_bytes,
        "requests_per_second": short(of.requests_per_s),
        "in_flight": of.of.in_flight,
        "started_at": of.of.launched_at,
        "detail": of.detail,
    }


def releases(of: ServiceView) -> list[ReleaseJson]:
    """The releases of a service that are remembered, the newest first."""
    return [
        {
            "service": of.of.name,
            "release": one.number,
            "status": one.status,
            "current": one.number == of.release,
            "created_at": one.created_at,
            "note": one.note,
            "message": one.message,
        }
        for one in reversed(of.releases)
    ]


def event(of: Event) -> EventJson:
    """The keys that `flyball events --json` promises, and number, instance and release beside them."""
    why = of.reason
    told: EventJson = {
        "id": of.id,
        "at": round(of.at, 3),
        "service": why.service,
        "kind": why.kind,
        "from": why.before,
        "to": why.after,
        "reason": why.text,
        "instance": why.instance,
        "release": why.release,
    }
    return told if why.region is None else {**told, "region": why.region}


def reason_of(told: EventJson) -> Reason:
    """The reason of an event that was told as JSON."""
    return Reason(
        kind=ReasonKind(told["kind"]),
        service=told["service"],
        text=told["reason"],
        before=told["from"],
        after=told["to"],
        instance=told["instance"],
        release=told["release"],
    )
