"""Starting a control plane: take over what runs on this machine, bring up what does not, and undo that when it fails.

At most one runs at a time (the lock). It resumes with the state that the journal holds, on the port that a running
balancer has. A process that runs and was never written down is ended. Where the journal is lost, the records of the
processes and Envoy's own configuration say what runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from flyball.core.control.resume import resumed
from flyball.core.control.state import State
from flyball.core.errors import Failed, FlyballError
from flyball.core.model import Application
from flyball.core.remaking import remade
from flyball.local import deploys
from flyball.local.apply import Applier
from flyball.local.envoy import files as envoy_files
from flyball.local.envoy.issuing import Issuing
from flyball.local.envoy.served import Served
from flyball.local.loop import Clock, Inbox
from flyball.local.machine import Door, Machine
from flyball.local.paths import NAME, StateDirectory
from flyball.local.pipeline import git_remote
from flyball.local.process import descriptors, processes
from flyball.local.process.ports import can_listen, free_port
from flyball.local.process.walls.router import DOOR
from flyball.local.process.watch import Watch
from flyball.local.record.journal import Journal
from flyball.local.record.opening import opened

from .runtime import Runtime


class AlreadyRunning(Failed):
    """Another control plane has the application."""


async def start(app: Application, *, file: Path, port: int | None = None) -> Runtime:
    """The control plane of the application in `file`: stores and balancer are up, what ran is taken over.

    Its state lies in `.flyball/` beside the file, a region's in `.flyball/regions/`. Raises `Failed` (or a `FileError`)
    and leaves nothing new behind when that is not possible.
    """
    async with contextlib.AsyncExitStack() as ending:
        paths = StateDirectory(file.parent / NAME).of_region(app.region)
        paths.create()
        ending.callback(locked(paths.lock, app.name).release)
        descriptors.provide()
        paths.create()  # again: a control plane that was just ending takes the sockets' directory away
        journal, mishap = opened(paths.journal)
        ending.callback(journal.close)
        app = deploys.restored(journal, file, app)
        inbox, clock = Inbox(), Clock()
        if mishap is not None:
            inbox.hear(mishap)
        machine = Machine.of(app, paths, inbox.wake, inbox.hear)
        ending.push_async_callback(machine.close)
        found, state = _take_over(machine, app, journal.restore(), now=clock.now())
        try:
            door = _door(machine, journal, app, asked=port, taken_over=found.balancer)
            served = Served(file.parent, paths.tls, inbox.hear)
            applier = Applier(file.parent, machine, door, built=inbox.hear, now=clock.now, served=served)
            await _bring_up(app, state, machine, applier, balancer_runs=found.balancer)
            remote = None if app.region is not None else await git_remote.offer(paths, file, app)
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
            issuing=Issuing(
                served, home=file.parent, own=paths.tls, port=door.port, hear=inbox.hear, wake=_from_outside(inbox.wake)
            ),
            taken_over=found.instances,
            balancer_ran=found.balancer,
            remote=remote,
            ending=ending.pop_all(),
        )


def _from_outside(wake: Callable[[], None]) -> Callable[[], None]:
    """The same, for other threads."""
    loop = asyncio.get_running_loop()

    def call() -> None:
        loop.call_soon_threadsafe(wake)

    return call


async def _bring_up(app: Application, state: State, machine: Machine, applier: Applier, *, balancer_runs: bool) -> None:
    await applier.prepare(app)
    applier.push(app, state)
    if not balancer_runs:
        await machine.balancer.start()


async def _undo(machine: Machine, found: _Found) -> None:
    if not (found.instances or found.balancer):  # what an earlier control plane left goes on serving
        with contextlib.suppress(FlyballError, OSError):
            await machine.stop()


def locked(path: Path, name: str) -> FileLock:
    """The lock of the one control plane of the application `name`, taken. Raises Failed when another has it."""
    lock = FileLock(str(path))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise AlreadyRunning(
            f"{name} is running already here; see it with `flyball ps`, change it with `flyball deploy`,"
            " stop it with `flyball down`"
        ) from error
    return lock


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What ran already: the balancer, and the instances of these names."""

    balancer: bool
    instances: tuple[str, ...]


def _take_over(machine: Machine, app: Application, known: State | None, *, now: float) -> tuple[_Found, State]:
    """Take over the balancer and the instances that run, with the state to go on with; end what nobody knows.

    Without a `known` state, those are known that have their records.
    """
    balancer = machine.balancer.take_over()
    instances = machine.instances.take_over({one.name: one for one in app.services})
    state = remade(app, machine.instances.found(), now=now) if known is None else resumed(app, known, now=now)
    _end_strangers(machine, state, application_id=machine.paths.application_id(app.name))
    machine.limits.cleanup(keep=set(machine.instances.running))
    return _Found(balancer=balancer, instances=tuple(instances)), state


def _door(machine: Machine, journal: Journal, app: Application, *, asked: int | None, taken_over: bool) -> Door:
    """Where the balancer listens. Raises Failed when its port is in use, or another one than asked for."""
    if taken_over:
        _recall_ports(journal, machine.paths)
    outside = _port(journal, app, asked=asked, taken_over=taken_over)
    inside = None if machine.walls is None or machine.walls.problem else DOOR
    return Door(port=outside, inside_port=inside_port(journal, port=outside, taken_over=taken_over), inside=inside)


def _port(journal: Journal, app: Application, *, asked: int | None, taken_over: bool) -> int:
    """Where the balancer listens: on the port of one that is taken over, else as asked for, else as in the file.

    Raises Failed when that is another one than asked for, or in use.
    """
    remembered = journal.fact("port")
    if taken_over and remembered is not None:
        if asked not in {None, int(remembered)}:
            raise Failed(f"{app.name} is running on port {remembered}; `flyball down` first to change it")
        return int(remembered)
    wanted = app.listener.port if asked is None else asked
    if not can_listen(wanted):
        raise Failed(f"port {wanted} is in use; choose another with --port")
    return wanted


def _recall_ports(journal: Journal, paths: StateDirectory) -> None:
    """What a journal that is new does not know of the balancer that runs, its own files do."""
    for fact, listener in (("port", "http"), ("inside_port", "inside")):
        found = envoy_files.listening(paths.xds).get(listener)
        if found is not None and journal.fact(fact) is None:
            journal.remember(fact, str(found))


def inside_port(journal: Journal, *, port: int, taken_over: bool) -> int:
    """Where services reach each other when the door, on `port`, has TLS. It stays: running instances know it."""
    remembered = int(journal.fact("inside_port") or 0)
    if remembered and (taken_over or (remembered != port and can_listen(remembered))):
        return remembered
    found = free_port(exclude={port})
    journal.remember("inside_port", str(found))
    return found


def _end_strangers(machine: Machine, state: State, *, application_id: str) -> None:
    """End instances that run but were never written down: the control plane died while it launched them."""
    instances, known = machine.instances, {one.id for one in state.instances}
    for running in tuple(instances.running.values()):
        if running.id not in known:
            instances.terminate(running.id, force=True)
    # Not those that have exited: what they left behind still holds their port.
    alive = [one for one in instances.running.values() if not one.exited]
    recorded = {one.process.pid for one in alive if one.process is not None}
    for orphan in processes.orphans(application_id, recorded):
        watch = Watch(orphan)
        watch.signal(signal.SIGKILL)
        watch.close()
