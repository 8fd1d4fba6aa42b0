"""The page over a real application: it moves, scales, carries out orders; the control plane goes and comes."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import psutil
import pytest

from acceptance.running import Running, result_of
from dashboard.browsing import browsing, needs_chromium, opened
from waiting import soon

pytestmark = [pytest.mark.live, pytest.mark.browser, needs_chromium, pytest.mark.asyncio(loop_scope="module")]

SERVER = """
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"first"
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        print("served", self.path, "<b>bold</b>", flush=True)

class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

Server(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
MANIFEST = """
name = "shop"
[services.web]
run = "python3 -I server.py"
routes = ["/"]
health = "/health"
instances = { min = 1, max = 4 }
[services.web.scale]
target = { requests = 600 }
[services.web.deploy]
drain = "5s"
"""


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "flyball.toml").write_text(MANIFEST)
    running = Running(tmp_path)
    yield running
    running.clean_up()


async def test_a_day_in_the_life_of_a_dashboard(browser, shop):
    await asyncio.to_thread(shop.up)
    said = await asyncio.to_thread(shop.ps)
    async with browsing(browser) as page:
        await opened(page, said["dashboard"])
        await page.locator("#tile-health").get_by_text("Healthy: 1/1 ✓").wait_for()
        await page.locator("#tile-count").get_by_text("0 req/min", exact=True).wait_for()
        load = shop.load("--rate", "40", "--for", "25s", "web")
        try:
            await _it_scales_out(page, shop)
            await _orders_are_carried_out(page, shop)
        finally:
            result = await asyncio.to_thread(result_of, load)
        assert result["failed"] == 0
        assert result["ok"] > 500
        await _the_control_plane_goes_and_comes(page, shop, said["control"]["pid"])
        assert [fault for fault in page.faults if "ERR_" not in fault] == []


async def _it_scales_out(page, shop) -> None:
    await page.locator("#tile-count .big").get_by_text("2,", exact=False).wait_for()
    row = page.locator("#why-web .decisions li[data-kind=scale_out]").first
    await row.wait_for()
    shown_at = time.time()
    [event] = [one for one in await asyncio.to_thread(shop.events) if one["kind"] == "scale_out"][-1:]
    assert shown_at - event["at"] < 30  # it comes by itself: nobody reloads the page
    assert event["reason"] in await row.inner_text()
    await page.locator("#tile-active .big").get_by_text("4", exact=True).wait_for()
    await page.locator("#instances tbody tr").nth(3).wait_for()


async def _orders_are_carried_out(page, shop) -> None:
    await page.locator("#wish-web").fill("2")
    await page.get_by_label("How long policies leave web alone").select_option("300")
    await page.get_by_role("button", name="Scale", exact=True).click()
    await page.locator("#tile-active").get_by_text("wanted 2").wait_for()
    await soon(lambda: asyncio.to_thread(lambda: len(shop.service()["instances"]) == 2), what="two instances")
    first = (await asyncio.to_thread(shop.service))["instances"][0]["id"]
    await page.get_by_role("button", name=f"Drain {first}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    await page.locator(f"#instance-{first}").wait_for(state="detached")
    source = shop.directory / "server.py"
    source.write_text(source.read_text().replace("first", "second"))
    await page.get_by_role("button", name="Deploy web").click()
    await page.get_by_role("dialog").get_by_role("button", name="Deploy").click()
    await page.locator("#release-web-2").get_by_text("serves").wait_for()
    await page.get_by_role("button", name="Roll web back to release 1").click()
    await page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    await page.locator("#release-web-1").get_by_text("serves").wait_for()
    await page.locator("#events li[data-kind=rollout_started]").nth(2).wait_for()


async def _the_control_plane_goes_and_comes(page, shop, pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    await soon(lambda: not _runs(pid), what="the end, which open streams must not hold up")
    await page.locator("#live[data-live=no]").wait_for()
    await asyncio.to_thread(shop.flyball, "up", "-d")
    await page.locator("#live[data-live=yes]").wait_for()
    await page.locator("#tile-health").get_by_text("Healthy: 2/2 ✓").wait_for()
    await page.locator("#why-web .decisions li[data-kind=scale_out]").first.wait_for()
    await page.reload()
    await page.locator("#why-web .decisions li[data-kind=scale_out]").first.wait_for()
    await page.locator("#why-web details").first.locator("summary").click()
    rows = page.locator("#why-web details").first.locator("tbody tr")
    await rows.nth(10).wait_for()


def _runs(pid: int) -> bool:
    """Whether the process still runs; one that nobody has collected yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
