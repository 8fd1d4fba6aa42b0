"""The forum's `users` service under `up`: CPU per request, what one, two and ten instances give, p99 at half of that.

python -m benchmarks.forum [cpu|most|half ...]

Each instance may use 0.25 of a core, and the kernel sees to it. All requests go through the balancer.
cpu: one instance at a fixed rate (open loop): CPU of its process per request, user and system time.
most: how many requests for one user the instances answer (closed loop, wrk); "cores" is what they used. Where that
stays below 0.25 for each, the machine was the limit: it also runs the balancer and wrk.
half: latency at half of what one and two instances gave (open loop, times counted from the sending).
"""

from __future__ import annotations

import json
import time
import urllib.request
from argparse import Namespace
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, Figures, arguments, interleaved, medians, save, say, show, tree_cpu_s, wrk
from benchmarks.product import application, flyball, processes

from flyball.core.arrivals import RateCurve, Stage
from flyball.load import Plan, Result, execute
from flyball.local.process.ports import free_port

FORUM = ROOT / "apps" / "forum"
PARTS = ("cpu", "most", "half")
COUNTS = ("1", "2", "10")
CONNECTIONS = 32
LISTED = 20
ATTEMPTS = 5
USER = json.dumps({"name": "ada", "about": "counts"}).encode()
JSON = (("Content-Type", "application/json"),)
TITLES = {
    "cpu": "CPU of one instance per request, in microseconds",
    "most": "Reads of one user by number of instances (closed loop, wrk)",
    "half": "Latency at half of the capacity by number of instances (open loop)",
}


class Forum:
    """The running forum, its `users` service held at a number of instances."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.url = str(processes(directory)["url"])
        self._pids: list[int] = []
        self._user = [self._create() for _ in range(LISTED)][-1]
        self.hold(1)

    def hold(self, count: int) -> None:
        """Run so many instances and let no policy change that."""
        flyball(self._directory, "scale", f"users={count}", "--hold", "1h")
        while True:
            found = self._users()["instances"]
            if len(found) == count and all(one["lifecycle"] == "in_service" for one in found):
                break
            time.sleep(0.5)
        self._pids = [one["pid"] for one in found]
        wrk(self.url + self.path("read one"), connections=CONNECTIONS, seconds=2)  # warm, and past the start's CPU

    def path(self, request: str) -> str:
        return f"/api/users/{self._user}" if request == "read one" else "/api/users"

    def cpu_s(self) -> float:
        """CPU seconds of the instances of `users`."""
        return sum(tree_cpu_s(pid) for pid in self._pids)

    def send(self, request: str, *, rate: float, seconds: float) -> tuple[Result, float]:
        """An open loop in which nothing fails, and the CPU seconds it took; again when the generator was late."""
        creates = request == "create"
        plan = Plan(
            url=self.url + self.path(request),
            curve=RateCurve(stages=(Stage(rate=rate, duration_s=seconds),)),
            method="POST" if creates else "GET",
            headers=JSON if creates else (),
            body=USER if creates else b"",
        )
        for _ in range(ATTEMPTS):
            before = self.cpu_s()
            result = execute(plan)
            if result.failed:
                raise SystemExit(f"{result.failed} requests failed, the figure would mean nothing: {result.failures}")
            if result.valid:
                return result, self.cpu_s() - before
            say(f"  again: {result.invalid}")
        raise SystemExit(f"this machine is too busy: no valid figure in {ATTEMPTS} attempts")

    def _create(self) -> str:
        request = urllib.request.Request(f"{self.url}/api/users", data=USER, headers=dict(JSON))
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(json.load(answer)["id"])

    def _users(self) -> dict[str, Any]:
        return next(one for one in processes(self._directory)["services"] if one["name"] == "users")


def main() -> None:
    parser = arguments(__doc__, runs=3, seconds=6)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="what to measure; all when none is named")
    parser.add_argument("--rate", type=float, default=200, help="requests per second of the part `cpu`")
    options = parser.parse_args()
    parts = options.parts or PARTS
    figures: dict[str, Any] = {}
    manifest = (FORUM / "flyball.toml").read_text().replace("{ min = 2,", "{ min = 1,")
    with application(FORUM, manifest) as (_, directory):
        flyball(directory, "up", "-d", "--port", str(free_port()))
        forum = Forum(directory)
        for part in PARTS:
            if part in parts or (part == "most" and "half" in parts):
                say(f"{part}:")
                figures[part] = measure(part, forum, options, figures)
                show(TITLES[part], figures[part])
    if options.save:
        save("forum", {name: {"medians": medians(taken), "samples": taken} for name, taken in figures.items()})


def measure(part: str, forum: Forum, options: Namespace, known: dict[str, Any]) -> dict[str, list[Figures]]:
    runs, seconds = options.runs, options.seconds
    if part == "cpu":
        names = ("read one", "list of 20", "create")
        return interleaved(names, runs, lambda name: cpu(forum, name, options.rate, seconds))
    if part == "most":
        return interleaved(COUNTS, runs, lambda count: most(forum, int(count), seconds))
    capacity = {count: found["rps"] for count, found in medians(known["most"]).items()}
    return interleaved(COUNTS[:2], runs, lambda count: half(forum, int(count), capacity[count] / 2, seconds))


def cpu(forum: Forum, request: str, rate: float, seconds: float) -> Figures:
    result, cpu_s = forum.send(request, rate=rate, seconds=seconds)
    return {"CPU us": cpu_s / result.sent * 1e6, "p99 ms": result.service_ms.p99 or 0.0}


def most(forum: Forum, count: int, seconds: float) -> Figures:
    forum.hold(count)
    before, began = forum.cpu_s(), time.monotonic()
    rps = wrk(forum.url + forum.path("read one"), connections=CONNECTIONS, seconds=seconds)
    used_s, took_s = forum.cpu_s() - before, time.monotonic() - began
    return {"rps": rps, "cores": used_s / took_s, "CPU us": used_s / (rps * max(1, round(seconds))) * 1e6}


def half(forum: Forum, count: int, rate: float, seconds: float) -> Figures:
    forum.hold(count)
    result, _ = forum.send("read one", rate=rate, seconds=seconds)
    return {"rate": rate, "p50 ms": result.service_ms.p50 or 0.0, "p99 ms": result.service_ms.p99 or 0.0}


if __name__ == "__main__":
    main()
