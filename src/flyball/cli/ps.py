"""`flyball ps`: services, their capacity and their instances."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flyball.core.errors import FileError

from . import talk
from .client import Control
from .files import find_running

if TYPE_CHECKING:
    from flyball.core.view.shapes import (
        ApplicationJson,
        CertificateJson,
        InstanceJson,
        RegionJson,
        ReplicationJson,
        ServedJson,
        ServiceJson,
    )

SERVICE_HEADERS = (
    *("service", "release", "min", "desired", "max", "in service"),
    *("rps", "waiting", "cpu %", "p50", "p95", "p99"),
)
REGION_HEADERS = ("region", "health", "control", "balancer", "url", "dashboard")
INSTANCE_HEADERS = ("instance", "release", "state", "health", "zone", "pid", "port", "cpu %", "memory", "rps", "up")


def run(path: Path | None, *, region: str | None = None, json: bool) -> int:
    """Print the current state of the application."""
    described = of_region(Control(find_running(path)).application(), region)
    if json:
        talk.emit(described)
    else:
        show(described)
    return 0


def show(described: ApplicationJson) -> None:
    """Print the application: its services, then their instances."""
    talk.say(f"{described['application']}  {described['url']}  dashboard {described['dashboard']}", "bold")
    if (certificate := described.get("certificate")) is not None:
        talk.say(f"certificate {certificate_text(certificate)}", "yellow" if certificate["ends_soon"] else None)
    if "regions" in described:
        talk.table(REGION_HEADERS, (region_row(one) for one in described["regions"]))
        talk.console(sys.stdout).print()
        if described.get("replication"):
            talk.table(("store", "region", "waiting", "lag", "took", "problem"), map(lag_row, described["replication"]))
            talk.console(sys.stdout).print()
        talk.table(("visitors near", "served by", "requests", "errors"), map(served_row, described.get("served", ())))
        talk.console(sys.stdout).print()
    talk.table(headers(described, SERVICE_HEADERS), (service_row(one) for one in described["services"]))
    talk.console(sys.stdout).print()
    now = time.time()
    talk.table(
        headers(described, INSTANCE_HEADERS),
        (instance_row(one, now=now) for service in described["services"] for one in service["instances"]),
    )


def certificate_text(of: CertificateJson) -> str:
    """The certificate that visitors see, in one line."""
    return f"for {', '.join(of['names']) or 'nobody'}: {of['days_left']} days left ({of['from']})"


def of_region(described: ApplicationJson, region: str | None) -> ApplicationJson:
    """Only what is of one region. Raises FileError when there is no such region."""
    if region is None:
        return described
    names = [one["name"] for one in described.get("regions", ())]
    if region not in names:
        raise FileError(f"no region {region!r} is running; running are: {', '.join(names) or 'none'}")
    return {
        **described,
        "services": [one for one in described["services"] if one.get("region") == region],
        "regions": [one for one in described.get("regions", ()) if one["name"] == region],
        "served": [one for one in described.get("served", ()) if one["region"] == region],
        "replication": [one for one in described.get("replication", ()) if one["region"] == region],
    }


def headers(described: ApplicationJson, names: Sequence[str]) -> tuple[str, ...]:
    """The columns, the region first where there are some."""
    return ("region", *names) if "regions" in described else tuple(names)


def region_row(one: RegionJson) -> list[object]:
    """One region as a table row."""
    control, balancer = one["control"], one["balancer"]
    pids = [None if control is None else control["pid"], None if balancer is None else balancer["pid"]]
    back = "" if one["share"] == 100 else f", {one['share']} % of its visitors"
    return [one["name"], one["health"] + back, *pids, one["url"], one["dashboard"]]


def served_row(one: ServedJson) -> list[object]:
    """Who is served where as a table row."""
    return [one["nearest"], one["region"], one["requests"], one["errors"]]


def service_row(service: ServiceJson) -> list[object]:
    """One service as a table row."""
    capacity, metrics = service["capacity"], service["metrics"]
    latency = metrics["latency_ms"]
    rollout = service["rollout"]
    release = service["release"] if rollout is None else f"{rollout['from'] or '-'} -> {rollout['to']}"
    return [
        *_region(service),
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
        *_region(one),
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


def lag_row(one: ReplicationJson) -> list[object]:
    """How far a region's store is behind as a table row."""
    took = None if one["took_s"] is None else f"{one['took_s']:.1f}s"
    return [one["store"], one["region"], one["waiting"], f"{one['lag_s']:.1f}s", took, one["problem"]]


def _region(of: ServiceJson | InstanceJson) -> list[object]:
    return [of["region"]] if "region" in of else []


def duration(seconds: float) -> str:
    """A duration in its two largest units."""
    whole = int(max(seconds, 0))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
