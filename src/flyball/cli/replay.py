"""`flyball replay`: step the recorded observations again and demand the recorded actions."""

from __future__ import annotations

from pathlib import Path

from flyball.core.control.state import State
from flyball.core.control.step import step
from flyball.core.errors import Failed, NotRunning
from flyball.local.paths import StateDirectory
from flyball.local.record.journal import ACTIONS, Journal

from . import talk
from .files import find_running


def run(path: Path | None, *, json: bool) -> int:
    """Replay the journal. Exit 1 at the first step that decides otherwise than it did."""
    paths = StateDirectory(find_running(path).parent / ".flyball")
    if not paths.journal.exists():
        raise NotRunning(f"there is no journal in {paths.root}")
    journal = Journal(paths.journal)
    state: State | None = None
    steps = decisions = 0
    try:
        for recorded in journal.steps():
            before = recorded.state if recorded.state is not None else state
            if before is None:
                continue
            done = step(recorded.app, before, recorded.seen, now=recorded.at)
            state, steps, decisions = done.state, steps + 1, decisions + len(done.reasons)
            actions = ACTIONS.dump_json(done.actions).decode()
            if actions != recorded.actions:
                raise Failed(f"step {recorded.id} asked for {recorded.actions} and asks for {actions} now")
    finally:
        journal.close()
    if json:
        talk.emit({"steps": steps, "decisions": decisions, "identical": True})
    else:
        talk.say(f"{steps} steps with {decisions} reasons replayed: every action is the same")
    return 0
