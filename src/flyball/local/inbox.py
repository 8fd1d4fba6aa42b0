"""What waits for the next step of the loop: intents of operators, ends of builds, deaths of stores."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

from flyball.core.control.observation import BuildSeen, Intent, StoreSeen
from flyball.local.record.journal import Event

News = BuildSeen | StoreSeen
Asked = tuple[Intent, asyncio.Future[list[Event]]]


@dataclass(slots=True, eq=False)
class Inbox:
    """Whatever happens beside the loop is told here and wakes it."""

    news: list[News] = field(default_factory=list)
    intents: list[Asked] = field(default_factory=list)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _closed: bool = False

    def wake(self) -> None:
        """Something happened: look again now."""
        self._wake.set()

    def hear(self, news: News) -> None:
        """A build ended, or a store died: tell the next step."""
        self.news.append(news)
        self.wake()

    async def submit(self, intent: Intent) -> list[Event]:
        """Give an operator's intent to the next step; that step's events of its service, once they are written down.

        None when the loop has ended: nobody will take it.
        """
        if self._closed:
            return []
        answer: asyncio.Future[list[Event]] = asyncio.get_running_loop().create_future()
        self.intents.append((intent, answer))
        self.wake()
        return await answer

    async def wait(self, timeout_s: float) -> None:
        """Wait until something happens, at most so long."""
        if timeout_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):  # not wait_for, which before 3.12 may swallow a cancellation
                    await self._wake.wait()
        self._wake.clear()

    def take(self) -> tuple[list[News], list[Asked]]:
        """All that waits; from now on the taker has it."""
        taken = self.news, self.intents
        self.news, self.intents = [], []
        return taken

    def close(self) -> None:
        """Nobody will take anything any more."""
        self._closed = True
        for _, answer in self.intents:
            if not answer.done():
                answer.set_result([])
