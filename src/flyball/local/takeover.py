"""What does a starting control plane find on this machine, and what does it take over?

At most one runs at a time (the lock). It resumes with the state that the journal holds, on the port that a running
balancer has. A process that runs and was never written down is ended.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from flyball.core.control.state import State
from flyball.core.errors import Failed
from flyball.core.model import Application

from .machine import Door, Machine
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What ran already: the balancer, and the instances of these names."""

    balancer: bool
    instances: tuple[str, ...]


def take_over(machine: Machine, app: Application, state: State) -> Found:
    """Take over the balancer and the instances that run; end what runs and was never written down."""
    balancer = machine.balancer.take_over()
    instances = machine.instances.take_over({one.name: one for one in app.services})
    _end_strangers(machine, state, application_id=machine.paths.application_id(app.name))
    machine.limits.cleanup(keep=set(machine.instances.running))
    return Found(balancer=balancer, instances=tuple(instances))


def door(journal: Journal, app: Application, *, asked: int | None, taken_over: bool) -> Door:
    """Where the balancer listens. Raises Failed when its port is in use, or another one than asked for."""
    outside = port(journal, app, asked=asked, taken_over=taken_over)
    return Door(port=outside, inside_port=inside_port(journal, port=outside, taken_over=taken_over))


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
