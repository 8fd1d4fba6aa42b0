"""`flyball plan`: show what `flyball deploy` would change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import talk
from .files import find_file, load
from .parts import parts

if TYPE_CHECKING:
    from flyball.local.deploys import PlanJson

CHANGES = 2


def run(path: Path | None, *, json: bool, region: str | None = None) -> int:
    """Compare the file and the source beside it with what is running; 0 if they are equal, 2 if not."""
    file = find_file(path)
    load(file)  # errors in the file are reported here, with their own exit code
    changed = False
    for control in parts(file, region):
        found = control.get("plan")
        changed = changed or found["changed"]
        if json:
            talk.emit(found if control.region is None else {**found, "region": control.region})
            continue
        if control.region is not None:
            talk.say(control.region, "bold")
        _show(found)
    return CHANGES if changed else 0


def _show(found: PlanJson) -> None:
    if not found["changed"]:
        talk.say("nothing would change")
        return
    rows: list[list[str | None]] = [
        [one["path"], talk.shown(one["from"]), talk.shown(one["to"]), one["effect"]] for one in found["changes"]
    ]
    rows += [
        [f"services.{one['service']}.source", None, "changed", "new release"]
        for one in found["services"]
        if one["source_changed"]
    ]
    talk.table(("what", "now", "then", "takes"), rows)
    released = [one["service"] for one in found["services"] if one["new_release"]]
    if released:
        talk.say(f"new releases: {', '.join(released)}")
