"""`flyball network`: every path, as the file declares it, and tried for real."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flyball.core.boundary import ways
from flyball.core.model import Boundary

from . import talk
from .client import Control
from .files import find_file, find_running, load


def run(path: Path | None, *, probe: bool, json: bool) -> int:
    """Print every path; with `probe` the running application tries them. Exit 1 if one is other than declared."""
    if probe:
        rows: list[Mapping[str, Any]] = Control(find_running(path)).post("network")
    else:
        from flyball.local.doctor import cannot_be_closed  # noqa: PLC0415 - `--probe` need not import it

        app = load(find_file(path))
        rows = [{"from": one.start, "to": one.end, "declared": _word(one.declared)} for one in ways(app)]
        if app.boundary is Boundary.OPEN and not json:
            talk.say('the boundary is open: [network] boundary = "closed" leaves only what the file names')
        elif not json and (problem := cannot_be_closed()):
            talk.say(f"the boundary cannot be closed here ({problem}): --probe shows what is open", "yellow")
    differing = [row for row in rows if row.get("found", "unknown") not in {"unknown", row["declared"]}]
    if json:
        talk.emit(rows)
    else:
        columns = ("from", "to", "declared", *(("found",) if probe else ()))
        talk.table(columns, ([row[name] for name in columns] for row in rows))
        for row in differing:
            talk.say(f"{row['from']} -> {row['to']} is {row['found']}, but should be {row['declared']}", "bold red")
    return 1 if differing else 0


def _word(opened: bool) -> str:
    return "open" if opened else "closed"
