"""The loop: observe, step, apply, write down. All decisions are the core's; this only keeps time.

Beside its ticks the loop runs when something happened: a process exited or became ready, a build ended, an operator
asked for something.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from flyball.core.control import cadence
from flyball.core.control.news import Mishap, StoreSeen
from flyball.core.control.observation import BuildSeen, Intent, Observation, Replace, Shutdown
from flyball.core.control.reasons import Event
from flyball.core.control.state import State
from flyball.core.control.step import Step, step
from flyball.core.errors import FlyballError
from flyball.core.model import Application
from flyball.core.view.look import with_samples_of

from .observe import Observer
from .record.journal import Journal

News = BuildSeen | StoreSeen | Mishap
Asked = tuple[Intent, asyncio.Future[list[Event]]]

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


@dataclass(slots=True, eq=False)
class Inbox:
    """What waits for the next step: intents of operators, ends of builds, deaths of stores and of the balancer.

    Each wakes the loop.
    """

    news: list[News] = field(default_factory=list)
    intents: list[Asked] = field(default_factory=list)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _closed: bool = False

    def wake(self) -> None:
        """Something happened: look again now."""
        self._wake.set()

    def hear(self, news: News) -> None:
        """A build ended, or a part died: tell the next step."""
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


class Loop:
    """Owns the application as it is now, its state, its inbox, and what was `seen` last, with the newest samples.

    `apply` carries out a step's actions; `publish` hears every event.
    """

    def __init__(
        self,
        app: Application,
        state: State,
        *,
        journal: Journal,
        observer: Observer,
        inbox: Inbox,
        apply: Callable[[Application, Step], None],
        publish: Callable[[list[Event], bool], None],
        clock: Clock,
    ) -> None:
        self.app = app
        self.state = state
        self.seen = Observation()
        self.journal_error: str | None = None
        self._journal = journal
        self._observer = observer
        self.inbox = inbox
        self._apply = apply
        self._publish = publish
        self._clock = clock
        self._next_tick = clock.now()

    async def run(self, until: Callable[[State], bool]) -> None:
        """Step until `until` holds for the state."""
        try:
            while not until(self.state):
                await self._step(sampled=await self._wait())
        finally:
            self.inbox.close()

    async def _step(self, *, sampled: bool) -> None:
        try:
            await self._once(sampled=sampled)
        except (FlyballError, OSError) as error:  # a full disk is told in a line
            log.warning("step failed", error=str(error))
        except Exception:  # the driver's one broad except: the next observation shows what failed
            log.exception("step failed")

    async def _wait(self) -> bool:
        """Wait for the tick (True) or for something to happen (False)."""
        now = self._clock.now()
        await self.inbox.wait(cadence.next_look(self.app, self.state, tick=self._next_tick, now=now) - now)
        now = self._clock.now()
        if now < self._next_tick:
            return False
        self._next_tick = cadence.next_tick(self.app, self.state, now=now)
        return True

    async def _once(self, *, sampled: bool) -> None:
        news, intents = self.inbox.take()
        now = self._clock.now()
        before = self.state
        try:
            seen = replace(
                await self._observer.observe(sampled=sampled, now=now, glanced=cadence.glanced(self.app)),
                builds=tuple(one for one in news if isinstance(one, BuildSeen)),
                stores=tuple(one for one in news if isinstance(one, StoreSeen)),
                mishaps=tuple(one for one in news if isinstance(one, Mishap)),
                intents=tuple(intent for intent, _ in intents),
            )
            done = step(self.app, before, seen, now=now)
            quiet = not (sampled or done.actions or done.reasons or intents or news)
            # Written down before it is carried out: after a crash in between, the next step asks for the same again.
            events = [] if quiet and done.state == before else self._write(before, seen, done, now)
            self.state, self.seen = done.state, with_samples_of(seen, self.seen)
        except BaseException as error:
            self.inbox.news[:0] = news  # it happens once, so nobody else would tell
            for _, answer in intents:
                if not answer.done():
                    answer.set_exception(error)
            raise
        for intent, answer in intents:
            if not answer.done():
                answer.set_result(_of_its_service(intent, events))
        try:
            self._apply(self.app, done)
            self._observer.forget_gone()
        finally:  # what was decided is told, also when it could not be carried out: it will be asked for again
            self._publish(events, sampled)

    def _write(self, before: State, seen: Observation, done: Step, now: float) -> list[Event]:
        try:
            events = self._journal.record(self.app, before, seen, done, now=now)
            self.journal_error = None
        except FlyballError as error:
            # The application matters more than its diary: it keeps running, and this is said once.
            if self.journal_error is None:
                log.warning("running without the journal", error=str(error))
            self.journal_error = str(error)
            events = [Event(id=0, at=now, reason=reason) for reason in done.reasons]
        return events


def _of_its_service(intent: Intent, events: list[Event]) -> list[Event]:
    """In the same step another service may have news of its own, such as a release of another number."""
    if isinstance(intent, Replace | Shutdown):
        return events
    return [event for event in events if event.reason.service in {intent.service, ""}]
