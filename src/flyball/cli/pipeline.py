"""`flyball pipeline`: the result of each push, and its progress for the person who pushed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from flyball.core.errors import FileError, FlyballError
from flyball.local.face import RUN, Run

from . import talk
from .client import Control
from .files import find_running
from .parts import regions_of

LOOK_EVERY_S = 0.2
TAKEN_UP_S = 15.0
KEPT = "the push is kept and runs when `flyball up` comes back"


def run(path: Path | None, number: int | None, *, follow: bool, json: bool) -> int:
    """Show all pushes, or the output of one; with `follow`, that one (by default the newest) until it ends."""
    file = find_running(path)
    if regions_of(file):
        raise FileError("an application with regions has no repository to push to: use `flyball deploy`, or `--ref`")
    control = Control(file)
    runs = _runs(control)
    if number is not None or follow:
        return _one(control, runs, number, follow=follow, json=json)
    if json:
        talk.emit([asdict(one) for one in runs])
        return 0
    talk.table(("push", "status", "commit", "author", "began", "took", "stages", "subject"), map(_row, runs))
    return 0


def receive(file: Path, job: str) -> int:
    """Stream the stages of a push to git's client, which shows them as `remote:` lines. The push itself succeeds."""
    control = Control(file)
    try:
        control.post("pipeline")
        failed = _stream(lambda: _of_job(control, job), _tell) == "failed"
    except FlyballError:
        _tell(f"the control plane is not running: {KEPT}")
        return 0
    if failed:
        _tell("the commit stays in the repository; push a fix")
    return 0


def _one(control: Control, runs: list[Run], number: int | None, *, follow: bool, json: bool) -> int:
    run = next((one for one in runs if number in {None, one.number}), None)
    if run is None:
        raise FileError("there has been no push yet" if number is None else f"there is no push {number}")
    if follow and not json:
        return 1 if _stream(lambda: _of_job(control, run.job), _print) == "failed" else 0
    for latest in _until_over(control, run) if follow else iter([run]):
        if json:
            talk.emit(asdict(latest))
        else:
            for line in latest.lines:
                _print(line)
    return 0


def _until_over(control: Control, run: Run) -> Iterator[Run]:
    """The run after each change, until it ends."""
    last: Run | None = None
    while last is None or last.status == "running":
        now = _of_job(control, run.job) or run
        if now != last:
            last = now
            yield now
        time.sleep(LOOK_EVERY_S)


def _stream(look: Callable[[], Run | None], say: Callable[[str], None]) -> str:
    """Print each line of a run as it comes; return its final status."""
    said, waited_for = 0, False
    deadline = time.monotonic() + TAKEN_UP_S
    while True:
        run = look()
        if run is not None:
            said = min(said, len(run.lines))  # fewer than before: it started again
            for line in run.lines[said:]:
                say(line)
            said = len(run.lines)
            if run.status != "running":
                return str(run.status)
        elif time.monotonic() > deadline and not waited_for:
            say("another push is still running; this one waits for it")
            waited_for = True
        time.sleep(LOOK_EVERY_S)


def _of_job(control: Control, job: str) -> Run | None:
    return next(iter(_runs(control, job=job)), None)


def _runs(control: Control, *, job: str | None = None) -> list[Run]:
    return [RUN.validate_python(one) for one in control.get("pipeline", job=job)]


def _tell(line: str) -> None:
    sys.stdout.write(talk.printable(f"{line}\n"))
    sys.stdout.flush()


def _print(line: str) -> None:
    talk.console(sys.stdout).print(talk.printable(line), markup=False)


def _row(run: Run) -> list[object]:
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started_at))
    took = None if run.ended_at is None else f"{run.ended_at - run.started_at:.1f} s"
    stages = " ".join(f"{one.name}:{one.status}" for one in run.stages)
    return [run.number, run.status, run.commit[:7], run.author, began, took, stages, run.subject]
