"""What every benchmark needs: programs started and stopped, ports, CPU time, medians of interleaved runs, a report.

Other work on the machine moves all figures. So what is compared is measured in turns (A B C, B C A, ...), the median of
the turns is reported with the smallest and largest, and the ratio matters more than the figure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
_READY_S = 60.0

Figures = dict[str, float]


class Missing(SystemExit):
    """A benchmark that cannot run; the message says what is missing."""


def program(name: str, package: str) -> str:
    """Where a program lies. Exits with the name of the Debian package that has it."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        raise Missing(f"{name} is not installed; on Debian: apt-get install {package}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A running program with its children."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def cpu_s(self) -> float:
        """CPU seconds used so far, children that still run included."""
        return tree_cpu_s(self.process.pid)


def tree_cpu_s(pid: int) -> float:
    """CPU seconds of a process and its descendants that run; 0 when it is gone."""
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


class Stage:
    """A temporary directory and the programs started in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._running: list[Started] = []

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        ready: str | None = None,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> Started:
        """Start a program; with `ready`, return when that URL answers below 500, or exit with its last lines."""
        log = self.directory / f"{name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=directory or self.directory,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        started = Started(name=name, process=process, log=log)
        self._running.append(started)
        if ready is not None:
            self._await(started, ready)
        return started

    def cpu_s(self) -> float:
        """CPU seconds of all that runs here."""
        return sum(started.cpu_s() for started in self._running)

    def stop(self, started: Started) -> None:
        """End a program and its children."""
        self._running.remove(started)
        for kind, patience_s in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 10.0)):
            try:
                os.killpg(started.process.pid, kind)
                started.process.wait(patience_s)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        started.process.wait()

    def stop_all(self) -> None:
        """End everything, last started first."""
        for started in reversed(list(self._running)):
            self.stop(started)

    def _await(self, started: Started, url: str) -> None:
        deadline = time.monotonic() + _READY_S
        while not answers(url):
            if started.process.poll() is not None or time.monotonic() > deadline:
                words = "\n".join(started.log.read_text(errors="replace").splitlines()[-10:])
                raise SystemExit(f"{started.name} did not start:\n{words}")
            time.sleep(0.02)


def answers(url: str) -> bool:
    """Whether the URL answers below 500 within a second."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    request = f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    try:
        with socket.create_connection((name, int(port)), timeout=1.0) as connection:
            connection.sendall(request)
            return connection.recv(4096).split(b" ", 2)[1][:1] in {b"2", b"3", b"4"}
    except (OSError, IndexError):
        return False


@contextmanager
def stage() -> Iterator[Stage]:
    """A stage that is cleared away at the end, whatever happened."""
    with tempfile.TemporaryDirectory(prefix="flyball-bench-") as directory, ExitStack() as stack:
        # nginx's worker, another user when root starts it, must reach its files.
        Path(directory).chmod(0o755)
        made = Stage(Path(directory))
        stack.callback(made.stop_all)
        yield made


def wrk(url: str, *, connections: int, seconds: float) -> float:
    """Requests per second in a closed loop: as fast as answers come. Exits when any request failed."""
    binary = program("wrk", "wrk")
    argv = [binary, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", url]
    output = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    if "Non-2xx" in output or "Socket errors" in output:
        raise SystemExit(f"requests failed, the figure would mean nothing:\n{output}")
    return float(output.split("Requests/sec:")[1].split()[0])


def interleaved(names: Sequence[str], runs: int, measure: Callable[[str], Figures]) -> dict[str, list[Figures]]:
    """Measure each name `runs` times, in turns, each turn beginning with another."""
    samples: dict[str, list[Figures]] = {name: [] for name in names}
    for turn in range(runs):
        shift = turn % len(names)
        for name in [*names[shift:], *names[:shift]]:
            samples[name].append(measure(name))
            say(f"  {turn + 1}/{runs} {name}: " + ", ".join(f"{k} {v:.4g}" for k, v in samples[name][-1].items()))
    return samples


def medians(samples: Mapping[str, Sequence[Figures]]) -> dict[str, Figures]:
    """The median of each figure."""
    return {
        name: {key: statistics.median(sample[key] for sample in taken) for key in taken[0]}
        for name, taken in samples.items()
    }


def show(title: str, samples: Mapping[str, Sequence[Figures]]) -> None:
    """A table: a row for each name, the median and the spread of each figure."""
    middle = medians(samples)
    keys = list(next(iter(middle.values())))
    print(f"\n{title}")
    print(f"  {'':<12}" + "".join(f"{key:>30}" for key in keys))
    for name, figures in middle.items():
        cells = []
        for key in keys:
            taken = [sample[key] for sample in samples[name]]
            cells.append(f"{_shown(figures[key])} ({_shown(min(taken))}-{_shown(max(taken))})")
        print(f"  {name:<12}" + "".join(f"{cell:>30}" for cell in cells))


def _shown(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 1000 else f"{figure:.4g}"


def arguments(description: str | None, *, runs: int, seconds: float) -> argparse.ArgumentParser:
    """The options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=runs, help="turns; the median is reported")
    parser.add_argument("--seconds", type=float, default=seconds, help="how long one measurement lasts")
    parser.add_argument("--save", action="store_true", help="write the figures to benchmarks/results/")
    return parser


def save(name: str, figures: Any) -> None:
    """Write figures with the facts of the machine they were taken on."""
    RESULTS.mkdir(exist_ok=True)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    facts = {
        "taken": time.strftime("%Y-%m-%d"),
        "commit": commit.stdout.strip(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"facts": facts, "figures": figures}, indent=1) + "\n")
    say(f"written: benchmarks/results/{path.name}")


def say(text: str) -> None:
    """One line of talk on stderr."""
    print(text, file=sys.stderr, flush=True)
