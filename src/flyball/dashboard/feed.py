"""The live stream: each decision at once, and the whole state every second, as server-sent events.

A `decision` has its number as id: with `Last-Event-ID` a browser that has lost the stream gets what it missed. A
`state` has no id, since the newest one replaces all others. It is made once for all pages, while any page is open.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import structlog
from fastapi.sse import format_sse_event

from flyball.core.control.reasons import Event, ReasonKind
from flyball.core.errors import FlyballError
from flyball.local.control_api import Control, as_sse
from flyball.local.runtime.runtime import Runtime

from .past import Past
from .requests import RecentRequests
from .snapshot import snapshot
from .spending import Spending

EVERY_S = 1.0
SOON_S = 0.1  # between a decision and the next state, so that one state follows all decisions of a step
DAY_S = 86_400.0
COUNT_EVERY_S = 60.0
MISSED = 1_000  # decisions for a page that comes back
WAITING = 10_000  # decisions that a slow page may lag behind
RETRY_MS = 1_000
_SCALINGS = frozenset({ReasonKind.SCALE_OUT, ReasonKind.SCALE_IN})


log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class _Page:
    """One open page: what it has not been told yet."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    decisions: deque[Event] = field(default_factory=lambda: deque(maxlen=WAITING))
    states_told: int = 0


class Feed:
    """The stream of every open page. `control` is what `control.json` holds."""

    def __init__(self, runtime: Runtime, control: Control, past: Past) -> None:
        self._runtime = runtime
        self._control = control
        self._past = past
        self._spending = Spending(past)
        self._pages: set[_Page] = set()
        self._dirty = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._state = b""
        self._states = 0
        self._scalings: Mapping[str, Mapping[str, int]] = {}
        self._counted_at = 0.0
        runtime.listeners.add(self._heard)

    async def stream(self, after: int | None) -> AsyncIterator[bytes]:
        """The decisions after number `after` (None: only new ones), then everything new, as server-sent events."""
        page = _Page()
        self._pages.add(page)
        if self._task is None or self._task.done():
            page.states_told = self._states  # the newest state is as old as the last page
            self._task = asyncio.ensure_future(self._watch())
            self._task.add_done_callback(_report)
        try:
            yield format_sse_event(retry=RETRY_MS)
            last = 0
            for missed in [] if after is None else await self._missed(after):
                last = missed.id
                yield as_sse(missed)
            while not self._runtime.closing.is_set() and not self._task.done():
                for told in self._news(page, last):
                    yield told
                await page.wake.wait()
                page.wake.clear()
        finally:
            self._pages.discard(page)

    async def _missed(self, after: int) -> list[Event]:
        return await self._past.ask(lambda journal: journal.events(after=after, limit=MISSED))

    def _news(self, page: _Page, last: int) -> list[bytes]:
        news = []
        while page.decisions:
            event = page.decisions.popleft()
            if event.id == 0 or event.id > last:  # an event that came while the old ones were read is among them
                news.append(as_sse(event))
        if page.states_told < self._states:
            page.states_told = self._states
            news.append(self._state)
        return news

    def _heard(self, event: Event) -> None:
        if event.reason.kind in _SCALINGS:
            self._counted_at = 0.0
        for page in self._pages:
            page.decisions.append(event)
            page.wake.set()
        self._dirty.set()

    async def _watch(self) -> None:
        """Make a state every second, and soon after decisions, until no page is open or the control plane ends."""
        ending = asyncio.ensure_future(self._until_closing())
        recent = RecentRequests(self._runtime.balancer.access_log)
        try:
            while self._pages and not self._runtime.closing.is_set():
                self._dirty.clear()
                await self._make_state(recent)
                self._wake_all()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(EVERY_S):
                        await self._dirty.wait()
                    await asyncio.sleep(SOON_S)
        finally:
            ending.cancel()
            self._wake_all()

    async def _make_state(self, recent: RecentRequests) -> None:
        now = self._runtime.clock.now()
        p95_ms = await asyncio.to_thread(recent.read, now)
        if now - self._counted_at > COUNT_EVERY_S:
            self._counted_at = now
            with contextlib.suppress(FlyballError):  # the page keeps the last counts
                self._scalings = await self._past.ask(lambda journal: journal.scalings(now - DAY_S))
        await self._spending.read(now)
        state = snapshot(
            self._runtime, self._control, scalings=self._scalings, p95_ms=p95_ms, spending=self._spending, now=now
        )
        self._state = format_sse_event(event="state", data_str=json.dumps(state, separators=(",", ":")))
        self._states += 1

    async def _until_closing(self) -> None:
        await self._runtime.closing.wait()
        self._dirty.set()
        self._wake_all()

    def _wake_all(self) -> None:
        for page in self._pages:
            page.wake.set()


def _report(task: asyncio.Task[None]) -> None:
    """Log why the states ended. Pages reconnect by themselves."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("no state for the dashboard", error=repr(error))
