"""What an instance may use of this machine, and what it does use.

Where cgroups can be written, the kernel enforces CPU share and memory; elsewhere both are only measured, and Flyball
says so once. docs/explanation/limits.md tells what that means for a user.
"""

from __future__ import annotations

import os
import time
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil
import structlog

from flyball.core.model import Size

from .cgroups import PERIOD_US, SMALLEST_QUOTA_US, Hierarchy, leaves, remove, remove_soon

log = structlog.get_logger()
START_CPU = 1.0  # cores while an instance starts: at a quarter of a core imports take 600 ms instead of 170
SESSIONS_FRESH_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """`cpu_s` counts from the instance's start; `memory_bytes` is now."""

    cpu_s: float
    memory_bytes: int


class Limits(Protocol):
    """Limits and measures of the instances of one application. No method raises when the system refuses."""

    @property
    def enforced(self) -> bool:
        """Whether CPU share and memory limit hold, or are only measured."""
        ...

    def describe(self) -> str:
        """One plain sentence for people."""
        ...

    def create(self, instance: str) -> tuple[Path, ...]:
        """Make room for an instance. Its process must write itself into these files before it runs."""
        ...

    def apply(self, instance: str, size: Size) -> None:
        """Hold the instance to its size."""
        ...

    def boost(self, instance: str, size: Size) -> None:
        """As `apply`, with at least one core of CPU: for the time until the instance is ready."""
        ...

    def usage(self, instance: str, pids: Sequence[int]) -> Usage:
        """What the instance has used; `pids` are the leaders of its sessions."""
        ...

    def oom_killed(self, instance: str) -> bool:
        """Whether the kernel has killed a process of it at the memory limit."""
        ...

    def kill(self, instance: str) -> None:
        """SIGKILL all of it, where that is possible without its pids."""
        ...

    def remove(self, instance: str) -> None:
        """Forget an instance that has ended. Harmless while it still runs, and when it is not known."""
        ...

    def cleanup(self, keep: Container[str] = ()) -> None:
        """Kill and remove what is left of instances other than these; it may take a second."""
        ...

    def close(self) -> None:
        """Close what is open and remove empty cgroups; the limits of what runs stay."""
        ...


class MeasuredOnly:
    """No limits: usage is summed over the processes in the instance's session."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self._sessions: dict[int, list[int]] = {}
        self._seen_at = float("-inf")

    @property
    def enforced(self) -> bool:
        """Never."""
        return False

    def describe(self) -> str:
        """Why nothing is enforced."""
        return f"CPU and memory limits are measured only, not enforced: {self.reason}"

    def create(self, instance: str) -> tuple[Path, ...]:  # noqa: ARG002 - part of Limits
        """Nothing to join."""
        return ()

    def apply(self, instance: str, size: Size) -> None:
        """Nothing to set."""

    def boost(self, instance: str, size: Size) -> None:
        """Nothing to set."""

    def usage(self, instance: str, pids: Sequence[int]) -> Usage:  # noqa: ARG002 - part of Limits
        """CPU of the processes and of their ended children; resident memory (shared pages count once per process)."""
        cpu_s, memory_bytes = 0.0, 0
        for member in self._members(pids):
            try:
                process = psutil.Process(member)
                with process.oneshot():
                    times = process.cpu_times()
                    memory_bytes += process.memory_info().rss
                cpu_s += times.user + times.system + times.children_user + times.children_system
            except psutil.Error:
                continue
        return Usage(cpu_s=cpu_s, memory_bytes=memory_bytes)

    def oom_killed(self, instance: str) -> bool:  # noqa: ARG002 - part of Limits
        """Nobody kills at the limit."""
        return False

    def kill(self, instance: str) -> None:
        """Without a cgroup only its process group can be killed, which is its Watch's part."""

    def remove(self, instance: str) -> None:
        """Nothing is kept."""

    def cleanup(self, keep: Container[str] = ()) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""

    def _members(self, pids: Sequence[int]) -> list[int]:
        if time.monotonic() - self._seen_at > SESSIONS_FRESH_S:
            self._sessions = {}
            for pid in psutil.pids():
                try:
                    self._sessions.setdefault(os.getsid(pid), []).append(pid)
                except OSError:
                    continue
            self._seen_at = time.monotonic()
        return [member for pid in pids for member in self._sessions.get(pid, [pid])]


class CgroupLimits:
    """Limits through cgroups. When the system refuses at run time it says so once and goes on measuring."""

    def __init__(self, hierarchy: Hierarchy, name: str) -> None:
        self._hierarchy = hierarchy
        self._name = name
        self._fallback = MeasuredOnly("")

    @property
    def enforced(self) -> bool:
        """Until the system has refused."""
        return not self._fallback.reason

    def describe(self) -> str:
        """Which cgroups, or why no longer."""
        if not self.enforced:
            return self._fallback.describe()
        where = self._hierarchy.applications[0]
        return f"CPU shares and memory limits are enforced by {self._name} in {where}"

    def create(self, instance: str) -> tuple[Path, ...]:
        """Make the instance's cgroups."""
        if not self.enforced:
            return ()
        made = [application / instance for application in self._hierarchy.applications]
        try:
            for directory in made:
                directory.mkdir(parents=True, exist_ok=True)
            self._hierarchy.prepare(instance)
        except OSError as error:
            self._refused(error)
            return ()
        return tuple(directory / "cgroup.procs" for directory in made)

    def apply(self, instance: str, size: Size) -> None:
        """Set quota, burst (as much as the quota, so that unused share is saved for one period) and memory."""
        quota_us = max(SMALLEST_QUOTA_US, round(size.cpu * PERIOD_US))
        self._limit(instance, quota_us, quota_us if size.burst else 0, size.memory_bytes)

    def boost(self, instance: str, size: Size) -> None:
        """Set a quota of at least one core; the memory limit holds from the start."""
        self._limit(instance, round(max(START_CPU, size.cpu) * PERIOD_US), 0, size.memory_bytes)

    def usage(self, instance: str, pids: Sequence[int]) -> Usage:
        """From the cgroup, which never misses a child; by session for an instance that was started without one."""
        try:
            return Usage(cpu_s=self._hierarchy.cpu_s(instance), memory_bytes=self._hierarchy.memory_bytes(instance))
        except (OSError, ValueError):
            return self._fallback.usage(instance, pids)

    def oom_killed(self, instance: str) -> bool:
        """As the kernel counts it."""
        try:
            return self._hierarchy.out_of_memory(instance)
        except OSError:
            return False

    def kill(self, instance: str) -> None:
        """Everything in the cgroup, also what has left the process group."""
        try:
            self._hierarchy.kill(instance)
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("cgroup cannot be killed", instance=instance, error=str(error))

    def remove(self, instance: str) -> None:
        """Remove the cgroups unless something still runs in them; `cleanup` finds those later."""
        for application in self._hierarchy.applications:
            self._forget(application / instance)
            remove(application / instance)

    def cleanup(self, keep: Container[str] = ()) -> None:
        """Kill and remove every cgroup of this application but these, and the application's own when it is empty."""
        left = {leaf.name for application in self._hierarchy.applications for leaf in leaves(application)}
        for instance in sorted(name for name in left if name not in keep):
            self.kill(instance)
        for application in self._hierarchy.applications:
            for leaf in leaves(application):
                if leaf.name not in keep:
                    self._forget(leaf)
                    remove_soon(leaf)
            remove(application)

    def close(self) -> None:
        """Close the files kept open, and remove cgroups in which nothing runs (the system refuses the others)."""
        self._hierarchy.files.close()
        for application in self._hierarchy.applications:
            for leaf in leaves(application):
                remove(leaf)
            remove(application)

    def _limit(self, instance: str, quota_us: int, burst_us: int, memory_bytes: int) -> None:
        if not self.enforced:
            return
        try:
            self._hierarchy.limit(instance, quota_us=quota_us, burst_us=burst_us, memory_bytes=memory_bytes)
        except FileNotFoundError:
            return  # the instance is gone, or was started when limits were only measured
        except OSError as error:
            self._refused(error)

    def _forget(self, directory: Path) -> None:
        self._hierarchy.files.forget(directory)

    def _refused(self, error: OSError) -> None:
        self._fallback.reason = f"the system refuses ({error})"
        log.warning(self.describe())
