"""Plain applications of other makers under `flyball up`: an overload, a killed instance, a deploy; what fails.

python -m benchmarks.plain_apps [--only NAME] [--quick] [--json]

Each runs with the start command of its first page, a quarter of a CPU, one to six instances, target CPU 50 %. CPU per
request at a low rate gives one instance's capacity. Then: four times that; `flyball scale web=3`; `kill -9` of one of
three; a deploy under load. All figures come from `flyball ps`, `events` and `load` with --json.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import arguments, save, say
from benchmarks.plain_load import load
from benchmarks.plain_rows import Event, Row, first, overloaded, table
from benchmarks.plain_sources import APPLICATIONS, Plain
from benchmarks.product import COMMAND_S, FLYBALL, application, flyball, processes

from flyball.local.process.ports import free_port

CPU = 0.25
TIMES = 4
CALM_RATE = 10.0
HOLD = "10m"
DEPLOY_S = 90.0
SETTLED_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How long the parts last, in seconds."""

    warm: float = 3
    calibration: float = 10
    overload: float = 20
    kill: float = 15


QUICK = Lengths(warm=1, calibration=4, overload=6, kill=6)


def main() -> int:
    parser = arguments(__doc__, runs=1, seconds=Lengths().overload)
    parser.add_argument("--only", action="append", choices=[app.name for app in APPLICATIONS], help="just this one")
    parser.add_argument("--quick", action="store_true", help="short parts: failures and events, not seconds")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--keep", type=Path, help="directory for the events of each application, as JSON lines")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is brought down
    lengths = QUICK if options.quick else Lengths(overload=options.seconds)
    rows: list[Row] = []
    skipped: dict[str, str] = {}
    broken: dict[str, str] = {}
    for app in options.runs * [app for app in APPLICATIONS if not options.only or app.name in options.only]:
        if missing := app.missing():
            skipped[app.name] = missing
            say(f"{app.name}: skipped: {missing}")
            continue
        try:
            rows.append(measure(app, lengths, options.keep))
            say(table(rows[-1:]))
        except Broken as why:
            broken[app.name] = str(why)
            say(f"{app.name}: broken: {why}")
    told = {"applications": [asdict(row) for row in rows], "skipped": skipped, "broken": broken}
    print(json.dumps(told, indent=1) if options.json else table(rows))
    if options.save:
        save("plain_apps", told)
    return 1 if broken else 0


class Broken(Exception):
    """One application could not be measured; the others go on."""


def measure(app: Plain, lengths: Lengths, keep: Path | None) -> Row:
    """All parts for one application."""
    say(f"{app.name}: {app.run}")
    try:
        with application(None, app.manifest()) as (_, directory), ExitStack() as stack:
            app.write(directory)
            stack.callback(kept, app, directory, keep)
            flyball(directory, "up", "-d", "--port", str(free_port()))
            cpu_s = cpu_per_request(directory, lengths)
            capacity = CPU / cpu_s
            parts = overload(directory, TIMES * capacity, lengths.overload)
            parts |= {"scale_launch_s": to_three(directory)}
            parts |= killed(directory, capacity, lengths.kill)
            parts |= deployed(app, directory, capacity)
            return Row(app=app.name, cpu_ms=cpu_s * 1000, **parts)
    except (SystemExit, subprocess.TimeoutExpired) as why:
        if isinstance(why, SystemExit) and isinstance(why.code, int):
            raise  # SIGTERM
        raise Broken(str(why)) from why


def kept(app: Plain, directory: Path, keep: Path | None) -> None:
    """Keep what happened, however it ended: who doubts a row reads why."""
    if keep is not None and (directory / ".flyball").exists():
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{app.name}.jsonl").write_text(flyball(directory, "events", "--json"))


def cpu_per_request(directory: Path, lengths: Lengths) -> float:
    """CPU seconds per request at a low rate, warm."""
    used = answered = 0.0
    with load(directory, CALM_RATE, lengths.warm + lengths.calibration) as calm:
        time.sleep(max(calm.begun_at + lengths.warm + 1 - time.time(), 0))
        while calm.process.poll() is None:
            metrics = service(directory)["metrics"]
            used += (metrics["cpu_percent"] or 0.0) / 100 * CPU
            answered += metrics["requests_per_second"]
            time.sleep(0.7)
        if calm.result()["failed"] or not used or not answered:
            raise SystemExit("a low rate failed, or used no CPU: nothing to measure")
    return used / answered


def overload(directory: Path, rate: float, seconds: float) -> dict[str, Any]:
    with load(directory, rate, seconds) as heavy:
        result = heavy.result()
    end = heavy.begun_at + result["duration_s"]
    return {
        "rate": rate,
        "sent": result["sent"],
        "failed": result["failed"],
        "p50_s": _seconds(result["latency_ms"]["p50"]),
        "p99_s": _seconds(result["latency_ms"]["p99"]),
        **overloaded(events(directory), start=heavy.begun_at, end=end, enough=TIMES),
    }


def to_three(directory: Path) -> float | None:
    """From `flyball scale web=3` to the launch; when three or more are left of the overload, from one instance."""
    if service(directory)["capacity"]["desired"] >= 3:
        flyball(directory, "scale", "web=1", "--hold", HOLD)
        settled(directory, lambda now: len(now["instances"]) == 1)
    asked = time.time()
    flyball(directory, "scale", "web=3", "--hold", HOLD)
    settled(directory, lambda now: now["capacity"]["in_service"] == 3 == len(now["instances"]))
    by_hand = first(events(directory), "scaled_by_hand", since=asked)
    return None if by_hand is None else first(events(directory), "launched", since=asked + by_hand)


def killed(directory: Path, rate: float, seconds: float) -> dict[str, Any]:
    with load(directory, rate, seconds) as moderate:
        time.sleep(seconds / 4)
        # A healthy one where there is one: what is being replaced already gets no second replacement.
        running = [one for one in service(directory)["instances"] if one["lifecycle"] == "in_service"]
        victim = max(running, key=lambda one: one["health"] == "healthy")
        at = time.time()
        os.kill(victim["pid"], signal.SIGKILL)
        result = moderate.result()
    settled(directory, lambda now: now["capacity"]["in_service"] == 3 == len(now["instances"]))
    launch_s = first(events(directory), "launched", since=at)
    return {"kill_sent": result["sent"], "kill_failed": result["failed"], "kill_launch_s": launch_s}


def deployed(app: Plain, directory: Path, rate: float) -> dict[str, Any]:
    with load(directory, rate, DEPLOY_S) as moderate:
        time.sleep(1)
        at = time.time()
        app.change(directory)
        deploy = [*FLYBALL, "deploy"]  # one that is rolled back is a result, too
        subprocess.run(deploy, cwd=directory, capture_output=True, timeout=COMMAND_S, check=False)
        time.sleep(2)
        moderate.stop()
        result = moderate.result()
    took_s = first(events(directory), "rollout_completed", since=at)
    return {"deploy_sent": result["sent"], "deploy_failed": result["failed"], "deploy_s": took_s}


def settled(directory: Path, done: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until the service is as wanted; the figures come from events, so looking seldom costs nothing."""
    deadline = time.monotonic() + SETTLED_S
    while not done(service(directory)):
        if time.monotonic() > deadline:
            raise SystemExit(f"not as wanted after {SETTLED_S:g} s: {service(directory)['capacity']}")
        time.sleep(0.5)


def service(directory: Path) -> dict[str, Any]:
    only: dict[str, Any] = processes(directory)["services"][0]
    return only


def events(directory: Path) -> list[Event]:
    return [json.loads(line) for line in flyball(directory, "events", "--json").splitlines()]


def _seconds(ms: float | None) -> float | None:
    return None if ms is None else ms / 1000


if __name__ == "__main__":
    sys.exit(main())
