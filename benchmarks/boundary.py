"""What a closed boundary costs: the Visitor Board with walls and without, in turns.

python -m benchmarks.boundary

start: from the launch of an instance to its first good answer (the health path), as `flyball events` tells it.
most: how many pages one instance of one core answers (closed loop, wrk). p50, p99: latency at a fixed rate (open loop).
Needs root: elsewhere there are no walls.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import Figures, arguments, interleaved, medians, save, say, show, wrk
from benchmarks.product import application, board, flyball, processes

from flyball.core.arrivals import RateCurve, Stage
from flyball.load import Plan, execute
from flyball.local.process.ports import free_port
from flyball.local.process.walls.walls import tried

CONNECTIONS = 16
STARTED = re.compile(r"is in service ([0-9.]+) s after its launch")
TURNED = {"closed": 'boundary = "closed"', "open": 'boundary = "open"'}


def main() -> None:
    parser = arguments(__doc__, runs=3, seconds=6)
    parser.add_argument("--rate", type=float, default=100, help="requests per second of the latencies")
    options = parser.parse_args()
    if problem := tried():
        raise SystemExit(f"no walls here: {problem}")
    samples = interleaved(list(TURNED), options.runs, _measure(options.seconds, options.rate))
    show("The Visitor Board behind walls and without, one instance of one core", samples)
    if options.save:
        save("boundary", {"medians": medians(samples), "samples": samples})


def _measure(seconds: float, rate: float) -> Callable[[str], Figures]:
    file = (board() / "flyball.toml").read_text()
    manifest = file.replace("cpu = 0.25", "cpu = 1").replace("min = 1, max = 10", "min = 1, max = 3")

    def measure(name: str) -> Figures:
        with application(board(), manifest.replace(TURNED["closed"], TURNED[name])) as (_, directory):
            flyball(directory, "up", "-d", "--port", str(free_port()))
            flyball(directory, "scale", "web=3", "--hold", "1h")
            _settled(directory, 3)
            flyball(directory, "scale", "web=1", "--hold", "1h")
            _settled(directory, 1)
            url = str(processes(directory)["url"]) + "/"
            most = wrk(url, connections=CONNECTIONS, seconds=seconds)
            found = execute(Plan(url=url, curve=RateCurve(stages=(Stage(rate=rate, duration_s=seconds),))))
            if found.failed:
                raise SystemExit(f"{found.failed} requests failed: {found.failures}")
            say(f"  {name}: {most:.0f} requests per second")
            latency = found.latency_ms
            return {"start ms": _starts(directory), "most": most, "p50 ms": latency.p50, "p99 ms": latency.p99}

    return measure


def _settled(directory: Path, count: int) -> None:
    """Wait until there are so many instances, all in service."""
    while True:
        (web,) = processes(directory)["services"]
        if [one["lifecycle"] for one in web["instances"]] == ["in_service"] * count:
            return


def _starts(directory: Path) -> float:
    """The median of the starts of instances, without the first, which finds nothing in the machine's caches."""
    reasons = (json.loads(line)["reason"] for line in flyball(directory, "events", "--json").splitlines())
    taken = [float(found[1]) for reason in reasons if (found := STARTED.search(reason))]
    return 1000 * statistics.median(taken[1:] or taken)


if __name__ == "__main__":
    main()
