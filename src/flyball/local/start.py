"""Starting a control plane: take over what runs, bring up what does not, and undo that when it fails."""

from __future__ import annotations

import contextlib
from pathlib import Path

from flyball.core.control.resume import resumed
from flyball.core.control.state import State
from flyball.core.errors import FlyballError
from flyball.core.model import Application

from . import changes, takeover
from .apply import Applier
from .loop import Clock, Inbox
from .machine import Machine
from .paths import NAME, StateDirectory
from .pipeline import git_remote
from .record.journal import Journal
from .runtime import Runtime


async def start(app: Application, *, file: Path, port: int | None = None) -> Runtime:
    """The control plane of the application in `file`: stores and balancer are up, what ran is taken over.

    Its state lies in `.flyball/` beside the file. Raises `Failed` (or a `FileError`) and leaves nothing new behind when
    that is not possible.
    """
    async with contextlib.AsyncExitStack() as ending:
        paths = StateDirectory(file.parent / NAME)
        paths.create()
        ending.callback(takeover.locked(paths.lock, app.name).release)
        paths.create()  # again: a control plane that was just ending takes the sockets' directory away
        journal = Journal(paths.journal)
        ending.callback(journal.close)
        app = changes.restored(journal, file, app)
        inbox, clock = Inbox(), Clock()
        state = resumed(app, journal.restore(), now=clock.now())
        machine = Machine.of(app, paths, inbox.wake)
        ending.push_async_callback(machine.close)
        found = takeover.take_over(machine, app, state)
        try:
            door = takeover.door(journal, app, asked=port, taken_over=found.balancer)
            applier = Applier(file.parent, machine, door, built=inbox.hear, now=clock.now)
            await _bring_up(app, state, machine, applier, balancer_runs=found.balancer)
            remote = await git_remote.offer(paths, file, app)
            await machine.balancer.until_ready()
            journal.remember("port", str(door.port))
        except BaseException:
            await _undo(machine, found)
            raise
        return Runtime(
            app,
            state,
            file=file,
            machine=machine,
            journal=journal,
            clock=clock,
            inbox=inbox,
            applier=applier,
            taken_over=found.instances,
            remote=remote,
            ending=ending.pop_all(),
        )


async def _bring_up(app: Application, state: State, machine: Machine, applier: Applier, *, balancer_runs: bool) -> None:
    await machine.stores.ensure(app, machine.paths)
    applier.push(app, state)
    if not balancer_runs:
        await machine.balancer.start()


async def _undo(machine: Machine, found: takeover.Found) -> None:
    if not (found.instances or found.balancer):  # what an earlier control plane left goes on serving
        with contextlib.suppress(FlyballError, OSError):
            await machine.stop()
