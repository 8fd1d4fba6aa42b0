"""The session app under load while it is scaled, rolled out, rolled back, and any one part is killed or stopped.

python -m benchmarks.endurance
python -m benchmarks.endurance --requests 1000000 --rate 200

Visitors count their own views in Redis and upload files, each on a connection of its own. A round does everything once;
rounds go on until so many requests were sent. Failures are counted by what went on and by cause. A view that a visitor
was told of and that is missing at its next one, or an upload that was acknowledged and is gone in the end, is a lost
write. "0" stands where the documentation promises that nothing fails.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from benchmarks.harness import ROOT, arguments, save, say
from benchmarks.product import FLYBALL, application, flyball, processes

from flyball.local.paths import StateDirectory
from flyball.local.process import processes as local
from flyball.local.process.ports import free_port

VISITORS = 20
UPLOAD_EVERY = 10
PATIENCE_S = 60.0
PROMISED = ("calm", "scale out", "scale in", "rollout", "rollback", "kill control plane", "stop control plane")


@dataclass(slots=True)
class Tally:
    """What came of the requests. `doing` is what goes on."""

    doing: str = "calm"
    sent: Counter[str] = field(default_factory=Counter)
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    uploaded: set[str] = field(default_factory=set)
    views_lost: int = 0
    over: bool = False

    def count(self, doing: str, cause: str) -> None:
        """One request ended; `cause` is "" when it was answered well."""
        self.sent[doing] += 1
        if cause:
            self.failed[self.doing if self.doing != "calm" else doing, cause] += 1


async def visitor(number: int, url: str, pace_s: float, tally: Tally) -> None:
    """Views and uploads, one after another, at a pace, until it is over."""
    views, asked = 0, 0
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(timeout=timeout, cookie_jar=jar) as session:
        due = time.monotonic() + pace_s * number / VISITORS
        while not tally.over:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due, asked, doing = max(due + pace_s, time.monotonic() - 1.0), asked + 1, tally.doing
            name = f"v{number}-{asked}.txt" if asked % UPLOAD_EVERY == 0 else ""
            try:
                if name:
                    async with session.put(f"{url}/upload/{name}", data=name.encode()) as answer:
                        await answer.read()
                        cause = "" if answer.status < 300 else f"PUT {answer.status}"
                        tally.uploaded |= {name} if not cause else set()
                else:
                    async with session.get(f"{url}/session") as answer:
                        body = await answer.read()
                        cause = "" if answer.status == 200 else f"GET {answer.status}"
                    if not cause:
                        found = int(json.loads(body)["views"])
                        tally.views_lost += max(0, views + 1 - found) if views else 0
                        views = found
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                cause = f"{'PUT' if name else 'GET'} {type(error).__name__}"
            tally.count(doing, cause)


async def command(directory: Path, *words: str) -> int:
    """Run a verb beside the load; its exit code."""
    started = await asyncio.create_subprocess_exec(
        *FLYBALL, *words, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return await started.wait()


class Deeds:
    """All that is done to the application."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.paths = StateDirectory(directory / ".flyball")

    async def now(self) -> dict[str, Any]:
        """What `ps` says, once there is a control plane."""
        while True:
            with suppress(SystemExit):
                return await asyncio.to_thread(processes, self.directory)
            await asyncio.sleep(0.5)

    async def scale_out(self) -> None:
        await command(self.directory, "scale", "app=4", "--hold", "1m")
        await self.until(lambda ps: ps["services"][0]["capacity"]["in_service"] >= 4)

    async def scale_in(self) -> None:
        await command(self.directory, "scale", "app=2")
        await self.until(lambda ps: len(ps["services"][0]["instances"]) == 2)

    async def rollout(self) -> None:
        (self.directory / "session_app" / "touched.py").write_text(f"AT = {time.time()}\n")
        await command(self.directory, "deploy", "app")

    async def rollback(self) -> None:
        await command(self.directory, "rollback", "app")

    async def hit(self, part: str, number: int) -> None:
        """Kill or stop a part, and wait until all is well again."""
        ps = await self.now()
        pids = {
            "instance": ps["services"][0]["instances"][0]["pid"],
            "balancer": ps["balancer"]["pid"],
            "control plane": ps["control"]["pid"],
            "Redis": json.loads((self.paths.processes / "store-sessions.json").read_text())["pid"],
        }
        hurt = local.identify(pids[part])
        os.kill(pids[part], number)
        await asyncio.sleep(3.0)
        if part == "control plane":
            with suppress(ProcessLookupError):
                os.kill(pids[part], signal.SIGKILL)  # who stopped it ends it; nobody else would
            await command(self.directory, "up", "-d")
        elif hurt is not None:
            while local.alive(hurt):
                await asyncio.sleep(0.2)
        await self.until(well)

    async def until(self, holds: Callable[[dict[str, Any]], bool]) -> None:
        end = time.monotonic() + 180
        while not holds(await self.now()):
            if time.monotonic() > end:
                say("  it did not come about within 180 s")
                return
            await asyncio.sleep(0.5)


def well(ps: dict[str, Any]) -> bool:
    """Both instances serve, and a balancer stands by."""
    states = [(one["lifecycle"], one["health"]) for one in ps["services"][0]["instances"]]
    second = ps["balancer"]["standby"]
    return states == [("in_service", "healthy")] * 2 and second is not None and psutil.pid_exists(second)


def rounds(deeds: Deeds) -> dict[str, Callable[[], Awaitable[None]]]:
    """What a round does, by name."""
    found: dict[str, Callable[[], Awaitable[None]]] = {
        "scale out": deeds.scale_out,
        "scale in": deeds.scale_in,
        "rollout": deeds.rollout,
        "rollback": deeds.rollback,
    }
    for part in ("instance", "balancer", "control plane", "Redis"):
        for word, number in (("kill", signal.SIGKILL), ("stop", signal.SIGSTOP)):
            found[f"{word} {part}"] = lambda part=part, number=number: deeds.hit(part, number)  # type: ignore[misc]
    return found


async def endure(directory: Path, url: str, requests: int, rate: float) -> Tally:
    """Rounds under load until so many requests were sent."""
    tally, deeds = Tally(), rounds(Deeds(directory))
    visitors = [asyncio.ensure_future(visitor(number, url, VISITORS / rate, tally)) for number in range(VISITORS)]
    while tally.sent.total() < requests:
        for name, deed in deeds.items():
            tally.doing = name
            await deed()
            await asyncio.sleep(2.0)
            tally.doing = "calm"
            await asyncio.sleep(2.0)
            if tally.sent.total() >= requests:
                break
        say(f"  {tally.sent.total()} requests, {tally.failed.total()} failed")
    tally.over = True
    await asyncio.gather(*visitors)
    return tally


async def missing(url: str, names: set[str]) -> int:
    """How many acknowledged uploads are gone."""
    lost = 0
    async with aiohttp.ClientSession() as session:
        for name in sorted(names):
            async with session.get(f"{url}/upload/{name}") as answer:
                lost += answer.status != 200 or await answer.read() != name.encode()
    return lost


def main() -> None:
    parser = arguments(__doc__, runs=1, seconds=0)
    parser.add_argument("--requests", type=int, default=20_000, help="how many are sent at least")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second")
    options = parser.parse_args()
    source = ROOT / "apps" / "session-app"
    text = (source / "flyball.toml").read_text() + "\n[listener]\nstandby = true\n"
    with application(source, text) as (_, directory):
        port = free_port()
        flyball(directory, "up", "-d", "--port", str(port))
        url = f"http://127.0.0.1:{port}"
        tally = asyncio.run(endure(directory, url, options.requests, options.rate))
        lost = asyncio.run(missing(url, tally.uploaded))
    print(f"\n{'what went on':<20}{'sent':>9}{'failed':>8}{'promised':>10}  causes")
    for name in sorted(tally.sent, key=lambda one: one != "calm"):
        causes = {cause: count for (doing, cause), count in sorted(tally.failed.items()) if doing == name}
        told = ", ".join(f"{count} {cause}" for cause, count in causes.items())
        promised = "0" if name in PROMISED else ""
        print(f"{name:<20}{tally.sent[name]:>9}{sum(causes.values()):>8}{promised:>10}  {told}")
    print(f"{tally.sent.total()} requests; acknowledged writes lost: {tally.views_lost} views, {lost} uploads")
    if options.save:
        causes = {f"{doing}: {cause}": count for (doing, cause), count in sorted(tally.failed.items())}
        figures = {"sent": dict(tally.sent), "failed": causes, "views_lost": tally.views_lost, "uploads_lost": lost}
        save("endurance", figures)


if __name__ == "__main__":
    main()
