"""Two regions of the session app: a rollout from one to the other, and all instances of a region killed, under load.

python -m benchmarks.regions [--rate 100] [--cases rollout,kill,away]

Visitors of two places send `--rate` requests per second each; one of each place stores a file twenty times a second.
`rollout` brings a new release to one region after the other. `kill` ends every instance of the second region with
`kill -9` and lasts until its visitors are at home again and `--seconds` more. `away` does the same, and keeps the
region's control plane and balancer still for a minute, so that it has to come back. Figures: failed requests of each
place; for how long the second place had errors, and was served elsewhere; the slowest one of a hundred answers;
acknowledged uploads that are not in both regions a minute afterwards, when all were, and how long the last one was on
its way.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from benchmarks.harness import ROOT, Figures, arguments, save, say, show
from benchmarks.product import COMMAND_S, FLYBALL, application, flyball, processes

from flyball.local.process.ports import free_port

HOME, AWAY = PLACES = ("us-east-1", "eu-west-1")
UPLOAD_EVERY_S = 0.05
SETTLED_S = 60.0
GONE_S = 60.0
BACK_S = 5.0  # what counts as the return: the first seconds at home
RETURN_S = 45.0  # and of one that was away for long, which takes 30 s


def main() -> None:
    parser = arguments(__doc__, runs=1, seconds=15)
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--cases", default=",".join(CASES), help="which of them, with commas between")
    options = parser.parse_args()
    samples: dict[str, list[Figures]] = {name: [] for name in options.cases.split(",")}
    with application(ROOT / "apps" / "session-app") as (_, directory):
        (directory / "two-regions.toml").replace(directory / "flyball.toml")
        flyball(directory, "up", "-d", "--port", str(free_port()))
        asyncio.run(_until(directory, lambda seen: len(_healthy(seen)) == len(PLACES)))
        for _ in range(options.runs):
            for name, taken in samples.items():
                taken.append(asyncio.run(CASES[name](directory, options.rate, options.seconds)))
    for name, taken in samples.items():
        show(f"{name}, {options.rate:g} requests per second from each place", {name: taken})
    if options.save:
        save("regions", samples)
    bad = sum(one["lost uploads"] + one[f"failed {HOME}"] for taken in samples.values() for one in taken)
    if bad or any(one[f"failed {AWAY}"] for one in samples.get("rollout", ())):
        raise SystemExit(1)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a visitor who stores files got: when, its status (0: none), from which region, after how long."""

    at: float
    status: int
    region: str | None
    took_s: float


@dataclass(slots=True)
class Visitor:
    """Stores a small file again and again, from one place."""

    place: str
    url: str
    answers: list[Answer] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)

    async def visit(self) -> None:
        """Until cancelled; a file is due every `UPLOAD_EVERY_S`, whatever became of the one before."""
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as uploads:
            while True:
                uploads.create_task(self._upload(session, f"{self.place}-{time.time_ns()}"))
                await asyncio.sleep(UPLOAD_EVERY_S)

    async def _upload(self, session: aiohttp.ClientSession, name: str) -> None:
        began, status, region = time.monotonic(), 0, None
        with suppress(aiohttp.ClientError, TimeoutError):
            sent = session.put(f"{self.url}/upload/{name}", data=name, headers={"x-flyball-from": self.place})
            async with sent as response:
                await response.read()
                status, region = response.status, response.headers.get("x-flyball-region")
        self.answers.append(Answer(began, status, region, time.monotonic() - began))
        if status == 201:
            self.acknowledged.append(name)


@contextmanager
def load(directory: Path, rate: float) -> Iterator[list[subprocess.Popen[str]]]:
    """Visitors of every place, who go on until they are told to stop."""
    each = [
        [*FLYBALL, "load", "--rate", f"{rate:g}", "--from", place, "--path", "/session", "--for", "600s", "--json"]
        for place in PLACES
    ]
    begun = [
        subprocess.Popen(one, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for one in each
    ]
    try:
        yield begun
    finally:
        for one in begun:
            one.kill()
            one.wait()


async def _told(begun: list[subprocess.Popen[str]]) -> list[dict[str, Any]]:
    """Stop the load; its results, place by place."""
    for one in begun:
        one.send_signal(signal.SIGINT)
    said = await asyncio.gather(*(asyncio.to_thread(one.communicate, timeout=COMMAND_S) for one in begun))
    return [json.loads(out) for out, _ in said]


async def rollout(directory: Path, rate: float, seconds: float) -> Figures:
    """A new release in one region after the other, in the middle of the load."""
    with (directory / "session_app" / "__init__.py").open("a") as source:
        source.write(f"\n# {time.time_ns()}\n")
    took_s = 0.0

    async def deploy(_: list[Visitor]) -> None:
        nonlocal took_s
        began = time.monotonic()
        await asyncio.to_thread(flyball, directory, "deploy")
        took_s = time.monotonic() - began

    figures, _ = await _under_load(directory, rate, seconds, deploy)
    return {**figures, "deploy s": took_s}


async def kill(directory: Path, rate: float, seconds: float) -> Figures:
    """All instances of one region at once, and its return."""
    killed_at = 0.0

    async def end(visitors: list[Visitor]) -> None:
        nonlocal killed_at
        pids = [one["pid"] for one in _instances(await asyncio.to_thread(processes, directory)) if one["pid"]]
        killed_at = time.monotonic()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        await _until(directory, lambda _: _away_and_back(visitors[1], killed_at))

    figures, visitor = await _under_load(directory, rate, seconds, end)
    return {**figures, **_met(visitor, killed_at, BACK_S)}


async def away(directory: Path, rate: float, seconds: float) -> Figures:
    """A region that is gone for a minute, and its return."""
    gone_at, back_at = 0.0, 0.0

    async def end(visitors: list[Visitor]) -> None:
        nonlocal gone_at, back_at
        seen = await asyncio.to_thread(processes, directory)
        region = next(one for one in seen["regions"] if one["name"] == AWAY)
        still = [region["control"]["pid"], region["balancer"]["pid"]]
        gone_at = time.monotonic()
        for pid in still:
            os.kill(pid, signal.SIGSTOP)
        for pid in [one["pid"] for one in _instances(seen) if one["pid"]]:
            os.kill(pid, signal.SIGKILL)
        try:
            await asyncio.sleep(GONE_S)
        finally:
            back_at = time.monotonic()
            for pid in still:
                os.kill(pid, signal.SIGCONT)
        await _until(directory, lambda _: _away_and_back(visitors[1], back_at))

    figures, visitor = await _under_load(directory, rate, seconds, end)
    late = [one for one in visitor.answers if one.at >= back_at]
    home = sorted(one.at for one in late if one.region == AWAY and one.status == 201)
    return {
        **figures,
        **_met(visitor, gone_at, RETURN_S),
        "first at home s": home[0] - back_at if home else 0.0,
        "errors on return": float(sum(one.status != 201 for one in late)),
    }


CASES = {"rollout": rollout, "kill": kill, "away": away}


def _met(visitor: Visitor, since: float, back_s: float) -> Figures:
    """What the visitors of the region met since it went: errors, other regions, and the first seconds of its return."""
    after = [one for one in visitor.answers if one.at >= since]
    errors = [one.at for one in after if one.status != 201]
    away = [one.at for one in after if one.region == HOME]
    first = min((one.at for one in after if one.region == AWAY and one.at > min(away, default=since)), default=since)
    back = sorted(one.took_s for one in after if first <= one.at < first + back_s and one.region == AWAY)
    return {
        "errors": float(len(errors)),
        "errors s": max(errors, default=since) - since,
        "away s": max(away) - min(away) if away else 0.0,
        "return p99 ms": 1000 * back[int(0.99 * len(back))] if back else 0.0,
        "return max ms": 1000 * back[-1] if back else 0.0,
    }


def _away_and_back(visitor: Visitor, since: float) -> bool:
    """It has met an error or another region since then, and was at home for the last second."""
    met = [one for one in visitor.answers if one.at >= since]
    last = [one for one in met if one.at > time.monotonic() - 1.0]
    well = [one for one in last if one.region == AWAY and one.status == 201]
    return len(met) > len(last) > 0 and len(well) == len(last)


async def _under_load(directory: Path, rate: float, seconds: float, act: Any) -> tuple[Figures, Visitor]:
    """`seconds`, then what `act` does, then `seconds` more; the figures of all of it, and the visitor of `AWAY`."""
    url = (await asyncio.to_thread(processes, directory))["url"]
    visitors = [Visitor(place, url) for place in PLACES]
    with load(directory, rate) as begun:
        visits = [asyncio.ensure_future(one.visit()) for one in visitors]
        await asyncio.sleep(seconds)
        await act(visitors)
        await asyncio.sleep(seconds)
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)
        told = await _told(begun)
    figures: Figures = {}
    for place, result, visitor in zip(PLACES, told, visitors, strict=True):
        refused = sum(one.status != 201 for one in visitor.answers)
        say(f"  {place}: {result['by_status']}, {result['by_region']}, uploads refused {refused}")
        figures[f"sent {place}"] = float(result["sent"] + len(visitor.answers))
        figures[f"failed {place}"] = float(result["failed"] + refused)
        figures[f"p99 ms {place}"] = result["latency_ms"]["p99"] or 0.0
    return {**figures, **await _replicated(directory, [name for one in visitors for name in one.acknowledged])}, (
        visitors[1]
    )


async def _replicated(directory: Path, acknowledged: list[str]) -> Figures:
    """What the regions still lack of these files after a while, and when they had all."""
    stores = [directory / ".flyball" / "regions" / place / "stores" / "uploads" for place in PLACES]
    began = time.monotonic()
    lost = acknowledged
    while lost and time.monotonic() < began + SETTLED_S:
        await asyncio.sleep(0.1)
        lost = [name for name in lost if not all((store / name).exists() for store in stores)]
    lags = await asyncio.to_thread(processes, directory)
    return {
        "uploads": float(len(acknowledged)),
        "lost uploads": float(len(lost)),
        "caught up s": time.monotonic() - began,
        "took s": max(one["took_s"] or 0.0 for one in lags["replication"]),
    }


async def _until(directory: Path, is_so: Any) -> dict[str, Any]:
    """What `ps` says once it is so; exits when it never comes."""
    deadline = time.monotonic() + SETTLED_S
    while not is_so(seen := await asyncio.to_thread(processes, directory)):
        if time.monotonic() > deadline:
            raise SystemExit(f"it did not settle within {SETTLED_S:g} s: {seen['regions']}")
    return seen


def _healthy(seen: dict[str, Any]) -> list[str]:
    return [one["name"] for one in seen["regions"] if one["health"] == "healthy"]


def _instances(seen: dict[str, Any]) -> list[dict[str, Any]]:
    """Those of the region that is killed."""
    return [one for service in seen["services"] if service["region"] == AWAY for one in service["instances"]]


if __name__ == "__main__":
    main()
