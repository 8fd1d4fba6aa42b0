"""The parts that an application runs in: its regions, each with a control plane of its own; else itself alone."""

from __future__ import annotations

import json
from pathlib import Path

from flyball.core.errors import FileError

from .client import Control


def regions_of(file: Path) -> tuple[str, ...]:
    """The regions of the application that runs here, or ran here last; none when it has none."""
    paths = Control(file).paths
    try:
        return tuple(json.loads(paths.edge_file.read_text(encoding="utf-8"))["regions"])
    except (OSError, ValueError, KeyError):
        pass
    if paths.control_file.exists():
        return ()
    return tuple(sorted(one.parent.name for one in paths.regions.glob("*/journal.db")))


def parts(file: Path, region: str | None = None) -> list[Control]:
    """The control plane of each region, or only of `region`; of the application itself where it has no regions.

    Raises FileError when there is no such region.
    """
    names = regions_of(file)
    if region is not None and region not in names:
        raise FileError(f"no region {region!r} is running; running are: {', '.join(names) or 'none'}")
    if not names:
        return [Control(file)]
    return [Control(file, name) for name in names if region in {None, name}]
