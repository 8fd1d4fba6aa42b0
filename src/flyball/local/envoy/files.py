"""The files that feed Envoy, written so that it never sees half of one, nor a route to a service it does not know."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from .bootstrap import CLUSTERS_FILE, LISTENERS_FILE
from .listener import ROUTES_FILE
from .types import Json

ENDPOINTS = "eds-*.json"
SETTLED_S = 0.2


def write(directory: Path, files: Mapping[str, Json]) -> tuple[str, ...]:
    """Write the files whose content differs from what lies there; the names written and removed.

    Each is renamed into place. Of a complete set (one with clusters and routes) new endpoints and clusters come first,
    then the routes that name them, then clusters leave, and their endpoint files last. Routes to a service that Envoy
    may not know yet are held back: a call at least 0.2 s later writes them.
    Raises OSError when the disk refuses; what was written until then is whole.
    """
    complete = CLUSTERS_FILE in files and ROUTES_FILE in files
    steps = [(name, files[name]) for name in sorted(files, key=_order)]
    if complete:
        steps = [*_arrivals(directory, files), *steps]
    changed: list[str] = []
    for name, content in steps:
        if name == ROUTES_FILE and complete and _too_early(directory, content):
            return tuple(dict.fromkeys(changed))
        if _replace(directory / name, json.dumps(content, sort_keys=True, indent=1) + "\n"):
            changed.append(name)
    if complete:
        changed += _remove(path for path in sorted(directory.glob(ENDPOINTS)) if path.name not in files)
    return tuple(dict.fromkeys(changed))


def _order(name: str) -> tuple[int, str]:
    """Endpoints, listeners, routes, then the clusters, of which some may now go; whatever else before all."""
    places = {LISTENERS_FILE: 2, ROUTES_FILE: 3, CLUSTERS_FILE: 4}
    return (places.get(name, 1 if name.startswith("eds-") else 0), name)


def _arrivals(directory: Path, files: Mapping[str, Json]) -> list[tuple[str, Json]]:
    """New endpoints, then all clusters, those that will go included: with these, old and new routes are both right."""
    fresh = [
        (name, files[name]) for name in sorted(files) if name.startswith("eds-") and not (directory / name).exists()
    ]
    wanted, present = files[CLUSTERS_FILE]["resources"], _resources(directory / CLUSTERS_FILE)
    if all(cluster in present for cluster in wanted):
        return fresh
    names = {cluster["name"] for cluster in wanted}
    going = [cluster for cluster in present if cluster["name"] not in names]
    return [*fresh, (CLUSTERS_FILE, {**files[CLUSTERS_FILE], "resources": [*wanted, *going]})]


def _too_early(directory: Path, routes: Json) -> bool:
    """Whether Envoy may be at work with routes, and could see these before a cluster that they name for the first time.

    It takes new clusters over within some milliseconds, but a request that comes in between would be answered 503.
    """
    known = _named(_resources(directory / ROUTES_FILE))
    if not known or _named(routes["resources"]) <= known:
        return False
    return time.time() - (directory / CLUSTERS_FILE).stat().st_mtime < SETTLED_S


def _named(configurations: Iterable[Json]) -> set[str]:
    """The clusters that route configurations name."""
    actions = [
        route["route"]
        for configuration in configurations
        for host in configuration["virtual_hosts"]
        for route in host["routes"]
        if "route" in route
    ]
    shared = (share["name"] for action in actions for share in action.get("weighted_clusters", {}).get("clusters", ()))
    return {*(action["cluster"] for action in actions if "cluster" in action), *shared}


def _resources(path: Path) -> list[Json]:
    """The resources in a file; none when it is missing or cannot be read as one."""
    try:
        found: list[Json] = json.loads(path.read_text())["resources"]
    except (FileNotFoundError, ValueError, KeyError):
        return []
    return found


def _replace(path: Path, content: str) -> bool:
    """True when the file was not already like that."""
    try:
        if path.read_text() == content:
            return False
    except FileNotFoundError:
        pass
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(content)
    temporary.replace(path)
    return True


def _remove(paths: Iterable[Path]) -> list[str]:
    removed = []
    for path in paths:
        path.unlink(missing_ok=True)
        removed.append(path.name)
    return removed
