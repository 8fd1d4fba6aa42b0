"""The parts that an application runs in: its regions, each with a control plane of its own; else itself alone."""

from __future__ import annotations

from pathlib import Path

from flyball.core.errors import FileError
from flyball.regions.record import names

from .client import Control


def regions_of(file: Path) -> tuple[str, ...]:
    """The regions of the application that runs here, or ran here last; none when it has none."""
    paths = Control(file).paths
    running = names(paths)
    if running:
        return running
    if paths.control_file.exists() or paths.balancer_file.exists():
        return ()  # what runs has none
    return tuple(sorted(one.parent.name for one in paths.regions.glob("*/journal.db")))


def parts(file: Path, region: str | None = None) -> list[Control]:
    """The control plane of each region, or only of `region`; of the application itself where it has no regions.

    Raises FileError when there is no such region.
    """
    known = regions_of(file)
    if region is not None and region not in known:
        raise FileError(f"no region {region!r} is running; running are: {', '.join(known) or 'none'}")
    if not known:
        return [Control(file)]
    return [Control(file, name) for name in known if region in {None, name}]
