"""`flyball deploy`, `rollback` and `releases`: new code in, old code back, what there was."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flyball.core.errors import Failed, FileError

from . import talk
from .client import Control
from .files import find_file
from .up import explain
from .waiting import until_settled


def deploy(path: Path | None, service: str | None, *, source: Path | None, ref: str | None) -> int:
    """Release the source as it lies (or from a directory, or of a git reference) and wait for the rollout."""
    file = find_file(path)
    control = Control(file)
    names = [one["name"] for one in control.get("application")["services"]]
    if service is not None and service not in names:
        raise FileError(f"there is no service {service!r}; there is: {', '.join(names)}")
    if source is not None and not source.is_dir():
        raise FileError(f"{source} is not a directory")
    last = _newest(control)
    released: list[str] = []
    if source is None and ref is None and service is None:
        released = control.post("file")["changed"]  # a changed file is a deploy too
    with tempfile.TemporaryDirectory(prefix="flyball-ref-") as checkout:
        note = "deploy"
        if ref is not None:
            source, note = _checked_out(file.parent, ref, Path(checkout)), f"git {ref}"
        given = None if source is None else str(source.resolve())
        wanted = {
            name: control.get("releases", service=name)[0]["release"]
            if name in released
            else _release_of(control.post(f"services/{name}/deploy", source=given, note=note))
            for name in (names if service is None else [service])
        }
    return _wait(control, wanted, after=last)


def _release_of(events: list[dict[str, Any]]) -> int | None:
    """The release that an intent set in motion."""
    return next((event["release"] for event in events if event["release"] is not None), None)


def rollback(path: Path | None, service: str, release: int | None) -> int:
    """Roll an earlier release out again and wait."""
    control = Control(find_file(path))
    last = _newest(control)
    events = control.post(f"services/{service}/rollback", release=release)
    for event in events:
        if event["kind"] == "refused":
            raise Failed(event["reason"])
    return _wait(control, {service: release or _release_of(events)}, after=last)


def releases(path: Path | None, service: str | None, *, json: bool) -> int:
    """List releases, the newest first."""
    found = Control(find_file(path)).get("releases", service=service)
    if json:
        talk.emit(found)
        return 0
    headers = ("service", "release", "status", "current", "created", "note", "message")
    talk.table(headers, (_row(one) for one in found))
    return 0


def _row(one: dict[str, Any]) -> list[Any]:
    created = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one["created_at"]))
    current = "*" if one["current"] else ""
    return [one["service"], one["release"], one["status"], current, created, one["note"], one["message"]]


def _newest(control: Control) -> int:
    return max((event["id"] for event in control.get("events", limit=1)), default=0)


def _wait(control: Control, services: Mapping[str, int | None], *, after: int) -> int:
    outcome = until_settled(
        control.stream(after=after),
        lambda: dict(control.get("application")),
        control.paths,
        services=services,
        on_event=lambda event: talk.console(sys.stderr).print(talk.decision(event)),
    )
    if outcome.failure is not None:
        explain(", ".join(services), outcome)
        return 1
    current = {one["name"]: one["release"] for one in control.get("application")["services"]}
    for service in services:
        talk.say(f"{service}: release {current[service]} is in service", "bold green")
    return 0


def _checked_out(directory: Path, ref: str, into: Path) -> Path:
    """The tree of a git reference, as the file's directory has it."""
    try:
        archive = subprocess.run(
            ["git", "-C", str(directory), "archive", "--format=tar", ref], capture_output=True, check=True
        )
        subprocess.run(["tar", "-x", "-C", str(into)], input=archive.stdout, capture_output=True, check=True)
    except FileNotFoundError as error:
        raise Failed(f"{error.filename} is needed for --ref and is not installed") from error
    except subprocess.CalledProcessError as error:
        raise FileError(f"git reference {ref!r}: {error.stderr.decode(errors='replace').strip()}") from error
    return into
