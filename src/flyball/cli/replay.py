"""`flyball replay`: replay the recorded observations and require the recorded actions."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from flyball.core.control import records
from flyball.core.control.replay import replayed
from flyball.core.errors import Failed, NotRunning
from flyball.local.face import Journal
from flyball.local.paths import StateDirectory

from . import talk
from .files import find_running
from .parts import parts


def run(path: Path | None, *, json: bool) -> int:
    """Replay the journal. Exit 1 at the first step that now decides differently."""
    steps = decisions = 0
    for control in parts(find_running(path)):
        if not control.paths.journal.exists():
            raise NotRunning(f"there is no journal in {control.paths.root}")
        stepped, decided = _again(control.paths)
        steps, decisions = steps + stepped, decisions + decided
    if json:
        talk.emit({"steps": steps, "decisions": decisions, "identical": True})
    else:
        talk.say(f"replayed {steps} steps and {decisions} reasons: all actions are identical")
    return 0


def _again(paths: StateDirectory) -> tuple[int, int]:
    """How many steps and reasons the journal has; each led to the same actions again."""
    steps = decisions = 0
    with closing(Journal(paths.journal)) as journal:
        for again in replayed(journal.steps()):
            if not again.identical:
                then, now = records.ACTIONS.written(again.recorded.actions), records.ACTIONS.written(again.step.actions)
                raise Failed(f"step {again.recorded.id} differs: recorded {then}, now {now}")
            steps, decisions = steps + 1, decisions + len(again.step.reasons)
    return steps, decisions
