"""Is a POST executed twice, or acknowledged without having been executed, while instances are killed?

python -m benchmarks.posting [--posts 10000] [--limit 4]

Three instances, each with a limit of requests at a time, work on each POST for a random time (30 ms on average), while
one after another is ended by `kill -9`. Every execution is a line in a file. Figures: executed twice, acknowledged but
not executed, answered 502 (cut while at work: the client cannot know), and how often was killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import aiohttp
from benchmarks.harness import Figures, arguments, save, show
from benchmarks.product import application, flyball, processes

from flyball.local.process.ports import free_port

VISITORS = 40
KILL_EVERY_S = 1.5


def main() -> None:
    parser = arguments(__doc__, runs=1, seconds=0)
    parser.add_argument("--posts", type=int, default=10_000)
    parser.add_argument("--limit", default="4", help="concurrency of the service, a number or auto")
    options = parser.parse_args()
    samples = {f"limit {options.limit}": [measure(options.posts, options.limit) for _ in range(options.runs)]}
    show(f"{options.posts} POSTs", samples)
    if options.save:
        save("posting", samples)
    if any(one["twice"] or one["lost"] for one in samples[f"limit {options.limit}"]):
        raise SystemExit(1)


def manifest(limit: str, executed: Path) -> str:
    run = shlex.join([sys.executable, str(Path(__file__).with_name("posting_instance.py"))])
    return f"""
name = "posting"

[services.web]
run = {json.dumps(run)}
env = {{ EXECUTED = {json.dumps(str(executed))} }}
routes = ["/"]
health = {{ path = "/health", every = "500ms" }}
size = {{ cpu = 0.5, memory = "256MB" }}
instances = {{ min = 3, max = 3 }}
concurrency = {limit if limit.isdecimal() else json.dumps(limit)}
"""


def measure(posts: int, limit: str) -> Figures:
    with application(None) as (stage, directory):
        executed = stage.directory / "executed"
        (directory / "flyball.toml").write_text(manifest(limit, executed))
        flyball(directory, "up", "-d", "--port", str(free_port()))
        answers, killed = asyncio.run(_post_all(directory, processes(directory)["url"], posts))
        times = Counter(executed.read_text().split())
    acknowledged = [number for number, status in answers.items() if status == 200]
    statuses = Counter(answers.values())
    return {
        "sent": float(posts),
        "ok": float(statuses[200]),
        "502": float(statuses[502]),
        "other": float(posts - statuses[200] - statuses[502]),
        "twice": float(sum(count > 1 for count in times.values())),
        "lost": float(sum(number not in times for number in acknowledged)),
        "killed": float(killed),
    }


async def _post_all(directory: Path, url: str, posts: int) -> tuple[dict[str, int], int]:
    """The status of every POST, by its number (0: no answer), and how often an instance was killed."""
    numbers = iter(range(posts))
    answers: dict[str, int] = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        killing = asyncio.ensure_future(_kill(directory))
        await asyncio.gather(*(_visitor(session, url, numbers, answers) for _ in range(VISITORS)))
        killing.cancel()
        (killed,) = await asyncio.gather(killing, return_exceptions=True)
    return answers, killed if isinstance(killed, int) else 0


async def _visitor(session: aiohttp.ClientSession, url: str, numbers: Iterator[int], answers: dict[str, int]) -> None:
    for number in numbers:
        try:
            async with session.post(url, data=str(number)) as response:
                await response.read()
                answers[str(number)] = response.status
        except (aiohttp.ClientError, TimeoutError):
            answers[str(number)] = 0


async def _kill(directory: Path) -> int:
    """One instance in service after another, until cancelled; how many."""
    killed = 0
    try:
        while True:
            await asyncio.sleep(KILL_EVERY_S)
            (service,) = (await asyncio.to_thread(processes, directory))["services"]
            serving = [one for one in service["instances"] if one["lifecycle"] == "in_service"]
            if len(serving) > 1:
                os.kill(serving[0]["pid"], signal.SIGKILL)
                killed += 1
    except asyncio.CancelledError:
        return killed


if __name__ == "__main__":
    main()
