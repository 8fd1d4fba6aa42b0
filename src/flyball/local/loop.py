"""The loop: observe, step, apply, write down. All decisions are the core's; this only keeps time.

A tick comes every second (or every `period`, where that is shorter), just after the end of a datapoint; in between the
loop runs when something happened: a process exited or became ready, a build ended, an operator asked for something.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable

import structlog

from flyball.core.control.observation import BuildSeen, Intent, Observation, Replace, Shutdown, StoreSeen
from flyball.core.control.state import Lifecycle, State
from flyball.core.control.step import Step, step
from flyball.core.errors import FlyballError
from flyball.core.model import Application

from .observe import Observer
from .record.journal import Event, Journal

POLL_S = 0.1  # while an instance comes or goes, the balancer's verdict is asked this often
AFTER_BOUNDARY_S = 0.01

log = structlog.get_logger()


class Clock:
    """Wall seconds that never jump: the wall clock at the start, the machine's time since boot from then on.

    Time since boot goes on while a laptop sleeps, where the system has it.
    """

    def __init__(self) -> None:
        self._since = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
        self._offset = time.time() - time.clock_gettime(self._since)

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.clock_gettime(self._since) + self._offset


class Loop:
    """Owns the state. `apply` carries out a step's actions; `publish` hears every event."""

    def __init__(
        self,
        app: Application,
        state: State,
        *,
        journal: Journal,
        observer: Observer,
        apply: Callable[[Step], None],
        publish: Callable[[list[Event], bool], None],
        clock: Clock,
    ) -> None:
        self.app = app
        self.state = state
        self.journal_error: str | None = None
        self._journal = journal
        self._observer = observer
        self._apply = apply
        self._publish = publish
        self._clock = clock
        self._wake = asyncio.Event()
        self._news: list[BuildSeen | StoreSeen] = []
        self._intents: list[tuple[Intent, asyncio.Future[list[Event]]]] = []
        self._ended = False
        self._next_tick = clock.now()

    def wake(self) -> None:
        """Something happened: look again now."""
        self._wake.set()

    def hear(self, news: BuildSeen | StoreSeen) -> None:
        """A build ended, or a store died: tell the next step."""
        self._news.append(news)
        self.wake()

    async def submit(self, intent: Intent) -> list[Event]:
        """Give an operator's intent to the next step; that step's events of its service, once they are written down.

        None when the loop has ended: nobody will take it.
        """
        if self._ended:
            return []
        answer: asyncio.Future[list[Event]] = asyncio.get_running_loop().create_future()
        self._intents.append((intent, answer))
        self.wake()
        return await answer

    async def run(self, until: Callable[[State], bool]) -> None:
        """Step until `until` holds for the state."""
        try:
            while not until(self.state):
                await self._step(sampled=await self._wait())
        finally:
            self._ended = True
            for _, answer in self._intents:
                if not answer.done():
                    answer.set_result([])

    async def _step(self, *, sampled: bool) -> None:
        try:
            await self._once(sampled=sampled)
        except (FlyballError, OSError) as error:  # a full disk is told in a line
            log.warning("step failed", error=str(error))
        except Exception:  # the driver's one broad except: the next observation shows what failed
            log.exception("step failed")

    async def _wait(self) -> bool:
        """Wait for the tick (True) or for something to happen (False)."""
        timeout_s = self._next_tick - self._clock.now()
        if timeout_s > 0:
            if self._changing():
                timeout_s = min(timeout_s, POLL_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):  # not wait_for, which before 3.12 may swallow a cancellation
                    await self._wake.wait()
        self._wake.clear()
        now = self._clock.now()
        if now < self._next_tick:
            return False
        tick_s = min([1.0, *(service.scaling.period_s for service in self.app.services)])
        ticks = math.floor((now - self.state.origin) / tick_s) + 1
        self._next_tick = self.state.origin + ticks * tick_s + AFTER_BOUNDARY_S
        return True

    def _changing(self) -> bool:
        return any(
            one.lifecycle is Lifecycle.DRAINING or (one.lifecycle is Lifecycle.LAUNCHING and one.ready_at is not None)
            for one in self.state.instances
        )

    async def _once(self, *, sampled: bool) -> None:
        news, self._news = self._news, []
        intents, self._intents = self._intents, []
        now = self._clock.now()
        before = self.state
        try:
            seen = await self._observer.observe(
                news=news, intents=[intent for intent, _ in intents], sampled=sampled, now=now
            )
            done = step(self.app, before, seen, now=now)
            quiet = not (sampled or done.actions or done.reasons or intents or news)
            # Written down before it is carried out: after a crash in between, the next step asks for the same again.
            events = [] if quiet and done.state == before else self._write(before, seen, done, now)
            self.state = done.state
        except BaseException as error:
            self._news = [*news, *self._news]  # it happens once, so nobody else would tell
            for _, answer in intents:
                if not answer.done():
                    answer.set_exception(error)
            raise
        for intent, answer in intents:
            if not answer.done():
                answer.set_result(_of_its_service(intent, events))
        try:
            self._apply(done)
            self._observer.forget_gone()
        finally:  # what was decided is told, also when it could not be carried out: it will be asked for again
            self._publish(events, sampled)

    def _write(self, before: State, seen: Observation, done: Step, now: float) -> list[Event]:
        try:
            events = self._journal.record(self.app, before, seen, done, now=now)
            self.journal_error = None
        except FlyballError as error:
            # The application matters more than its diary: go on, say it once.
            if self.journal_error is None:
                log.warning("going on without the journal", error=str(error))
            self.journal_error = str(error)
            events = [Event(id=0, at=now, reason=reason) for reason in done.reasons]
        return events


def _of_its_service(intent: Intent, events: list[Event]) -> list[Event]:
    """In the same step another service may have news of its own, such as a release of another number."""
    if isinstance(intent, Replace | Shutdown):
        return events
    return [event for event in events if event.reason.service in {intent.service, ""}]
