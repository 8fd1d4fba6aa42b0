"""The control plane of one application on this machine: it runs, tells and ends; `deploys` changes what it runs.

Envoy, the stores and the instances outlive it: `stop` ends everything, `leave` ends only the control plane.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import structlog

from flyball.core.control.news import Mishap
from flyball.core.control.observation import Intent, Shutdown
from flyball.core.control.reasons import Event
from flyball.core.control.state import State
from flyball.core.errors import FlyballError
from flyball.core.model import Application
from flyball.core.view import look
from flyball.core.view.as_json import Place
from flyball.core.view.shapes import CertificateJson
from flyball.core.view.views import ApplicationView
from flyball.local.apply import Applier
from flyball.local.background import background
from flyball.local.deploys import Deploys
from flyball.local.envoy.issuing import Issuing
from flyball.local.loop import Clock, Inbox, Loop
from flyball.local.machine import Door, Machine
from flyball.local.observe import Observer
from flyball.local.pipeline.git_remote import Remote
from flyball.local.pipeline.pipeline import Pipeline
from flyball.local.process.walls.walls import describe
from flyball.local.record.journal import Journal
from flyball.local.record.refusals import Refusals

log = structlog.get_logger()
Listener = Callable[[Event], None]
KEEP_EVERY_S = 2.0


class Runtime:
    """One application, running. `flyball.local.runtime.start` makes it, complete.

    Use: `await run()` in a task, then `await stop()` and `await finish()`, or `await leave()`.
    """

    def __init__(
        self,
        app: Application,
        state: State,
        *,
        file: Path,
        machine: Machine,
        journal: Journal,
        clock: Clock,
        inbox: Inbox,
        applier: Applier,
        issuing: Issuing,
        taken_over: tuple[str, ...],
        balancer_ran: bool,
        remote: Remote | None,
        ending: contextlib.AsyncExitStack,
    ) -> None:
        self.file = file
        self.paths, self.limits, self.stores = machine.paths, machine.limits, machine.stores
        self.instances, self.balancer = machine.instances, machine.balancer
        self.walls = machine.walls
        self.journal = journal
        self.clock = clock
        self.taken_over = taken_over
        self.loop = Loop(
            app,
            state,
            journal=journal,
            observer=Observer(machine.instances, machine.balancer, machine.limits),
            inbox=inbox,
            apply=applier.apply,
            publish=self._publish,
            clock=clock,
        )
        self.deploys = Deploys(file, machine.paths, journal=journal, loop=self.loop, applier=applier, remote=remote)
        self.pipeline = Pipeline(self)
        self.refusals = Refusals(None if balancer_ran else {})
        self.listeners: set[Listener] = set()
        self.stopping = False
        self.closing = asyncio.Event()  # set when the control plane ends: open streams end with it
        self._machine = machine
        self._applier = applier
        self._issuing = issuing
        self._ending = ending

    # Running

    @property
    def app(self) -> Application:
        """The application as its file has it now."""
        return self.loop.app

    @property
    def state(self) -> State:
        """What the loop remembers now."""
        return self.loop.state

    @property
    def url(self) -> str:
        """Address of the application."""
        return self._applier.door.url(self.app)

    @property
    def door(self) -> Door:
        """Where the balancer listens."""
        return self._applier.door

    @property
    def inside_url(self) -> str:
        """Address of the application for its own services."""
        return self._applier.door.inside_url(self.app)

    @property
    def boundary(self) -> str:
        """Who reaches whom, in one sentence."""
        return describe(self.walls)

    @property
    def certificate(self) -> CertificateJson | None:
        """The certificate that visitors see; None without TLS."""
        return self._applier.certificate(self.app)

    def now(self) -> float:
        """Seconds since the epoch, on the loop's clock."""
        return self.clock.now()

    async def run(self) -> None:
        """Step until everything is stopped by `stop`, or this task is cancelled."""
        async with background(
            self._keep_house,
            self._take_pushes,
            lambda: self._machine.note_times(self.now),
            lambda: self._issuing.run(lambda: self.app.listener.tls),
        ):
            await self.loop.run(lambda state: state.shutting_down and not state.instances)

    async def _take_pushes(self) -> None:
        await self.deploys.converged.wait()  # else a push that waited would be compared to nothing
        await self.pipeline.run()

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            try:
                for mishap in self._machine.room.news():  # by itself: on a full disk what follows may fail
                    self.loop.inbox.hear(mishap)
                for seen in await self._machine.keep():
                    self.loop.inbox.hear(seen)
                for mishap in await self._refused():
                    self.loop.inbox.hear(mishap)
            except (FlyballError, OSError) as error:
                log.warning("housekeeping", error=str(error))

    async def _refused(self) -> tuple[Mishap, ...]:
        firewall = self.app.listener.firewall
        if not firewall.rules or (matched := await self.balancer.matched()) is None:
            return ()
        return self.refusals.add({**matched, **self._machine.judging.matched()}, firewall, now=self.now())

    async def submit(self, intent: Intent) -> list[Event]:
        """Give an operator's intent to the loop; the events of the step that took it."""
        return await self.loop.inbox.submit(intent)

    # Telling

    def _publish(self, events: list[Event], sampled: bool) -> None:
        for event in events:
            for listener in list(self.listeners):
                listener(event)
        if sampled and self.loop.journal_error is None:
            self.journal.record_view(self.view(), now=self.clock.now())

    def told(self, since: float) -> list[Event]:
        """The events since then, from the journal."""
        return self.journal.events(since=since)

    def view(self) -> ApplicationView:
        """The application as every reader shows it."""
        return look.application(self.app, self.state, self.loop.seen)

    def places(self) -> dict[str, Place]:
        """Process and port of each instance that runs."""
        return {
            one.id: Place(None if one.process is None else one.process.pid, one.port)
            for one in self.instances.running.values()
        }

    # Ending

    async def stop(self) -> None:
        """Drain and stop every instance, then the balancer and the stores. `run` must be running."""
        self.stopping = True
        await self.submit(Shutdown())

    async def finish(self) -> None:
        """After `run` ended by `stop`: stop balancer and stores, leave the data."""
        self.instances.forget(())
        await self._machine.stop()
        await self.leave()

    async def leave(self) -> None:
        """End the control plane and leave everything running, for the next one to take over."""
        self.closing.set()
        await self._applier.close()
        self.pipeline.close()
        await self._ending.aclose()
