"""What does a control plane that starts find here, and what of it goes on?

At most one runs at a time (the lock). It goes on with the state that the journal holds and on the port that a running
balancer has. What runs and was never written down has lost its place, and is ended.
"""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from flyball.core.control.state import State
from flyball.core.control.step import begin
from flyball.core.errors import Failed
from flyball.core.model import Application

from .instances.instances import Instances
from .process import processes
from .process.ports import can_listen, free_port
from .process.watch import Watch
from .record.journal import Journal


def locked(path: Path, name: str) -> FileLock:
    """The lock of the one control plane of the application `name`, taken. Raises Failed when another has it."""
    lock = FileLock(str(path))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise Failed(
            f"{name} is running already here; see it with `flyball ps`, change it with `flyball deploy`,"
            " stop it with `flyball down`"
        ) from error
    return lock


def restored(journal: Journal, app: Application, *, now: float) -> State:
    """The state to go on with, a new one where nothing was recorded; one that was shut down begins anew."""
    state = journal.restore()
    if state is None:
        return begin(app, now=now)
    # Grace periods count from now: nobody has told the balancer of new instances, or heard it, meanwhile.
    state = replace(state, balancer_since=None)
    if not state.shutting_down:
        return state
    capacities = {one.name: one.capacity for one in app.services}
    return replace(
        state,
        shutting_down=False,
        services=tuple(
            replace(one, desired=capacities[one.name].desired or capacities[one.name].min, held_until=None)
            for one in state.services
            if one.name in capacities
        ),
    )


def port(journal: Journal, app: Application, *, asked: int | None, taken_over: bool) -> int:
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


def inside_port(journal: Journal, *, port: int, taken_over: bool) -> int:
    """Where services reach each other when the door, on `port`, has TLS. It stays: running instances know it."""
    remembered = int(journal.fact("inside_port") or 0)
    if remembered and (taken_over or (remembered != port and can_listen(remembered))):
        return remembered
    found = free_port(exclude={port})
    journal.remember("inside_port", str(found))
    return found


def end_strangers(instances: Instances, state: State, *, application_id: str) -> None:
    """End instances that run but were never written down: the control plane died while it launched them."""
    known = {one.id for one in state.instances}
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
