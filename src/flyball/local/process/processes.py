"""Processes that outlive the control plane: starting, recognising, recording and finding them.

A process is recognised by boot id, pid and start time, so that a reused pid is never mistaken for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from flyball.core.errors import Failed

from . import disk
from .walls.rooms import Room

LAUNCHER = Path(__file__).with_name("detach.py")
_CREDENTIALS = struct.Struct("iII")  # struct ucred: pid, uid, gid
_ROOMS = {"DETACH_ROOM": "1"}  # the launcher's whole environment when the program gets a room


@dataclass(frozen=True, slots=True)
class Process:
    """One process for ever: `started` is in clock ticks since boot (field 22 of /proc/PID/stat)."""

    pid: int
    started: int
    boot_id: str


@cache
def boot_id() -> str:
    """A text that is different after each start of this machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return f"boot-{psutil.boot_time():.0f}"


async def spawn(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    directory: Path,
    log: Path,
    cgroup_procs: Sequence[Path] = (),
    room: Room | None = None,
) -> Process:
    """Start a program that outlives this process, in a session of its own. Cancelled, it leaves nothing running.

    With a `room` it is inside. Raises Failed with the reason.
    """
    starting = functools.partial(launch, argv, environment, directory, log, cgroup_procs=cgroup_procs, room=room)
    launching = asyncio.ensure_future(asyncio.to_thread(starting))
    try:
        return await asyncio.shield(launching)
    except asyncio.CancelledError:
        # Nothing calls the thread off, and nobody else would know what it starts.
        with contextlib.suppress(Failed, ProcessLookupError):
            started = await launching
            os.killpg(started.pid, signal.SIGKILL)
            while alive(started):  # it dies a moment later
                await asyncio.sleep(0.01)
        raise


def launch(
    argv: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
    log: Path,
    *,
    cgroup_procs: Sequence[Path] = (),
    room: Room | None = None,
) -> Process:
    """As `spawn`, and wait for it here."""
    reader, writer = os.pipe()
    given = [writer]
    try:
        if disk.is_full(log.parent):
            given.append(disk.relayed(log))
        output = str(log) if len(given) == 1 else f"/dev/fd/{given[1]}"
        result = subprocess.run(
            [sys.executable, "-I", "-S", str(LAUNCHER), output, *map(str, cgroup_procs), "--", *argv],
            env=_launcher_environment(environment if room is None else _ROOMS, writer),
            cwd=directory,
            pass_fds=given,
            input=b"" if room is None else room.told(environment, directory),
            capture_output=True,
            check=False,
        )
    except (OSError, ValueError) as error:
        os.close(reader)
        raise Failed(f"{argv[0]} cannot be started in {directory}: {error}") from error
    finally:
        for one in given:
            os.close(one)
    with os.fdopen(reader, encoding="ascii") as pipe:
        lines = pipe.read().splitlines()
    if not lines:
        raise Failed(f"{argv[0]} cannot be started: {result.stderr.decode(errors='replace').strip()}")
    if lines[-1].startswith("!"):
        raise Failed(_why(lines[-1], argv[0], log, cgroup_procs))
    pid, started = map(int, lines[0].split())
    return Process(pid, started or started_at(pid) or 0, boot_id())


def _launcher_environment(environment: Mapping[str, str], report: int) -> dict[str, str]:
    found = {**environment, "DETACH_FD": str(report)}
    if "LC_CTYPE" not in environment:
        found["DETACH_UNSET"] = "LC_CTYPE"  # Python sets it in a C locale (PEP 538); the program shall not see that
    return found


def _why(report: str, program: str, log: Path, cgroup_procs: Sequence[Path]) -> str:
    _, stage, number = report.split()
    problem = os.strerror(int(number))
    if stage == "log":
        return f"{program} cannot be started: its log {log} cannot be written: {problem}"
    if stage == "room":
        return f"{program} cannot be started behind walls: {problem}"
    if stage == "cgroup":
        return (
            f"{program} cannot be started: it cannot join its cgroup ({', '.join(map(str, cgroup_procs))}): {problem}"
        )
    if int(number) == errno.ENOENT:
        if Path(program).is_file():
            return f"{program} cannot be started: the interpreter that its first line names is missing"
        return f"program not found: {program}"
    if int(number) == errno.EACCES:
        return f"{program} cannot be started: permission denied (is it executable?)"
    if int(number) == errno.ENOEXEC:
        return f"{program} cannot be started: it is neither a binary of this machine nor a script with a #! line"
    return f"{program} cannot be started: {problem}"


def stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the third on (state is [0], start time [19]), or None."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def is_zombie(fields: list[str]) -> bool:
    """Whether all threads have ended: while some are still ending, the first shows Z already, with sockets open."""
    return fields[0] == "X" or (fields[0] == "Z" and int(fields[17]) <= 1)


def started_at(pid: int) -> int | None:
    """Start time of whatever has this pid now, or None when nothing has."""
    if sys.platform == "linux":
        fields = stat(pid)
        return int(fields[19]) if fields else None
    try:
        return int(psutil.Process(pid).create_time() * 100)
    except psutil.NoSuchProcess:
        return None


def identify(pid: int) -> Process | None:
    """The process that has this pid now, or None."""
    started = started_at(pid)
    return None if started is None else Process(pid, started, boot_id())


def alive(process: Process) -> bool:
    """Whether this very process still runs. A zombie does not."""
    if process.boot_id != boot_id():
        return False
    if sys.platform == "linux":
        fields = stat(process.pid)
        return fields is not None and int(fields[19]) == process.started and not is_zombie(fields)
    if started_at(process.pid) != process.started:
        return False
    try:
        return bool(psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def own_number(pid: int) -> int:
    """The pid that a process has for itself: in a room it is another than for this machine."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("NSpid:"):
                return int(line.split()[-1])
    return pid


def stopped(process: Process) -> bool:
    """Whether somebody has stopped it (SIGSTOP)."""
    try:
        return alive(process) and bool(psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
    except psutil.Error:
        return False


def listener(connection: socket.socket | None) -> Process | None:
    """The process at the other end of a Unix socket, None where the system does not tell."""
    if connection is None or not hasattr(socket, "SO_PEERCRED"):
        return None
    try:
        pid, _, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    except OSError:
        return None
    return identify(pid) if pid > 0 else None


def save(path: Path, process: Process, **facts: Any) -> None:
    """Record a process and JSON facts about it, all or nothing. Raises OSError when the disk refuses."""
    record = {"pid": process.pid, "started": process.started, "boot_id": process.boot_id, "facts": facts}
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(json.dumps(record), encoding="utf-8")
    temporary.replace(path)


def load(path: Path) -> tuple[Process, Mapping[str, Any]] | None:
    """A recorded process and its facts; None when there is no readable record (its process is then an orphan)."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Process(int(record["pid"]), int(record["started"]), str(record["boot_id"])), dict(record["facts"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def carriers(variable: str, value: str | None = None) -> list[tuple[Process, dict[str, str]]]:
    """Running processes that have this variable (None: whatever it says) in their environment, by pid, with their
    environments.
    """
    found: list[tuple[Process, dict[str, str]]] = []
    for candidate in psutil.process_iter():
        try:
            environment = candidate.environ()
        except (psutil.Error, OSError):
            continue
        said = environment.get(variable)
        process = identify(candidate.pid) if said is not None and value in {None, said} else None
        if process is not None and alive(process):
            found.append((process, environment))
    return sorted(found, key=lambda carrier: carrier[0].pid)


def orphans(application_id: str, recorded: Container[int] = ()) -> list[Process]:
    """Processes of this application whose session leader's pid is not in `recorded`, by pid.

    They exist when the control plane was killed between starting a process and recording it. Their environment tells.
    """
    found: list[Process] = []
    for process, _ in carriers("FLYBALL_APPLICATION_ID", application_id):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(process.pid) not in recorded:
                found.append(process)
    return found
