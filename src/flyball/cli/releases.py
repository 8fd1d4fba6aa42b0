"""`flyball deploy`, `rollback` and `releases`: roll out new code, roll back, list releases."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flyball.core.control.reasons import ReasonKind
from flyball.core.errors import Failed, FileError
from flyball.core.model import Application
from flyball.core.view.shapes import EventJson, ReleaseJson
from flyball.local.deploys import FileJson
from flyball.local.face import git

from . import edge, talk
from .client import Control
from .files import find_file, find_running, load
from .parts import parts, regions_of
from .up import explain
from .waiting import until_settled

MADE = frozenset({ReasonKind.RELEASE_CREATED, ReasonKind.ROLLOUT_STARTED})


def deploy(
    path: Path | None, service: str | None, *, source: Path | None, ref: str | None, region: str | None = None
) -> int:
    """Release the current source (or a directory, or a git reference) and wait for the rollout.

    Without a service: apply the whole file and release every service whose source or settings changed. With regions
    one after another, and none after the first that fails.
    """
    if source is not None and ref is not None:
        raise FileError("--from and --ref both say where the source is; give one")
    file = find_file(path)
    app = load(file)
    if not regions_of(file):
        return _deploy(Control(file), file, app, service, source=source, ref=ref)
    before, last = regions_of(file), edge.newest(app, Control(file).paths)
    if region is None:
        for change in Control(file).post("file")["applied"]:
            talk.say(change)

    def one(control: Control) -> int:
        if control.region in before or control.region is None:
            return _deploy(control, file, app, service, source=source, ref=ref)
        return edge.until_added(app, file, control.region, after=last)  # the new region starts with the new release

    return _in_turn(parts(file, region), one, pause_s=app.edge.pause_s)


def _in_turn(regions: Sequence[Control], do: Callable[[Control], int], *, pause_s: float) -> int:
    """Do it in one region after another, with a pause between; stop at the first where it fails."""
    for index, control in enumerate(regions):
        left = [one.region or "" for one in regions[index + 1 :]]
        if control.region is not None:
            talk.say(control.region, "bold")
        code = 1
        try:
            code = do(control)
        finally:
            if code and left:
                talk.say(f"stopped in {control.region}; nothing was changed in {', '.join(left)}", "bold red")
        if code:
            return code
        if left and pause_s > 0:
            talk.say(f"{left[0]} follows in {pause_s:g} s")
            time.sleep(pause_s)
    return 0


def _deploy(
    control: Control, file: Path, app: Application, service: str | None, *, source: Path | None, ref: str | None
) -> int:
    last = _newest(control)
    if service is None and source is None and ref is None:
        return _deploy_changed(control, after=last)
    known = [one["name"] for one in control.application()["services"]]
    names = [one.name for one in app.services]
    if service is not None and service not in names:
        raise FileError(f"there is no service {service!r}; choose from: {', '.join(names)}")
    if source is not None and not source.is_dir():
        raise FileError(f"{source} is not a directory")
    with tempfile.TemporaryDirectory(prefix="flyball-ref-") as checkout:
        tree = None if ref is None else _checked_out(file.parent, ref, Path(checkout))
        wanted = {}
        for name in [one for one in names if one in known] if service is None else [service]:
            _say_applied(control.post("file", service=name))
            given = source if tree is None else tree / app.service(name).source
            note = "deploy" if ref is None else f"git {ref}"
            place = None if given is None else str(given.resolve())
            wanted[name] = _release_of(control.post(f"services/{name}/deploy", source=place, note=note))
    return _wait(control, wanted, after=last)


def _deploy_changed(control: Control, *, after: int) -> int:
    answer = control.post("file")
    _say_applied(answer)
    if answer["changed"]:
        return _wait(control, answer["changed"], after=after)
    if not answer["applied"]:
        talk.say("nothing has changed; `flyball deploy SERVICE` makes a new release anyway")
    return 0


def _say_applied(answer: FileJson) -> None:
    for change in answer["applied"]:
        talk.say(change)


def _release_of(events: list[EventJson]) -> int | None:
    """The release that an intent started. Raises Failed if the intent was refused."""
    for event in events:
        if event["kind"] == ReasonKind.REFUSED:
            raise Failed(event["reason"])
    return next((event["release"] for event in events if event["kind"] in MADE), None)


def rollback(path: Path | None, service: str, release: int | None, *, region: str | None = None) -> int:
    """Roll out an earlier release again and wait; with regions one after another."""
    found = parts(find_running(path), region)
    return _in_turn(found, lambda control: _rollback(control, service, release), pause_s=0.0)


def _rollback(control: Control, service: str, release: int | None) -> int:
    last = _newest(control)
    going = _release_of(control.post(f"services/{service}/rollback", release=release))
    return _wait(control, {service: release or going}, after=last)


def releases(path: Path | None, service: str | None, *, json: bool, region: str | None = None) -> int:
    """List releases, newest first."""
    running = parts(find_running(path), region)
    found = [_placed(one, control.region) for control in running for one in control.get("releases", service=service)]
    if service is not None and not found:
        raise FileError(f"there is no release of a service {service!r}")
    show(found, json=json)
    return 0


def show(found: Sequence[ReleaseJson], *, json: bool) -> None:
    """Print releases."""
    if json:
        talk.emit(found)
        return
    headers = ("service", "release", "status", "current", "created", "note", "message")
    regional = any("region" in one for one in found)
    talk.table(("region", *headers) if regional else headers, (_row(one) for one in found))


def _placed(one: ReleaseJson, region: str | None) -> ReleaseJson:
    return one if region is None else {**one, "region": region}


def _row(one: ReleaseJson) -> list[object]:
    created = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one["created_at"]))
    current = "*" if one["current"] else ""
    place = [one["region"]] if "region" in one else []
    return [*place, one["service"], one["release"], one["status"], current, created, one["note"], one["message"]]


def _newest(control: Control) -> int:
    return max((event["id"] for event in control.events(limit=1)), default=0)


def _wait(control: Control, services: Mapping[str, int | None], *, after: int) -> int:
    outcome = until_settled(
        control.stream(after=after),
        control.application,
        control.paths,
        services=services,
        on_event=lambda event: talk.console(sys.stderr).print(talk.decision(event)),
    )
    if outcome.failure is not None:
        explain(", ".join(services), outcome)
        return 1
    current = {one["name"]: one["release"] for one in control.application()["services"]}
    for service in services:
        talk.say(f"{service}: release {current[service]} is in service", "bold green")
    return 0


def _checked_out(directory: Path, ref: str, into: Path) -> Path:
    """The file's directory in the tree of a git reference."""
    try:
        top = git.run("rev-parse", "--show-toplevel", directory=directory)
        git.export(Path(top), git.commit(directory, ref).id, into)
    except Failed as error:
        raise FileError(f"git reference {ref!r}: {error}") from error
    return into / directory.resolve().relative_to(Path(top).resolve())
