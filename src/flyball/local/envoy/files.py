"""The files that feed Envoy, written so that it never sees half of one, nor a route to a service it does not know."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from .bootstrap import CLUSTERS_FILE, LISTENERS_FILE
from .listener import ROUTES_FILE
from .types import Json

ENDPOINTS = "eds-*.json"


def write(directory: Path, files: Mapping[str, Json]) -> tuple[str, ...]:
    """Write the files whose content differs from what lies there; the names written and removed, in that order.

    Each is renamed into place. New endpoints and clusters come before the routes that name them; clusters that went
    away leave after the routes, and their endpoints last. With the clusters among `files`, endpoint files not among
    them are removed. Raises OSError when the disk refuses; what was written until then is whole.
    """
    steps = _bridge(directory, files) if CLUSTERS_FILE in files else []
    steps += [(name, _text(files[name])) for name in sorted(files, key=_order)]
    changed = [name for name, content in steps if _replace(directory / name, content)]
    if CLUSTERS_FILE in files:
        changed += _remove(path for path in sorted(directory.glob(ENDPOINTS)) if path.name not in files)
    return tuple(dict.fromkeys(changed))


def _order(name: str) -> tuple[int, str]:
    """Endpoints, routes, clusters (which may now go), listeners; whatever else before all."""
    last = {ROUTES_FILE: 2, CLUSTERS_FILE: 3, LISTENERS_FILE: 4}
    return (last.get(name, 1 if name.startswith("eds-") else 0), name)


def _bridge(directory: Path, files: Mapping[str, Json]) -> list[tuple[str, str]]:
    """New endpoints, then all clusters, those that will go included: with these, old and new routes are both right."""
    wanted = files[CLUSTERS_FILE]["resources"]
    names = {cluster["name"] for cluster in wanted}
    going = [cluster for cluster in _clusters(directory / CLUSTERS_FILE) if cluster["name"] not in names]
    fresh = [name for name in sorted(files) if name.startswith("eds-") and not (directory / name).exists()]
    both = files[CLUSTERS_FILE] if not going else {**files[CLUSTERS_FILE], "resources": [*wanted, *going]}
    return [(name, _text(files[name])) for name in fresh] + [(CLUSTERS_FILE, _text(both))]


def _clusters(path: Path) -> list[Json]:
    try:
        found: list[Json] = json.loads(path.read_text())["resources"]
    except (FileNotFoundError, ValueError, KeyError):
        return []
    return found


def _text(content: Json) -> str:
    return json.dumps(content, sort_keys=True, indent=1) + "\n"


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
