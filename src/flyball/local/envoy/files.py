"""The files that feed Envoy, written so that it never sees half of one, nor a route to a service it does not know.

Some room on the disk is held for them: on a full one Envoy must still learn which instances are gone and which are new.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from .config.bootstrap import CLUSTERS_FILE, LISTENERS_FILE
from .config.clusters import endpoints_file
from .config.listener import ROUTES_FILE
from .config.queue import QUEUE_FILE, renewed
from .config.resources import discovery
from .config.types import Json

ENDPOINTS = "eds-*.json"
SETTLED_S = 0.2
RESERVE, RESERVE_BYTES = "reserve", 256 * 1024


def write(directory: Path, files: Mapping[str, Json]) -> tuple[str, ...]:
    """Write the files whose content differs from what lies there; the names written and removed.

    Each is renamed into place. Of a complete set (one with clusters and routes) not everything may be written at once:
    routes wait until the services they name have been known to Envoy for 0.2 s, and a service stays known until no
    route has named it for 0.2 s. A later call with the same files writes the rest, so call again while things change.
    Raises OSError when the disk refuses; what was written until then is whole.
    """
    complete = CLUSTERS_FILE in files and ROUTES_FILE in files
    staged = _staged(directory, files) if complete else dict(files)
    if QUEUE_FILE in staged:
        before = next(iter(_resources(directory / QUEUE_FILE)), None)
        (queue,) = staged[QUEUE_FILE]["resources"]
        staged[QUEUE_FILE] = discovery([renewed(queue, before, now=time.time())])
    changed = [name for name in sorted(staged, key=_order) if _replace(directory / name, staged[name])]
    if complete:
        used = {endpoints_file(cluster["name"]) for cluster in staged[CLUSTERS_FILE]["resources"]}
        changed += _remove(path for path in sorted(directory.glob(ENDPOINTS)) if path.name not in used)
        _hold_room(directory / RESERVE)
    return tuple(changed)


def settled(directory: Path, files: Mapping[str, Json]) -> bool:
    """Whether a `write` of this complete set that wrote nothing now has nothing left to write later."""
    return (directory / RESERVE).exists() and _staged(directory, files) == files


def stamp(directory: Path) -> frozenset[tuple[str, int, int, int]]:
    """A value that changes when anybody writes, renames or removes a file there."""
    with os.scandir(directory) as entries:
        found = [(entry.name, entry.stat()) for entry in entries]
    return frozenset((name, status.st_ino, status.st_mtime_ns, status.st_size) for name, status in found)


def listening(directory: Path) -> dict[str, int]:
    """The ports of the listeners that Envoy was told of, by their names."""
    found = {one["name"]: one["address"]["socket_address"] for one in _resources(directory / LISTENERS_FILE)}
    return {str(name): int(address["port_value"]) for name, address in found.items()}


def shared(directory: Path) -> bool:
    """Whether the listeners that Envoy was told of share their ports with those of another one."""
    return any(one.get("enable_reuse_port") for one in _resources(directory / LISTENERS_FILE) if one["name"] == "http")


def _order(name: str) -> tuple[int, str]:
    """Endpoints, clusters, the listener, routes; whatever else before all."""
    places = {CLUSTERS_FILE: 2, LISTENERS_FILE: 3, ROUTES_FILE: 4}
    return (places.get(name, 1 if name.startswith("eds-") else 0), name)


def _staged(directory: Path, files: Mapping[str, Json]) -> dict[str, Json]:
    """What may be written now.

    Envoy may look at two files in either order, however they were renamed: each rename wakes all that watch the
    directory. A request between the two would find a route to a service that is not known, and be answered 503.
    """
    clusters, routes = directory / CLUSTERS_FILE, directory / ROUTES_FILE
    wanted, present = files[CLUSTERS_FILE]["resources"], _resources(clusters)
    names, known = ({cluster["name"] for cluster in some} for some in (wanted, present))
    staged = dict(files)
    new = _named(files[ROUTES_FILE]["resources"]) - _named(_resources(routes))
    if new and routes.exists() and not (new <= known and _settled(clusters)):
        del staged[ROUTES_FILE]
    going = [cluster for cluster in present if cluster["name"] not in names]
    if going and not (_resources(routes) == files[ROUTES_FILE]["resources"] and _settled(routes)):
        staged[CLUSTERS_FILE] = {**files[CLUSTERS_FILE], "resources": [*wanted, *going]}
    return staged


def _settled(path: Path) -> bool:
    """Whether Envoy has had time to take the file over, which it does within some milliseconds."""
    age_s = time.time() - path.stat().st_mtime
    return age_s > SETTLED_S or age_s < -1  # the clock has gone back since


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


def _replace(path: Path, resource: Json) -> bool:
    """True when the file was not already like that."""
    content = json.dumps(resource, sort_keys=True, indent=1) + "\n"
    with contextlib.suppress(FileNotFoundError):
        if path.read_text() == content:
            return False
    temporary = path.with_name(path.name + ".new")
    try:
        temporary.write_text(content)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        path.with_name(RESERVE).unlink(missing_ok=True)
        temporary.write_text(content)
    temporary.replace(path)
    return True


def _hold_room(reserve: Path) -> None:
    """Take the room again that was given up, as soon as there is some."""
    if reserve.exists():
        return
    try:
        reserve.write_bytes(b"\n" * RESERVE_BYTES)
    except OSError:
        reserve.unlink(missing_ok=True)


def _remove(paths: Iterable[Path]) -> list[str]:
    removed = []
    for path in paths:
        path.unlink(missing_ok=True)
        removed.append(path.name)
    return removed
