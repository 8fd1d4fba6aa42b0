"""What a new control plane needs to take over the edge: all ports, and which regions were not to start.

Written while an application runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from flyball.local.paths import StateDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeRecord:
    """The edge's port, and the ports of the balancers of the regions that run.

    `left_out`: regions of the file that were not to start.
    """

    port: int
    regions: Mapping[str, int] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Keep it, all or nothing."""
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
        temporary.replace(path)


def read(paths: StateDirectory) -> EdgeRecord | None:
    """What was written last; None when no application with regions runs here."""
    try:
        found = json.loads(paths.edge_file.read_text(encoding="utf-8"))
        regions = {str(one): int(port) for one, port in found["regions"].items()}
        left_out = tuple(map(str, found.get("left_out", ())))
        return EdgeRecord(port=int(found["port"]), regions=regions, left_out=left_out)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def names(paths: StateDirectory) -> tuple[str, ...]:
    """The regions of the application that runs here; none when it has none, or nothing runs."""
    found = read(paths)
    return () if found is None else tuple(found.regions)
