"""A real browser for the tests of the page; without one they are skipped by name."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

playwright = pytest.importorskip("playwright.async_api", reason="needs playwright")

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--enable-precise-memory-info",
    "--js-flags=--expose-gc",
]
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")


@asynccontextmanager
async def launched() -> AsyncIterator:
    """A browser."""
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


@asynccontextmanager
async def browsing(browser, **context) -> AsyncIterator:
    """A page with cookies of its own. `page.faults` are console errors and uncaught exceptions."""
    place = await browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | context))
    page = await place.new_page()
    page.set_default_timeout(60_000)
    page.faults = []
    page.on("console", lambda message: page.faults.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    try:
        yield page
    finally:
        await place.close()


async def opened(page, url: str) -> None:
    """Open the dashboard and wait until it is live."""
    await page.goto(url)
    await page.locator("#live[data-live=yes]").wait_for()
