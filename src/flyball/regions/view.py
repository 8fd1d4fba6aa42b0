"""An application with regions as every reader shows it: what each region tells, side by side, and who serves whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flyball.local.envoy.admin import TargetStats

from .config import NOBODY, home_of, order_of

Json = dict[str, Any]


def merged(told: Mapping[str, Json | None], health: Mapping[str, str], returning: Mapping[str, int] = NOBODY) -> Json:
    """The services of all regions, each with its region, and a line for each region. `told` is None of a silent one.

    `returning`: how many percent of its visitors a region gets, if not all.
    """
    return {
        "services": [
            _with_region(service, name) for name, one in told.items() for service in (one or {}).get("services", [])
        ],
        "regions": [
            {**_region(name, one, health.get(name, "unknown")), "share": returning.get(name, 100)}
            for name, one in told.items()
        ],
    }


def _with_region(service: Json, region: str) -> Json:
    return {**service, "region": region, "instances": [{**one, "region": region} for one in service["instances"]]}


def _region(name: str, told: Json | None, health: str) -> Json:
    known = told or {}
    return {
        "name": name,
        "health": health,
        "url": known.get("url"),
        "dashboard": known.get("dashboard"),
        "control": known.get("control"),
        "balancer": known.get("balancer"),
    }


def health_of(targets: Iterable[TargetStats]) -> dict[str, str]:
    """Region -> its health; each order's cluster checks for itself, and the worst one that knows counts."""
    found: dict[str, set[str]] = {}
    for target in targets:
        found.setdefault(target.instance, set()).add(target.health)
    return {
        name: next(state for state in ("unhealthy", "healthy", "initial") if state in states)
        for name, states in found.items()
    }


def served(targets: Iterable[TargetStats]) -> list[Json]:
    """Who is served where: requests of the visitors nearest to a region (the first of their order), by region."""
    counts: dict[tuple[str, str], list[int]] = {}
    for one in sorted(targets, key=lambda one: (order_of(one.service), order_of(one.service).index(one.instance))):
        sums = counts.setdefault((home_of(one.service), one.instance), [0, 0])
        sums[0] += one.requests
        sums[1] += one.errors
    return [
        {"nearest": nearest, "region": region, "requests": requests, "errors": errors}
        for (nearest, region), (requests, errors) in counts.items()
    ]
