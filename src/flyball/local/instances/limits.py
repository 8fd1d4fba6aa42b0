"""What an instance may use of this machine, and what it does use.

Where cgroups can be written, the kernel enforces CPU share and memory; elsewhere both are only measured, and Flyball
says so once. docs/explanation/limits.md tells what that means for a user.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

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


class Sessions:
    """Usage without cgroups: summed over the processes in an instance's sessions."""

    def __init__(self) -> None:
        self._pids: dict[int, list[int]] = {}
        self._seen_at = float("-inf")

    def usage(self, leaders: Sequence[int]) -> Usage:
        """CPU of the processes and of their ended children; resident memory (shared pages count once per process)."""
        cpu_s, memory_bytes = 0.0, 0
        for member in self._members(leaders):
            try:
                process = psutil.Process(member)
                with process.oneshot():
                    times = process.cpu_times()
                    memory_bytes += process.memory_info().rss
                cpu_s += times.user + times.system + times.children_user + times.children_system
            except psutil.Error:
                continue
        return Usage(cpu_s=cpu_s, memory_bytes=memory_bytes)

    def _members(self, leaders: Sequence[int]) -> list[int]:
        if time.monotonic() - self._seen_at > SESSIONS_FRESH_S:
            self._pids = {}
            for pid in psutil.pids():
                try:
                    self._pids.setdefault(os.getsid(pid), []).append(pid)
                except OSError:
                    continue
            self._seen_at = time.monotonic()
        return [member for leader in leaders for member in self._pids.get(leader, [leader])]


class Limits:
    """Limits and measures of the instances of one application. No method raises when the system refuses.

    Without a `hierarchy`, for the `reason` given, usage is only measured. When the system refuses at run time, this
    says so once and goes on measuring.
    """

    def __init__(self, hierarchy: Hierarchy | None, reason: str = "") -> None:
        self._hierarchy = hierarchy
        self._applications = () if hierarchy is None else hierarchy.applications
        self._sessions = Sessions()
        self.reason = reason

    @property
    def enforced(self) -> bool:
        """Whether CPU share and memory limit hold, or are only measured."""
        return not self.reason

    def describe(self) -> str:
        """One plain sentence for people."""
        if self._hierarchy is None or self.reason:
            return f"CPU and memory limits are measured only, not enforced: {self.reason}"
        where = self._applications[0]
        return f"CPU shares and memory limits are enforced by {self._hierarchy.name} in {where}"

    def create(self, instance: str, *, processes: int | None = None) -> tuple[Path, ...]:
        """Make room for an instance, of so many processes and threads. It must be in these files before it runs."""
        if self._hierarchy is None or self.reason:
            return ()
        made = [application / instance for application in self._applications]
        try:
            for directory in made:
                directory.mkdir(parents=True, exist_ok=True)
            self._hierarchy.prepare(instance)
            if processes is not None:
                self._hierarchy.bound(instance, processes)
        except OSError as error:
            self._refused(error)
            return ()
        return tuple(directory / "cgroup.procs" for directory in made)

    def apply(self, instance: str, size: Size) -> None:
        """Hold the instance to its size; burst is as much as the quota, so unused share is saved for one period."""
        quota_us = max(SMALLEST_QUOTA_US, round(size.cpu * PERIOD_US))
        self._limit(instance, quota_us, quota_us if size.burst else 0, size.memory_bytes)

    def boost(self, instance: str, size: Size) -> None:
        """As `apply`, with at least one core of CPU: for the time until the instance is ready."""
        self._limit(instance, round(max(START_CPU, size.cpu) * PERIOD_US), 0, size.memory_bytes)

    def usage(self, instance: str, pids: Sequence[int]) -> Usage:
        """What the instance has used: of its cgroup, which never misses a child, else of the sessions led by `pids`."""
        if self._hierarchy is not None:
            with contextlib.suppress(OSError, ValueError):  # it was started without a cgroup
                cpu_s, memory_bytes = self._hierarchy.cpu_s(instance), self._hierarchy.memory_bytes(instance)
                return Usage(cpu_s=cpu_s, memory_bytes=memory_bytes)
        return self._sessions.usage(pids)

    def oom_kills(self, instance: str) -> int:
        """How many processes of it the kernel has killed at the memory limit."""
        try:
            return 0 if self._hierarchy is None else self._hierarchy.oom_kills(instance)
        except OSError:
            return 0

    def kill(self, instance: str) -> None:
        """SIGKILL everything in its cgroup, also what has left the process group. Without one that is its Watch's."""
        try:
            if self._hierarchy is not None:
                self._hierarchy.kill(instance)
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("cgroup cannot be killed", instance=instance, error=str(error))

    def remove(self, instance: str) -> None:
        """Forget an instance that has ended. Harmless while it still runs (see `cleanup`), and when it is not known."""
        for application in self._applications:
            self._forget(application / instance)
            remove(application / instance)

    def cleanup(self, keep: Container[str] = ()) -> None:
        """Kill and remove what is left of instances other than these; it may take a second."""
        left = {leaf.name for application in self._applications for leaf in leaves(application)}
        for instance in sorted(name for name in left if name not in keep):
            self.kill(instance)
        for application in self._applications:
            for leaf in leaves(application):
                if leaf.name not in keep:
                    self._forget(leaf)
                    remove_soon(leaf)
            remove(application)

    def close(self) -> None:
        """Close what is open and remove empty cgroups; the limits of what runs stay."""
        if self._hierarchy is not None:
            self._hierarchy.files.close()
        for application in self._applications:
            for directory in (*leaves(application), application):
                remove(directory)

    def _limit(self, instance: str, quota_us: int, burst_us: int, memory_bytes: int) -> None:
        if self._hierarchy is None or self.reason:
            return
        try:
            self._hierarchy.limit(instance, quota_us=quota_us, burst_us=burst_us, memory_bytes=memory_bytes)
        except FileNotFoundError:
            return  # the instance is gone, or was started when limits were only measured
        except OSError as error:
            self._refused(error)

    def _forget(self, directory: Path) -> None:
        if self._hierarchy is not None:
            self._hierarchy.files.forget(directory)

    def _refused(self, error: OSError) -> None:
        self.reason = f"the system refuses ({error})"
        log.warning(self.describe())
