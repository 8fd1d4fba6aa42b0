"""Whoever waits is served by the instances that come to help: one queue through `up`.

python -m benchmarks.one_queue [--runs N]

A plain gunicorn application (`-w 1 --threads 4`) gets three times one instance's capacity for 20 s; three instances are
added by hand 5.3 s after it began. Figures: failed requests, the slowest answer and the p99, the longest /health asked
straight at an instance, how often one was called unhealthy, and how many at most waited.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness import Figures, arguments, save, say, show, wrk
from benchmarks.plain_sources import APPLICATIONS
from benchmarks.product import FLYBALL, application, flyball, processes

from flyball.local.process.ports import free_port

TIMES = 3.0
HELP_AFTER_S = 5.3
HELP = 4
LOOK_S = 0.25


@dataclass(slots=True)
class Looks:
    """What is seen beside the load: how long checks of every instance take, how many requests wait."""

    directory: Path
    health_s: list[float] = field(default_factory=list)
    late: int = 0
    waiting: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        """Until the end: ask each instance's health path straight."""
        while not self.ended.wait(LOOK_S):
            (service,) = processes(self.directory)["services"]
            self.waiting = max(self.waiting, service["metrics"]["waiting"])
            for one in service["instances"]:
                if one["lifecycle"] == "in_service":
                    self._ask(one["port"])

    def _ask(self, port: int) -> None:
        began = time.monotonic()
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=4).read()
        except OSError:
            self.late += 1
        self.health_s.append(time.monotonic() - began)


def main() -> None:
    parser = arguments(__doc__, runs=3, seconds=20)
    options = parser.parse_args()
    samples = {"gunicorn": [measure(options.seconds) for _ in range(options.runs)]}
    show("One queue", samples)
    if options.save:
        save("one_queue", samples)


def measure(seconds: float) -> Figures:
    plain = next(one for one in APPLICATIONS if one.name == "gunicorn")
    still = plain.manifest().replace("target = { cpu = 50 }", "target = { cpu = 95 }")
    with application(None, still) as (_, directory):
        plain.write(directory)
        flyball(directory, "up", "-d", "--port", str(port := free_port()))
        flyball(directory, "scale", "web=1", "--hold", "120s")
        capacity = wrk(f"http://127.0.0.1:{port}/", connections=8, seconds=4.0)
        result, looks = overload(directory, TIMES * capacity, seconds)
        events = [json.loads(line) for line in flyball(directory, "events", "--json").splitlines()]
        tell_failures(directory, result)
    return {
        "capacity_rps": capacity,
        "sent": float(result["sent"]),
        "failed": float(result["failed"]),
        "slowest_ms": result["latency_ms"]["max"],
        "p99_ms": result["latency_ms"]["p99"],
        "health_max_ms": 1000 * max(looks.health_s, default=0.0),
        "unhealthy": float(sum(event["kind"] == "unhealthy" for event in events)),
        "waiting": float(looks.waiting),
    }


def overload(directory: Path, rate: float, seconds: float) -> tuple[dict[str, Any], Looks]:
    words = ["load", "web", "--rate", f"{rate:.0f}", "--for", f"{seconds:.0f}s", "--timeout", "90s", "--json"]
    looks = Looks(directory)
    beside = threading.Thread(target=looks.look)
    load = subprocess.Popen([*FLYBALL, *words], cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    beside.start()
    try:
        time.sleep(HELP_AFTER_S)
        flyball(directory, "scale", f"web={HELP}", "--hold", "120s")
        out, _ = load.communicate(timeout=seconds + 150)
    finally:
        looks.ended.set()
        beside.join()
    return json.loads(out), looks


def tell_failures(directory: Path, result: dict[str, Any]) -> None:
    """The balancer's own words for what failed."""
    if not result["failed"]:
        return
    say(f"  {result['by_status']} {result['failures']}")
    lines = (directory / ".flyball" / "logs" / "access.log").read_text().splitlines()
    failed = [line for line in map(json.loads, lines) if line["status"] >= 500]
    for line in failed[:3] + failed[-3:]:
        say(f"  {line}")


if __name__ == "__main__":
    main()
