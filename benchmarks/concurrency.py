"""What `concurrency = "auto"` finds for five programs, against no limit and the best fixed one.

python -m benchmarks.concurrency [PROGRAM ...] [--seconds S]

Each program is one instance of a quarter of a core under an overload: threads and async burn the processor, others
waits a second for others (300 at a time), mix has one request of ten that waits 5 s, poll has a long poll beside.
Figures: answers a second, p99 of those, and how long /health takes, asked straight at the instance (p50, longest).
The best fixed limit is the one of 4, 16, 64 and none at which /health stays within a quarter of its timeout and the
most is answered. `limit` is the one at the end.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from benchmarks.harness import Figures, arguments, save, say, show
from benchmarks.product import application, flyball, processes

from flyball.local.process.ports import free_port

QUARTER_S = 1.0
"""Of the health check's timeout by default."""
FIXED = ("4", "16", "64")
AT_ONCE = {"others": 300, "mix": 200}
USUAL_AT_ONCE = 160


@dataclass(slots=True)
class Answers:
    """What came back: times of answers and how long each took; of /health how long."""

    took_s: list[float]
    health_s: list[float]
    failed: int = 0


def main() -> None:
    parser = arguments(__doc__, runs=1, seconds=25)
    parser.add_argument("programs", nargs="*", default=["threads", "async", "others", "mix", "poll"])
    parser.add_argument("--limits", nargs="*", default=["auto", "0", *FIXED])
    options = parser.parse_args()
    found: dict[str, dict[str, list[Figures]]] = {}
    for program in options.programs:
        found[program] = {}
        for limit in options.limits:
            taken = [measure(program, limit, options.seconds) for _ in range(options.runs)]
            found[program][limit if limit != "0" else "none"] = taken
            say(f"  {program} {limit}: {taken}")
        show(program, found[program])
        tell_best(found[program])
    if options.save:
        save("concurrency", found)


def tell_best(found: dict[str, list[Figures]]) -> None:
    """How auto compares to the best fixed limit that keeps /health quick."""
    fixed = {name: taken[0] for name, taken in found.items() if name != "auto"}
    quick = {name: one for name, one in fixed.items() if one["health_max_ms"] <= 1000 * QUARTER_S}
    if "auto" not in found or not fixed:
        return
    name, best = max((quick or fixed).items(), key=lambda item: item[1]["answers_per_s"])
    share = found["auto"][0]["answers_per_s"] / best["answers_per_s"]
    print(f"  auto answers {share:.2f} of the best fixed limit ({name})")


def manifest(program: str, limit: str) -> str:
    run = shlex.join([sys.executable, str(Path(__file__).with_name("waiting_programs.py"))])
    return f"""
name = "concurrency"

[services.web]
run = {json.dumps(run)}
env = {{ KIND = "{program}" }}
routes = ["/"]
health = "/health"
size = {{ cpu = 0.25, memory = "512MB" }}
concurrency = {'"auto"' if limit == "auto" else limit}
"""


def measure(program: str, limit: str, seconds: float) -> Figures:
    with application(None, manifest(program, limit)) as (_, directory):
        flyball(directory, "up", "-d", "--port", str(free_port()))
        told = processes(directory)
        (one,) = told["services"][0]["instances"]
        answers = asyncio.run(_load(program, told["url"], f"http://127.0.0.1:{one['port']}/health", seconds))
        at_the_end: Any = processes(directory)["services"][0]["concurrency"]
        return _figures(answers, seconds, at_the_end)


async def _load(program: str, url: str, health: str, seconds: float) -> Answers:
    answers = Answers([], [])
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        until = time.monotonic() + seconds
        visitors = [_visit(session, url, until, answers) for _ in range(AT_ONCE.get(program, USUAL_AT_ONCE))]
        poll = [_poll(session, url + "/poll", until)] if program == "poll" else []
        await asyncio.gather(_look(session, health, until, answers), *visitors, *poll)
    return answers


async def _visit(session: aiohttp.ClientSession, url: str, until: float, answers: Answers) -> None:
    """One visitor after another: the next asks when the one before has the answer."""
    while (began := time.monotonic()) < until:
        try:
            async with session.get(url) as response:
                await response.read()
                answers.failed += response.status != 200
        except (aiohttp.ClientError, TimeoutError):
            answers.failed += 1
            continue
        if time.monotonic() <= until:
            answers.took_s.append(time.monotonic() - began)


async def _poll(session: aiohttp.ClientSession, url: str, until: float) -> None:
    while time.monotonic() < until:
        async with session.get(url) as response:
            await response.read()


async def _look(session: aiohttp.ClientSession, url: str, until: float, answers: Answers) -> None:
    while (began := time.monotonic()) < until:
        async with session.get(url) as response:
            await response.read()
        answers.health_s.append(time.monotonic() - began)
        await asyncio.sleep(0.25)


def _figures(answers: Answers, seconds: float, limit: int | None) -> Figures:
    took, health = sorted(answers.took_s), sorted(answers.health_s)
    return {
        "answers_per_s": len(took) / seconds,
        "p99_ms": 1000 * took[min(int(0.99 * len(took)), len(took) - 1)] if took else 0.0,
        "health_p50_ms": 1000 * health[len(health) // 2],
        "health_max_ms": 1000 * health[-1],
        "failed": float(answers.failed),
        "limit": float(limit or 0),
    }


if __name__ == "__main__":
    main()
