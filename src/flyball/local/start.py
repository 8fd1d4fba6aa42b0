"""Starting a control plane: take over what runs, bring up what does not, and undo that when it fails."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from flyball.core.control.state import State
from flyball.core.errors import FlyballError
from flyball.core.model import Application

from . import changes, takeover
from .apply import Applier
from .envoy.balancer import Balancer
from .inbox import Inbox
from .instances.detect import detect
from .instances.instances import Instances
from .loop import Clock
from .machine import Machine
from .paths import NAME, StateDirectory
from .pipeline import git_remote
from .record.journal import Journal
from .runtime import Runtime
from .stores.stores import Stores


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
        state = takeover.restored(journal, app, now=clock.now())
        machine = _machine(app, paths, inbox.wake)
        ending.push_async_callback(machine.close)
        found = takeover.adopt(machine, app, state)
        try:
            door = takeover.door(journal, app, asked=port, taken_over=found.balancer)
            applier = Applier(file.parent, machine, door, built=inbox.hear, now=clock.now)
            await _bring_up(app, state, machine, applier, balancer_runs=found.balancer)
            remote = await git_remote.offer(paths, file, branch=app.pipeline.branch)
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
            adopted=found.instances,
            remote=remote,
            ending=ending.pop_all(),
        )


def _machine(app: Application, paths: StateDirectory, wake: Callable[[], None]) -> Machine:
    limits = detect(application=paths.application_id(app.name), record=paths.limits_file)
    return Machine(
        paths=paths,
        limits=limits,
        stores=Stores(),
        instances=Instances(paths, limits, wake),
        balancer=Balancer(paths, app.name, wake),
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
