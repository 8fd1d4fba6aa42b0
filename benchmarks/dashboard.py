"""What the dashboard costs: the control plane's share of a core without and with open pages, and the page in a browser.

python -m benchmarks.dashboard [--instances 100] [--pages 2]

`flyball up -d` starts real instances (each the smallest possible process); a day of history is written into the journal
before. Then: CPU of the control plane with no page and with two pages open, in turns; time to the first paint and until
the charts of 24 hours stand; the browser's memory while a page is told an hour's decisions.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
from benchmarks.control_plane import MANIFEST, SETTLE_S
from benchmarks.harness import Figures, Missing, arguments, medians, program, save, say, show, tree_cpu_s
from benchmarks.product import application, flyball, processes

from flyball.local.process.ports import free_port

DAY_MINUTES = 24 * 60
BURSTS, PER_BURST = 10, 720  # 7,200 decisions: two in a second, for an hour
DONE = "the last of this burst"


def main() -> None:
    parser = arguments(__doc__, runs=3, seconds=15)
    parser.add_argument("--instances", type=int, default=100)
    parser.add_argument("--pages", type=int, default=2)
    options = parser.parse_args()
    program("chromium", "chromium")
    run = f"{sys.executable} -I -S {Path(__file__).with_name('tiny_instance.py')}"
    with application(None, MANIFEST.format(run=run, count=options.instances)) as (_, directory):
        say(f"starting {options.instances} instances")
        flyball(directory, "up", "-d", "--port", str(free_port()))
        write_a_day(directory / ".flyball" / "journal.db")
        time.sleep(SETTLE_S)
        samples = asyncio.run(measure(processes(directory), options))
    say(f"{options.instances} instances, {options.pages} pages, 24 h of history")
    for name, figures in samples.items():
        show(name, {"": figures})
    if options.save:
        save("dashboard", {"medians": medians(samples), "samples": samples})


def write_a_day(journal: Path) -> None:
    """One row a minute for 24 hours, as the control plane would have written."""
    now = time.time() // 60 * 60
    row = {"rps": 120.0, "eps": 0.1, "cpu": 47.5, "memory": 12.0, "p50": 3.2, "p95": 9.1, "p99": 14.0}
    data = json.dumps(row | {"desired": 100, "in_service": 100})
    rows = [(60, now - 60 * minute, "web", data) for minute in range(2, DAY_MINUTES)]
    with closing(sqlite3.connect(journal, timeout=30)) as database, database:
        database.executemany("INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?)", rows)


async def measure(said: dict[str, Any], options: Any) -> dict[str, list[Figures]]:
    """All figures, with one browser."""
    try:
        from playwright.async_api import async_playwright  # noqa: PLC0415
    except ImportError as error:
        raise Missing("playwright is not installed; pip install --group browser") from error
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--enable-precise-memory-info", "--js-flags=--expose-gc"],
        )
        control, url = said["control"]["pid"], said["dashboard"]
        shares = [await _shares(browser, control, url, options) for _ in range(options.runs)]
        paints = [await _paint(browser, url, options.instances) for _ in range(options.runs)]
        memory = [await _memory(browser, url)]
        await browser.close()
    return {"control plane, % of a core": shares, "page": paints, "browser, an hour of decisions": memory}


async def _shares(browser: Any, control: int, url: str, options: Any) -> Figures:
    alone = await _share(control, options.seconds)
    pages = [await _opened(browser, url) for _ in range(options.pages)]
    await asyncio.sleep(2.0)
    watched = await _share(control, options.seconds)
    for page in pages:
        await page.context.close()
    await asyncio.sleep(2.0)
    return {"no page": alone, "pages open": watched, "the pages": watched - alone}


async def _share(pid: int, seconds: float) -> float:
    began, before = time.monotonic(), tree_cpu_s(pid)
    await asyncio.sleep(seconds)
    return 100 * (tree_cpu_s(pid) - before) / (time.monotonic() - began)


async def _opened(browser: Any, url: str) -> Any:
    page = await (await browser.new_context()).new_page()
    await page.goto(url)
    await page.goto(url.partition("?")[0] + "?range=86400")
    await page.locator("#live[data-live=yes]").wait_for()
    await page.locator("#why-web canvas").first.wait_for()
    return page


async def _paint(browser: Any, url: str, rows: int) -> Figures:
    page = await (await browser.new_context()).new_page()
    await page.goto(url)
    began = time.monotonic()
    await page.goto(url.partition("?")[0] + "?range=86400", wait_until="commit")
    await page.locator("tr[id^=instance-]").nth(rows - 1).wait_for()
    await page.locator("#why-web canvas").nth(1).wait_for()
    charts_ms = 1000 * (time.monotonic() - began)
    paint_ms = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    await page.context.close()
    return {"first paint, ms": paint_ms, "all charts and rows, ms": charts_ms}


async def _memory(browser: Any, url: str) -> Figures:
    """An hour's decisions in bursts, each burst a stream of its own, as after a control plane that came back."""
    state = await _one_state(url)
    told, wanted = 0, asyncio.Semaphore(0)

    async def burst(route: Any) -> None:
        nonlocal told
        await wanted.acquire()
        first, told = 1_000_000 + told * PER_BURST, told + 1
        decisions = [_decision(first + number, number + 1 == PER_BURST) for number in range(PER_BURST)]
        await route.fulfill(content_type="text/event-stream", body="".join(["retry: 200\n\n", state, *decisions]))

    page = await (await browser.new_context()).new_page()
    await page.route("**/api/live*", burst)
    await page.goto(url)
    used = []
    for number in range(1, BURSTS + 1):
        wanted.release()
        last = f"{DONE}: {1_000_000 + number * PER_BURST - 1}"
        await page.locator("#events li").first.filter(has_text=last).wait_for()
        used.append(await page.evaluate("gc(), performance.memory.usedJSHeapSize / 1e6"))
    elements = await page.evaluate("document.querySelectorAll('*').length")
    await page.context.close()
    return {
        "MB after 720": used[0],
        "MB after 3,600": used[4],
        "MB after 7,200": used[-1],
        "elements": elements,
    }


def _decision(number: int, last: bool) -> str:
    reason = f"{DONE}: {number}" if last else f"scale-in held: cooldown, {number} s left"
    event = {"id": number, "at": time.time(), "service": "web", "kind": "held", "from": None, "to": None}
    event |= {"reason": reason, "instance": None, "release": None}
    return f"id: {number}\nevent: decision\ndata: {json.dumps(event)}\n\n"


async def _one_state(url: str) -> str:
    """The first state of the real stream, as it is sent."""
    home, _, token = url.partition("?token=")
    async with (
        aiohttp.ClientSession(headers={"authorization": f"Bearer {token}"}) as session,
        session.get(f"{home}api/live") as answer,
    ):
        text = ""
        while "event: state" not in text or not text.endswith("\n\n"):
            text += (await answer.content.readany()).decode()
    return text[text.index("event: state") :]


if __name__ == "__main__":
    main()
