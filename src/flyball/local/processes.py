"""Processes that outlive the control plane: starting, recognising, watching and signalling them.

A process is recognised by boot id, pid and start time, so that a reused pid is never mistaken for it.
It is no child of ours: its end is seen through a pidfd, which works for any process (Linux 5.3), elsewhere by looking.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import itertools
import json
import os
import secrets
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from flyball.core.errors import Failed

LAUNCHER = Path(__file__).with_name("detach.py")
LOOK_EVERY_S = 0.1
# Below 32768, where Linux starts to hand out ports for outgoing connections: those would take ours away.
PORTS = range(10_000, 32_768)
_turn = itertools.count(secrets.randbelow(len(PORTS)))

# include/uapi/linux/pidfd.h: _IOWR(0xFF, 11, struct pidfd_info of 64 bytes); exit codes since Linux 6.15.
_PIDFD_GET_INFO = 0xC040FF0B
_PIDFD_INFO_EXIT = 1 << 3
_PIDFD_INFO = struct.Struct("=QQ11Ii")


@dataclass(frozen=True, slots=True)
class Process:
    """One process for ever: `started` is in clock ticks since boot (field 22 of /proc/PID/stat)."""

    pid: int
    started: int
    boot_id: str


@dataclass(frozen=True, slots=True)
class Orphan:
    """A process of this application that no record knows. `instance` is what its environment names, or ""."""

    process: Process
    session: int
    instance: str


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
) -> Process:
    """Start a program that outlives this process, in a session of its own. Raises Failed with the reason."""
    return await asyncio.to_thread(_launch, argv, environment, directory, log, cgroup_procs)


def _launch(
    argv: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path, cgroup_procs: Sequence[Path]
) -> Process:
    reader, writer = os.pipe()
    command = [sys.executable, "-I", "-S", str(LAUNCHER), str(log), *map(str, cgroup_procs), "--", *argv]
    try:
        result = subprocess.run(
            command,
            env=_launcher_environment(environment, writer),
            cwd=directory,
            pass_fds=(writer,),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except (OSError, ValueError) as error:
        os.close(reader)
        raise Failed(f"{argv[0]} cannot be started in {directory}: {error}") from error
    finally:
        os.close(writer)
    with os.fdopen(reader, encoding="ascii") as pipe:
        lines = pipe.read().splitlines()
    if not lines:
        raise Failed(f"{argv[0]} cannot be started: {result.stderr.decode(errors='replace').strip()}")
    if len(lines) > 1:
        raise Failed(_why(lines[1], argv[0], log, cgroup_procs))
    pid, started = map(int, lines[0].split())
    return Process(pid, started or _started(pid) or 0, boot_id())


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


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the third on (state is [0], start time [19]), or None."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _is_zombie(fields: list[str]) -> bool:
    """All threads have ended: while some are still ending, the first already shows Z and sockets are still open."""
    return fields[0] == "X" or (fields[0] == "Z" and int(fields[17]) <= 1)


def _started(pid: int) -> int | None:
    """Start time of whatever has this pid now, or None when nothing has."""
    if sys.platform == "linux":
        fields = _stat(pid)
        return int(fields[19]) if fields else None
    try:
        return int(psutil.Process(pid).create_time() * 100)
    except psutil.NoSuchProcess:
        return None


def identify(pid: int) -> Process | None:
    """The process that has this pid now, or None."""
    started = _started(pid)
    return None if started is None else Process(pid, started, boot_id())


def alive(process: Process) -> bool:
    """Whether this very process still runs. A zombie does not."""
    if process.boot_id != boot_id():
        return False
    if sys.platform == "linux":
        fields = _stat(process.pid)
        return fields is not None and int(fields[19]) == process.started and not _is_zombie(fields)
    if _started(process.pid) != process.started:
        return False
    try:
        return bool(psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Watch:
    """Sees the end of one process and signals it safely. Close it; it holds a descriptor.

    `on_exit` is called once, in the running event loop, as soon as the process has ended (also when it already had).
    """

    def __init__(self, process: Process, on_exit: Callable[[], None] | None = None) -> None:
        self.process = process
        self._descriptor = _open_pidfd(process)
        self._ended = self._descriptor is None and not alive(process)
        self._code: int | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        if on_exit is not None:
            self._notify(on_exit)

    @property
    def exited(self) -> bool:
        """Whether the process has ended."""
        if not self._ended and not alive(self.process):
            self._see_end()
        return self._ended

    async def wait(self) -> None:
        """Return when the process has ended."""
        ended = asyncio.Event()
        self._notify(ended.set)
        await ended.wait()

    def signal(self, number: int) -> bool:
        """Send a signal to this very process. False when it has ended."""
        if self.exited:
            return False
        try:
            if self._descriptor is not None:
                signal.pidfd_send_signal(self._descriptor, number)
            else:
                os.kill(self.process.pid, number)
        except ProcessLookupError:
            return False
        return True

    def signal_group(self, number: int) -> bool:
        """Send a signal to the process and to what it started that stayed in its group. False when none is left.

        A group keeps its number from being reused, so its leader may be gone; another process must not have its pid.
        """
        if self.process.boot_id != boot_id() or _started(self.process.pid) not in {None, self.process.started}:
            return False
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return False
        return True

    def exit_code(self) -> int | None:
        """The program's exit code, negative for a signal; None while it runs and when the system cannot tell."""
        if self.exited and self._code is None:
            self._code = self._read_code()
        return self._code

    def close(self) -> None:
        """Stop watching. The process is left alone."""
        self._stop_waiting()
        self._callbacks.clear()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _notify(self, callback: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        if self.exited:
            loop.call_soon(callback)
            return
        self._callbacks.append(callback)
        if self._loop is None:
            self._loop = loop
            if self._descriptor is not None:
                loop.add_reader(self._descriptor, self._see_end)
            else:
                self._look()

    def _look(self) -> None:
        assert self._loop is not None
        if not self.exited:
            self._timer = self._loop.call_later(LOOK_EVERY_S, self._look)

    def _see_end(self) -> None:
        self._ended = True
        if self._code is None:
            self._code = self._read_code()
        loop, callbacks = self._loop, self._callbacks
        self._stop_waiting()
        self._callbacks = []
        for callback in callbacks:
            if loop is not None:
                loop.call_soon(callback)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._loop is not None and self._descriptor is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._descriptor)
        self._loop = None

    def _read_code(self) -> int | None:
        """From the zombie while init has not collected it, afterwards from the pidfd where the kernel keeps it."""
        fields = _stat(self.process.pid) if sys.platform == "linux" else None
        if fields and int(fields[19]) == self.process.started and _is_zombie(fields):
            return os.waitstatus_to_exitcode(int(fields[49]))
        if self._descriptor is None:
            return None
        answer = bytearray(_PIDFD_INFO.size)
        _PIDFD_INFO.pack_into(answer, 0, _PIDFD_INFO_EXIT, *([0] * 13))
        try:
            fcntl.ioctl(self._descriptor, _PIDFD_GET_INFO, answer)
        except OSError:
            return None
        mask, *_, status = _PIDFD_INFO.unpack(answer)
        return os.waitstatus_to_exitcode(status) if mask & _PIDFD_INFO_EXIT else None


def _open_pidfd(process: Process) -> int | None:
    """A pidfd of this very process, also when it is a zombie; None when it is gone, or the system has no pidfds."""
    if process.boot_id != boot_id() or not hasattr(os, "pidfd_open"):
        return None
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        return None
    # Compared after opening: from here on the descriptor cannot come to mean another process.
    if _started(process.pid) != process.started:
        os.close(descriptor)
        return None
    return descriptor


def save(path: Path, process: Process, **facts: Any) -> None:
    """Record a process and JSON facts about it, all or nothing. Raises OSError when the disk refuses."""
    record = {"pid": process.pid, "started": process.started, "boot_id": process.boot_id, "facts": facts}
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(json.dumps(record), encoding="utf-8")
    temporary.replace(path)


def load(path: Path) -> tuple[Process, dict[str, Any]] | None:
    """A recorded process and its facts; None when there is no readable record (its process is then an orphan)."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Process(int(record["pid"]), int(record["started"]), str(record["boot_id"])), dict(record["facts"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def carriers(variable: str, value: str) -> list[tuple[Process, dict[str, str]]]:
    """Running processes that have this variable in their environment, by pid, with their environments."""
    found: list[tuple[Process, dict[str, str]]] = []
    for candidate in psutil.process_iter():
        try:
            environment = candidate.environ()
        except (psutil.Error, OSError):
            continue
        process = identify(candidate.pid) if environment.get(variable) == value else None
        if process is not None and alive(process):
            found.append((process, environment))
    return sorted(found, key=lambda carrier: carrier[0].pid)


def orphans(application_id: str, recorded: Container[int] = ()) -> list[Orphan]:
    """Processes of this application whose session leader's pid is not in `recorded`, by pid.

    They exist when the control plane was killed between starting a process and recording it. Their environment tells.
    """
    found: list[Orphan] = []
    for process, environment in carriers("FLYBALL_APPLICATION_ID", application_id):
        with contextlib.suppress(ProcessLookupError):
            session = os.getsid(process.pid)
            if session not in recorded:
                found.append(Orphan(process, session, environment.get("FLYBALL_INSTANCE", "")))
    return found


def free_port(exclude: Container[int] = ()) -> int:
    """A port of 127.0.0.1 that nobody uses, from 10000 to 32767. No port is given twice before all were tried once.

    Raises Failed when there is none.
    """
    for _ in PORTS:
        port = PORTS[next(_turn) % len(PORTS)]
        if port in exclude:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise Failed("no free port from 10000 to 32767 on 127.0.0.1")
