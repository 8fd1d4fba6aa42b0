"""A real application in a directory, driven through the command line as a user would."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

import waiting
from flyball.cli.client import Control
from flyball.local import face
from flyball.local.paths import StateDirectory
from flyball.local.process import processes
from flyball.local.process.ports import free_port
from flyball.local.process.watch import end_group
from flyball.local.record.journal import Journal


class Running:
    """One application directory and the command line in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.paths = StateDirectory(directory / ".flyball")

    def flyball(
        self, *arguments: str, check: bool = True, timeout_s: float = 180.0
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "flyball", *arguments],
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            pytest.fail(f"flyball {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and do not wait for it."""
        return subprocess.Popen(
            [sys.executable, "-m", "flyball", *arguments],
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def up(self, *arguments: str) -> None:
        """Start it behind a port that was free a moment ago."""
        self.flyball("up", "-d", "--port", str(free_port()), *arguments)

    def ps(self) -> dict[str, Any]:
        """What `flyball ps --json` says."""
        return dict(json.loads(self.flyball("ps", "--json").stdout))

    def now(self) -> dict[str, Any]:
        """What `ps` would say, without it: tests look often, and a command line takes half a second of a core."""
        return dict(Control(self.directory / "flyball.toml").get("application"))

    def service(self, name: str | None = None) -> dict[str, Any]:
        """One service (the only one, without a name)."""
        services = self.now()["services"]
        return next(one for one in services if name is None or one["name"] == name)

    def events(self, *arguments: str) -> list[dict[str, Any]]:
        """What `flyball events --json` says."""
        lines = self.flyball("events", "--json", *arguments).stdout.splitlines()
        return [json.loads(line) for line in lines]

    def told(self, kind: str, text: str = "") -> bool:
        """Whether there was such an event, without a command line."""
        with contextlib.closing(Journal(self.paths.journal)) as journal:
            return any(one.reason.kind == kind and text in one.reason.text for one in journal.events())

    def until_served(self) -> None:
        """Wait until requests were answered in two more seconds, of which the second began after this call."""
        first = self._busy_seconds()
        self.until(lambda: self._busy_seconds() >= first + 2, what="requests are answered")

    def _busy_seconds(self) -> int:
        """In how many recorded seconds were there requests?"""
        with contextlib.closing(Journal(self.paths.journal)) as journal:
            seconds = [recorded.seen for recorded in journal.steps() if recorded.seen.sampled]
        return sum(any(sample.requests for sample in seen.samples) for seen in seconds)

    def load(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a load; read its result with `result_of`."""
        return self.start("load", "--json", *arguments)

    def until(self, holds: Callable[[], bool], *, what: str, within_s: float = waiting.WITHIN_S) -> None:
        """Wait until something holds; a failure tells what happened."""
        waiting.until(holds, what=what, within_s=within_s, every_s=0.1, story=self.story)

    def story(self) -> str:
        """What happened, for a failed test's message."""
        return self.flyball("events", check=False).stdout[-4000:]

    def pids(self) -> dict[str, int]:
        """Pid of every instance."""
        return {one["id"]: one["pid"] for service in self.now()["services"] for one in service["instances"]}

    def kill_control_plane(self) -> None:
        """`kill -9` the control plane, at once, and wait until it is gone."""
        self.kill(json.loads(self.paths.control_file.read_text())["pid"])

    def kill(self, pid: int) -> None:
        """`kill -9` a process and wait until it is gone."""
        process = processes.identify(pid)
        assert process is not None
        os.kill(pid, signal.SIGKILL)
        self.until(lambda: not processes.alive(process), what=f"process {pid} is gone")

    def clean_up(self) -> None:
        """Stop it, gently if that works, and whatever is left of it without mercy."""
        self.flyball("down", check=False)
        for path in [*self.paths.processes.glob("*.json"), *self.paths.regions.glob("*/processes/*.json")]:
            loaded = processes.load(path)
            if loaded is not None:
                end_group(loaded[0])
        for one in psutil.process_iter(["cmdline"]):
            if str(self.directory) in " ".join(one.info["cmdline"] or ()):
                with contextlib.suppress(psutil.NoSuchProcess):
                    one.kill()
        face.clear(self.paths)


def result_of(load: subprocess.Popen[str], *, timeout_s: float = 180.0) -> dict[str, Any]:
    """The JSON of a load, once it is over."""
    out, talk = load.communicate(timeout=timeout_s)
    try:
        return dict(json.loads(out))
    except ValueError:
        pytest.fail(f"the load gave no result (exit {load.returncode}): {out}{talk}")


def stopped(load: subprocess.Popen[str]) -> dict[str, Any]:
    """The JSON of a load that is told to end now; requests that are under way then count neither way."""
    load.send_signal(signal.SIGINT)
    return result_of(load)
