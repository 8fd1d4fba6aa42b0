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


def run(path: Path | None, *, json: bool) -> int:
    """Replay the journal. Exit 1 at the first step that now decides differently."""
    paths = StateDirectory(find_running(path).parent / ".flyball")
    if not paths.journal.exists():
        raise NotRunning(f"there is no journal in {paths.root}")
    steps = decisions = 0
    with closing(Journal(paths.journal)) as journal:
        for again in replayed(journal.steps()):
            if not again.identical:
                then, now = records.ACTIONS.written(again.recorded.actions), records.ACTIONS.written(again.step.actions)
                raise Failed(f"step {again.recorded.id} differs: recorded {then}, now {now}")
            steps, decisions = steps + 1, decisions + len(again.step.reasons)
    if json:
        talk.emit({"steps": steps, "decisions": decisions, "identical": True})
    else:
        talk.say(f"replayed {steps} steps and {decisions} reasons: all actions are identical")
    return 0
