"""`flyball ps`: services, their capacity and their instances."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import talk
from .client import Control
from .files import find_running

if TYPE_CHECKING:
    from flyball.core.view.shapes import InstanceJson, ServiceJson

SERVICE_HEADERS = (
    *("service", "release", "min", "desired", "max", "in service"),
    *("rps", "waiting", "cpu %", "p50", "p95", "p99"),
)
INSTANCE_HEADERS = ("instance", "release", "state", "health", "zone", "pid", "port", "cpu %", "memory", "rps", "up")


def run(path: Path | None, *, json: bool) -> int:
    """Print the current state of the application."""
    described = Control(find_running(path)).application()
    if json:
        talk.emit(described)
    else:
        show(described)
    return 0


def show(described: Mapping[str, Any]) -> None:
    """Print the application: its services, then their instances."""
    talk.say(f"{described['application']}  {described['url']}  dashboard {described['dashboard']}", "bold")
    talk.table(SERVICE_HEADERS, (service_row(one) for one in described["services"]))
    talk.console(sys.stdout).print()
    now = time.time()
    talk.table(
        INSTANCE_HEADERS,
        (instance_row(one, now=now) for service in described["services"] for one in service["instances"]),
    )


def service_row(service: ServiceJson) -> list[object]:
    """One service as a table row."""
    capacity, metrics = service["capacity"], service["metrics"]
    latency = metrics["latency_ms"]
    rollout = service["rollout"]
    release = service["release"] if rollout is None else f"{rollout['from'] or '-'} -> {rollout['to']}"
    return [
        service["name"],
        release,
        capacity["min"],
        capacity["desired"],
        capacity["max"],
        capacity["in_service"],
        metrics["requests_per_second"],
        metrics["waiting"],
        metrics["cpu_percent"],
        latency["p50"],
        latency["p95"],
        latency["p99"],
    ]


def instance_row(one: InstanceJson, *, now: float) -> list[object]:
    """One instance as a table row."""
    memory = one["memory_bytes"]
    return [
        one["id"],
        one["release"],
        one["lifecycle"].replace("_", " "),
        one["health"],
        one["zone"],
        one["pid"],
        one["port"],
        one["cpu_percent"],
        None if memory is None else f"{memory / 1024 / 1024:.0f} MB",
        one["requests_per_second"],
        duration(now - one["started_at"]),
    ]


def duration(seconds: float) -> str:
    """A duration in its two largest units."""
    whole = int(max(seconds, 0))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
