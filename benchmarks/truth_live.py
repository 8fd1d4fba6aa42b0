"""Records a live run for `truth`: an application, calibrated on one trace, under another one.

What it keeps of a case, in a directory that is an application's: the file, the journal and the access log of the first
trace, the second one as `trace.csv`, and in `live.json` what was seen under it. `second/` is the same application after
the second trace: whoever wants to know why the two differ finds every request there.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness import say
from benchmarks.product import COMMAND_S, FLYBALL, application, flyball, processes

from flyball.core.arrivals import RateCurve
from flyball.core.manifest import parse
from flyball.load import read_trace
from flyball.local.process.ports import free_port
from flyball.sim.numbers import mean

CALM = 50.0
"""Requests per second at which the capacity is measured: enough for a good mean, not enough for a scale-out."""
SETTLED_S = 60.0
MEMORY_S = 16.0
"""Datapoints of the first trace have left the alarms after so long."""
STALL_S = 0.005
BUSIEST_S = 5
JITTER = 0.08
Shape = tuple[tuple[float, float], ...]
"""(seconds, load) with load in capacities of one instance."""
FIRST: Shape = ((10, 0.25), (18, 0.75), (22, 1.2), (8, 0.3))
SECOND: Shape = ((15, 0.3), (35, 0.8), (45, 1.35), (25, 0.3))
"""With a target of 50 %: 0.8 needs two instances and keeps them at 40 %, 1.35 needs three and keeps them at 45 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """Part of a recorded trace: from `at_s` on, at `speed`, its busiest five seconds at `peak` capacities."""

    recording: Path
    at_s: float
    speed: float
    peak: float

    def shape(self, seconds: float) -> Shape:
        """So many seconds of it, as they were recorded."""
        rates = _by_second(read_trace(self.recording).curve.changed(speed=self.speed), self.at_s / self.speed, seconds)
        busiest = max(sum(rates[at : at + BUSIEST_S]) for at in range(max(len(rates) - BUSIEST_S, 0) + 1)) / BUSIEST_S
        if busiest <= 0:
            raise SystemExit(f"{self.recording} has no traffic in the {seconds:g} s from {self.at_s:g} s on")
        return tuple((1.0, self.peak * rate / busiest) for rate in rates)


def _by_second(curve: RateCurve, begins_s: float, seconds: float) -> list[float]:
    """The mean rate in each of these seconds; 0 beyond the curve."""
    found, at = [0.0] * round(seconds), 0.0
    for stage in curve.stages:
        ends = at + stage.duration_s
        first, last = max(at - begins_s, 0.0), min(ends - begins_s, seconds)
        for second in range(int(first), min(int(last) + 1, len(found)) if last > first else 0):
            found[second] += stage.rate * max(min(last, second + 1) - max(first, second), 0.0)
        at = ends
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An application and, with `deploy_s`, when in each trace a new release is deployed by `change`."""

    name: str
    source: Path | None
    manifest: str | None
    write: Callable[[Path], None] = lambda _directory: None
    deploy_s: float | None = None
    change: Callable[[Path], None] = lambda _directory: None
    first: Shape = FIRST
    second: Shape = SECOND


@dataclass(slots=True)
class Stalls:
    """How late this process wakes from a nap of 5 ms: the machine's own stalls."""

    late_s: list[float] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> threading.Thread:
        """Begin; ended by `end`."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        return thread

    def _watch(self) -> None:
        while not self._over.is_set():
            before = time.perf_counter()
            time.sleep(STALL_S)
            self.late_s.append(time.perf_counter() - before - STALL_S)

    def end(self, thread: threading.Thread) -> dict[str, float]:
        """Stop, and say in milliseconds what was seen."""
        self._over.set()
        thread.join()
        late = sorted(self.late_s)
        return {
            "p99_ms": round(1000 * late[int(0.99 * len(late))], 2),
            "max_ms": round(1000 * late[-1], 2),
            "over_20_ms": sum(one > 0.02 for one in late),
        }


def record(case: Case, kept: Path, *, seed: int) -> None:
    """Run the case live and keep it."""
    if kept.exists():
        raise SystemExit(f"{kept} exists already; name another directory, or look at it with --again")
    with application(case.source, case.manifest) as (_, directory):
        case.write(directory)
        flyball(directory, "up", "-d", "--port", str(free_port()))
        capacity = _capacity(directory)
        first, second = directory / "first.csv", directory / "trace.csv"
        first.write_text(trace_of(case.first, capacity, seed=seed))
        second.write_text(trace_of(case.second, capacity, seed=seed + 1))
        _play(case, directory, first, seed=seed)
        _settle(directory)
        _keep(directory, kept)
        time.sleep(MEMORY_S)
        live = _play(case, directory, second, seed=seed + 1)
        shutil.copy(second, kept / "trace.csv")
        _keep(directory, kept / "second")
    (kept / "live.json").write_text(json.dumps({"capacity_rps": capacity, "deploy_s": case.deploy_s, **live}, indent=1))


def trace_of(shape: Shape, capacity: float, *, seed: int) -> str:
    """One row a second: the shape, 8 % up or down by chance unless it has chance enough of its own."""
    draw, rows, second = random.Random(seed), ["t,requests_per_second"], 0
    jitter = JITTER if any(seconds > 1 for seconds, _ in shape) else 0.0
    for seconds, load in shape:
        for _ in range(round(seconds)):
            rows.append(f"{second},{load * capacity * draw.uniform(1 - jitter, 1 + jitter):.2f}")
            second += 1
    return "\n".join(rows) + "\n"


def _capacity(directory: Path) -> float:
    """Requests per second of one instance: its CPU share over what a request takes, as the product measures it."""
    # A machine that is too busy for good latencies still tells what a request takes of the processor.
    flyball(directory, "load", "web", "--rate", f"{CALM}", "--for", "10s", "--json", may_fail=True)
    flyball(directory, "simulate", "--calibrate")
    measured = json.loads((directory / ".flyball" / "calibration.json").read_text())["services"]["web"]
    share = parse((directory / "flyball.toml").read_text()).services[0].size.cpu
    return share / mean(tuple(measured["work"]))


def _service(directory: Path) -> dict[str, Any]:
    only: dict[str, Any] = processes(directory)["services"][0]
    return only


def _settle(directory: Path) -> None:
    """Back to one instance."""
    flyball(directory, "scale", "web=1")
    deadline = time.monotonic() + SETTLED_S
    while len(_service(directory)["instances"]) > 1 and time.monotonic() < deadline:
        time.sleep(0.5)


def _keep(directory: Path, kept: Path) -> None:
    """The journal and the log as they are now."""
    state = kept / ".flyball"
    (state / "logs").mkdir(parents=True)
    shutil.copy(directory / "flyball.toml", kept)
    shutil.copy(directory / ".flyball" / "load.json", state)
    shutil.copy(directory / ".flyball" / "logs" / "access.log", state / "logs")
    with (
        closing(sqlite3.connect(directory / ".flyball" / "journal.db")) as live,
        closing(sqlite3.connect(state / "journal.db")) as copy,
    ):
        live.backup(copy)


def _play(case: Case, directory: Path, trace: Path, *, seed: int) -> dict[str, Any]:
    talk = directory.with_name(f"talk-{trace.stem}")
    stalls = Stalls()
    watching = stalls.watch()
    words = ["load", "web", "--trace", str(trace), "--seed", str(seed), "--json"]
    with talk.open("w") as stderr:
        load = subprocess.Popen([*FLYBALL, *words], cwd=directory, stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        while not talk.stat().st_size and load.poll() is None:
            time.sleep(0.01)
        began = time.time() - 1.0  # the first line of progress comes one second after the first request
        if case.deploy_s is not None:
            time.sleep(max(began + case.deploy_s - time.time(), 0.0))
            case.change(directory)
            deploy = [*FLYBALL, "deploy", "web"]  # one that is rolled back is a result, too
            subprocess.run(deploy, cwd=directory, capture_output=True, timeout=COMMAND_S, check=False)
        out, _ = load.communicate(timeout=COMMAND_S)
    finally:
        if load.poll() is None:
            load.send_signal(signal.SIGKILL)
            load.wait()
    if not out:
        raise SystemExit(f"flyball load said nothing: {talk.read_text()[-500:]}")
    result = json.loads(out)
    say(f"  {case.name}, {trace.stem}: {result['sent']} sent, {result['failed']} failed, {result['latency_ms']}")
    events = [json.loads(line) for line in flyball(directory, "events", "--json").splitlines()]
    return {
        "seed": seed,
        "began": json.loads((directory / ".flyball" / "load.json").read_text())["began"],
        "load": {key: result[key] for key in ("sent", "failed", "latency_ms", "send_lag_ms", "valid")},
        "stalls": stalls.end(watching),
        "events": events,
    }
