"""Which limits does this machine offer to this user? They are tried out: nothing is promised that does not work.

Version 2's cgroups are made below the highest one that we may write, of version 1 below the root.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from .cgroups import PERIOD_US, Hierarchy, Version1, Version2, remove
from .limits import Limits


def detect(
    root: Path = Path("/sys/fs/cgroup"),
    *,
    application: str,
    membership: Path = Path("/proc/self/cgroup"),
    record: Path | None = None,
) -> Limits:
    """The best limits that work here; only measures where none do.

    `application` is the application's id and names the cgroups (`flyball-<id>`). `membership` tells our own cgroup.
    `record` keeps where version 2's were made: a later control plane may itself run in another cgroup and must find
    its instances again.
    """
    if (root / "cgroup.controllers").exists():
        return _try_version_2(root, f"flyball-{application}", membership, record)
    if (root / "cpu" / "cpu.cfs_quota_us").exists() and (root / "memory" / "memory.limit_in_bytes").exists():
        return _try_version_1(root, f"flyball-{application}")
    if sys.platform != "linux":
        return Limits(None, f"{sys.platform} has no cgroups")
    return Limits(None, f"no cgroups with cpu and memory are mounted in {root}")


def _try_version_1(root: Path, name: str) -> Limits:
    cpuacct, pids, unified = root / "cpuacct", root / "pids", root / "unified"
    hierarchy = Version1(
        cpu=root / "cpu" / name,
        memory=root / "memory" / name,
        cpuacct=cpuacct / name if cpuacct.exists() else None,
        pids=pids / name if (pids / "cgroup.procs").exists() else None,
        unified=unified / name if (unified / "cgroup.controllers").exists() else None,
    )
    if hierarchy.unified is None and hierarchy.cpuacct is None:
        return Limits(None, f"{root} has no cpuacct")
    problem = _try_out(hierarchy)
    return Limits(None, problem) if problem else Limits(hierarchy)


def _try_version_2(root: Path, name: str, membership: Path, record: Path | None) -> Limits:
    ours = _own(root, membership)
    problem = (
        f"this user may not write the cgroups of {root} (as a user: systemd-run --user --scope -p Delegate=yes ...)"
    )
    for base in dict.fromkeys((_recorded(record), _topmost_writable(root, ours))):
        if base is None:
            continue
        hierarchy = Version2(base / name)
        try:
            _enable_controllers(base, ours)
            hierarchy.application.mkdir(exist_ok=True)
            _enable_controllers(hierarchy.application, None)
        except OSError as error:
            problem = f"the system refuses ({error})"
            continue
        problem = _try_out(hierarchy)
        if not problem:
            if record is not None:
                record.write_text(str(base), encoding="utf-8")
            return Limits(hierarchy)
    return Limits(None, problem)


def _try_out(hierarchy: Hierarchy) -> str:
    """Make a cgroup, limit it, let a process join it, read it, remove it. The problem, or ""."""
    name = f"try-{os.getpid()}"
    directories = [application / name for application in hierarchy.applications]
    joiner = 'for file; do echo 0 > "$file" || exit 1; done'
    try:
        for directory in directories:
            directory.mkdir(parents=True, exist_ok=True)
        hierarchy.prepare(name)
        hierarchy.limit(name, quota_us=PERIOD_US, burst_us=0, memory_bytes=64 * 1024 * 1024)
        subprocess.run(
            ["/bin/sh", "-c", joiner, "sh", *(str(directory / "cgroup.procs") for directory in directories)],
            check=True,
            capture_output=True,
            timeout=10,
        )
        hierarchy.cpu_s(name)
        hierarchy.memory_bytes(name)
    except subprocess.CalledProcessError as error:
        return f"the system refuses to move processes ({error.stderr.decode(errors='replace').strip()})"
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return f"the system refuses ({error})"
    finally:
        for directory in directories:
            hierarchy.files.forget(directory)
            remove(directory)
    return ""


def _recorded(record: Path | None) -> Path | None:
    """The version 2 cgroup that an earlier control plane recorded, when it may still be written."""
    if record is None or not record.exists():
        return None
    base = Path(record.read_text(encoding="utf-8"))
    return base if os.access(base / "cgroup.procs", os.W_OK) else None


def _own(root: Path, membership: Path) -> Path:
    """Our own version 2 cgroup: the line "0::/path"."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return root
    return next((root / line[3:].lstrip("/") for line in lines if line.startswith("0::")), root)


def _topmost_writable(root: Path, ours: Path) -> Path | None:
    """The highest cgroup above us that we may write: a process can only be moved below a common writable ancestor."""
    found = None
    for directory in (ours, *ours.parents):
        if not (os.access(directory, os.W_OK) and os.access(directory / "cgroup.procs", os.W_OK)):
            break
        if {"cpu", "memory"} <= set((directory / "cgroup.controllers").read_text(encoding="ascii").split()):
            found = directory
        if directory == root:
            break
    return found


def _enable_controllers(directory: Path, ours: Path | None) -> None:
    """Let the cgroups below a directory have cpu and memory, and pids where it is offered. `ours` is our own cgroup.

    Raises OSError.
    """
    switch = directory / "cgroup.subtree_control"
    offered = (directory / "cgroup.controllers").read_text(encoding="ascii").split()
    wanted = [name for name in ("cpu", "memory", "pids") if name != "pids" or name in offered]
    if set(wanted) <= set(switch.read_text(encoding="ascii").split()):
        return
    order = " ".join(f"+{controller}" for controller in wanted)
    try:
        switch.write_text(order, encoding="ascii")
    except OSError:
        # "No internal processes": a cgroup that hands out controllers may hold none itself (the root may).
        # Only our own cgroup is emptied this way, as container runtimes do it.
        if directory != ours:
            raise
        leaf = directory / "flyball-others"
        leaf.mkdir(exist_ok=True)
        for pid in (directory / "cgroup.procs").read_text(encoding="ascii").split():
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                (leaf / "cgroup.procs").write_text(pid, encoding="ascii")
        switch.write_text(order, encoding="ascii")
