"""What `flyball up` in the foreground does when a service can never come up."""

from __future__ import annotations

import asyncio
from pathlib import Path

from builders import application, service
from flyball.cli.up import _Screen
from flyball.core.control.reasons import Reason, ReasonKind
from flyball.core.control.state import State
from flyball.local.journal import Event
from flyball.local.paths import StateDirectory


class Starting:
    """A control plane in which nothing serves yet."""

    def __init__(self, directory: Path) -> None:
        self.app = application(service())
        self.paths = StateDirectory(directory)
        self.state = State(origin=0.0, services=())


async def test_a_build_that_fails_before_the_last_source_is_copied_ends_it(tmp_path: Path) -> None:
    screen = _Screen(Starting(tmp_path))
    why = Reason(kind=ReasonKind.BUILD_FAILED, service="web", text="the build failed (exit code 3)", release=1)
    screen.on_event(Event(id=1, at=0.0, reason=why))
    assert await asyncio.wait_for(screen.watch(screen._runtime), 60) == 1
