"""What Flyball reads and writes in cgroup file systems: one directory per instance below one per application.

Two hierarchies: version 2, where one directory does everything, and version 1, where cpu and memory are separate and
a version 2 directory without controllers ("unified") is used for accounting and killing where the system has one.
https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1/memory.html,
https://docs.kernel.org/scheduler/sched-bwc.html

Every function here raises OSError as the kernel says it; `limits` decides what that means.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

# The CPU share is given out in slices of 100 ms. Shorter periods stretch every request (p99 691 ms instead of 415 at
# 60 % of a quarter of a core, period 10 ms); saving up unused slices ("burst") helps: p99 23 ms.
PERIOD_US = 100_000
SMALLEST_QUOTA_US = 1_000  # the kernel's
KEPT_OPEN = 600
PATIENCE_S = 1.0


class Files:
    """Reads small kernel files, kept open: 100 instances take about 0.1 ms instead of 0.4 ms."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    def read(self, path: str) -> bytes:
        """The file's content now, at most 16 KiB."""
        descriptor = self._open.get(path)
        if descriptor is not None:
            return os.pread(descriptor, 16_384, 0)
        if len(self._open) >= KEPT_OPEN:
            return Path(path).read_bytes()
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._open[path] = descriptor
        return os.pread(descriptor, 16_384, 0)

    def forget(self, directory: Path) -> None:
        """Close the files of this directory."""
        for path in [path for path in self._open if path.startswith(f"{directory}/")]:
            os.close(self._open.pop(path))

    def close(self) -> None:
        """Close all; they are opened again when they are read."""
        while self._open:
            os.close(self._open.popitem()[1])


def count(text: bytes, name: bytes) -> int:
    """The number after a name at the start of a line; 0 when there is no such line."""
    key = name + b" "
    at = 0 if text.startswith(key) else text.find(b"\n" + key) + 1
    if at == 0 and not text.startswith(key):
        return 0
    return int(text[at + len(key) :].split(None, 1)[0])


def kill_listed(procs: Path) -> None:
    """SIGKILL the processes that a cgroup.procs file lists, until it lists none."""
    deadline = time.monotonic() + PATIENCE_S
    while (pids := procs.read_text(encoding="ascii").split()) and time.monotonic() < deadline:
        for pid in map(int, pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Version2:
    """The unified hierarchy. `application` is the application's own directory."""

    name: ClassVar[str] = "cgroup v2"
    application: Path
    files: Files = field(default_factory=Files)

    @property
    def applications(self) -> tuple[Path, ...]:
        """The one directory."""
        return (self.application,)

    def bound(self, instance: str, processes: int) -> None:
        """pids.max: how many processes and threads it may have."""
        _write_if_there(self.application / instance / "pids.max", processes)

    def prepare(self, instance: str) -> None:
        """When memory runs out the whole instance goes, not one of its processes; and nothing is swapped."""
        directory = self.application / instance
        _write_if_there(directory / "memory.oom.group", 1)
        _write_if_there(directory / "memory.swap.max", 0)

    def limit(self, instance: str, *, quota_us: int, burst_us: int, memory_bytes: int | None) -> None:
        """cpu.max, cpu.max.burst (never above the quota, hence 0 first) and memory.max."""
        directory = self.application / instance
        _write_if_there(directory / "cpu.max.burst", 0)
        _write(directory / "cpu.max", f"{quota_us} {PERIOD_US}")
        _write_if_there(directory / "cpu.max.burst", burst_us)
        if memory_bytes is not None:
            _write(directory / "memory.max", memory_bytes)

    def cpu_s(self, instance: str) -> float:
        """usage_usec of cpu.stat."""
        return count(self.files.read(f"{self.application}/{instance}/cpu.stat"), b"usage_usec") / 1e6

    def memory_bytes(self, instance: str) -> int:
        """memory.current less inactive_file."""
        directory = f"{self.application}/{instance}"
        current = int(self.files.read(f"{directory}/memory.current"))
        return max(0, current - count(self.files.read(f"{directory}/memory.stat"), b"inactive_file"))

    def oom_kills(self, instance: str) -> int:
        """oom_kill of memory.events."""
        return count(self.files.read(f"{self.application}/{instance}/memory.events"), b"oom_kill")

    def kill(self, instance: str) -> None:
        """cgroup.kill (Linux 5.14), else one by one."""
        _kill(self.application / instance)


@dataclass(frozen=True, slots=True)
class Version1:
    """The old hierarchies: the application's directory in cpu and memory; in cpuacct, pids, unified where they are."""

    name: ClassVar[str] = "cgroup v1"
    cpu: Path
    memory: Path
    cpuacct: Path | None = None
    pids: Path | None = None
    unified: Path | None = None
    files: Files = field(default_factory=Files)

    @property
    def applications(self) -> tuple[Path, ...]:
        """One directory per hierarchy, each once (cpu and cpuacct are often mounted together)."""
        wanted = (self.cpu, self.memory, self.pids, self.unified or self.cpuacct)
        return tuple(dict.fromkeys(path for path in wanted if path is not None))

    def bound(self, instance: str, processes: int) -> None:
        """pids.max: how many processes and threads it may have."""
        if self.pids is not None:
            _write_if_there(self.pids / instance / "pids.max", processes)

    def prepare(self, instance: str) -> None:
        """Nothing: version 1 kills single processes when memory runs out."""

    def limit(self, instance: str, *, quota_us: int, burst_us: int, memory_bytes: int | None) -> None:
        """cpu.cfs_quota_us, cpu.cfs_burst_us (never above the quota, hence 0 first) and memory.limit_in_bytes."""
        directory = self.cpu / instance
        _write(directory / "cpu.cfs_period_us", PERIOD_US)
        _write_if_there(directory / "cpu.cfs_burst_us", 0)
        _write(directory / "cpu.cfs_quota_us", quota_us)
        _write_if_there(directory / "cpu.cfs_burst_us", burst_us)
        if memory_bytes is not None:
            _write(self.memory / instance / "memory.limit_in_bytes", memory_bytes)
            _write_if_there(self.memory / instance / "memory.memsw.limit_in_bytes", memory_bytes)

    def cpu_s(self, instance: str) -> float:
        """usage_usec of unified's cpu.stat, else cpuacct.usage in nanoseconds."""
        if self.unified is not None:
            return count(self.files.read(f"{self.unified}/{instance}/cpu.stat"), b"usage_usec") / 1e6
        assert self.cpuacct is not None
        return int(self.files.read(f"{self.cpuacct}/{instance}/cpuacct.usage")) / 1e9

    def memory_bytes(self, instance: str) -> int:
        """memory.usage_in_bytes less total_inactive_file."""
        directory = f"{self.memory}/{instance}"
        used = int(self.files.read(f"{directory}/memory.usage_in_bytes"))
        return max(0, used - count(self.files.read(f"{directory}/memory.stat"), b"total_inactive_file"))

    def oom_kills(self, instance: str) -> int:
        """oom_kill of memory.oom_control (Linux 4.13)."""
        return count(self.files.read(f"{self.memory}/{instance}/memory.oom_control"), b"oom_kill")

    def kill(self, instance: str) -> None:
        """cgroup.kill of unified, else one by one."""
        _kill((self.unified or self.memory) / instance)


Hierarchy = Version1 | Version2
"""Where the directories of instances are, and what the files in them are called."""


def remove(directory: Path) -> bool:
    """Remove a cgroup. False while something runs in it; True also when it is not there."""
    try:
        directory.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def remove_soon(directory: Path) -> bool:
    """Remove a cgroup whose processes were just killed: they take a moment to go. At most a second."""
    deadline = time.monotonic() + PATIENCE_S
    while not remove(directory):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def leaves(application: Path) -> Iterator[Path]:
    """The instances' directories of an application."""
    if application.is_dir():
        yield from sorted(path for path in application.iterdir() if path.is_dir())


def _kill(directory: Path) -> None:
    switch = directory / "cgroup.kill"
    if switch.exists():
        _write(switch, 1)
    else:
        kill_listed(directory / "cgroup.procs")


def _write(path: Path, value: int | str) -> None:
    path.write_text(str(value), encoding="ascii")


def _write_if_there(path: Path, value: int) -> None:
    if path.exists():
        _write(path, value)
