"""Both sessions of the workshop, gone through unattended as `flyball lab --yes` does; what a page shows is seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from acceptance.running import Running
from flyball.local.process.ports import free_port
from page_runs import pattern
from pages import ROOT, blocks

pytestmark = pytest.mark.live


@pytest.mark.parametrize("session", ["session-1", "session-2"])
def test_a_session_is_reached_step_by_step(place: Callable[..., Running], tmp_path: Path, session: str) -> None:
    run = place(files={})
    board = Running(run.directory / "board")
    try:
        done = run.flyball("lab", session, "--yes", "--port", str(free_port()), timeout_s=420)
    finally:
        if board.directory.is_dir():
            board.clean_up()

    said = done.stdout + done.stderr
    for block in blocks(ROOT / "docs" / "workshop" / f"{session}.md"):
        if block.language == "text" and block.key != "example":
            for line in filter(str.strip, block.body.splitlines()):
                assert re.search(pattern(line), said), f"line {block.line}: the page shows {line!r}, but\n{said}"
    assert not (run.directory / ".flyball-lab" / session).exists()
