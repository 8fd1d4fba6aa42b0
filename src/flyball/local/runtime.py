"""The control plane of one application on this machine: what an operator, a push or the file can ask of it.

Envoy, the stores and the instances outlive it: `stop` ends everything, `leave` ends only the control plane.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

import structlog

from flyball.core.control.observation import Deploy, Intent, ReleaseSpec, Rollback, Shutdown
from flyball.core.control.reasons import Event
from flyball.core.control.state import ReleaseStatus, State
from flyball.core.control.verdicts import current
from flyball.core.errors import Failed, FlyballError
from flyball.core.model import Application, Service
from flyball.core.plan import must_be_possible
from flyball.core.view import look
from flyball.core.view.as_json import Place
from flyball.core.view.views import ApplicationView

from . import changes
from .apply import Applier
from .envoy import certificate
from .loop import Clock, Inbox, Loop
from .machine import Machine
from .observe import Observer
from .pipeline import git_remote
from .pipeline.git_remote import Remote
from .pipeline.pipeline import Pipeline
from .process import times
from .record.history import History
from .record.journal import Journal
from .releases.specs import Specs, needed

log = structlog.get_logger()
Listener = Callable[[Event], None]
KEEP_EVERY_S = 2.0


class Runtime:
    """One application, running. `flyball.local.start` makes it, complete.

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
        taken_over: tuple[str, ...],
        remote: Remote | None,
        ending: contextlib.AsyncExitStack,
    ) -> None:
        self.file = file
        self.paths, self.limits, self.stores = machine.paths, machine.limits, machine.stores
        self.instances, self.balancer = machine.instances, machine.balancer
        self.journal = journal
        self.clock = clock
        self.taken_over = taken_over
        self.remote = remote
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
        self.pipeline = Pipeline(self)
        self.specs = Specs(file.parent, machine.paths.releases, journal)
        self.listeners: set[Listener] = set()
        self.stopping = False
        self.closing = asyncio.Event()  # set when the control plane ends: open streams end with it
        self._machine = machine
        self._inbox = inbox
        self._applier = applier
        self._history = History(journal)
        self._converged = asyncio.Event()
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
    def inside_url(self) -> str:
        """Address of the application for its own services."""
        return self._applier.door.inside_url(self.app)

    def now(self) -> float:
        """Seconds since the epoch, on the loop's clock."""
        return self.clock.now()

    async def run(self) -> None:
        """Step until everything is stopped by `stop`, or this task is cancelled."""
        beside = [asyncio.ensure_future(work) for work in (self._keep_house(), self._take_pushes(), self._note_times())]
        try:
            await self.loop.run(lambda state: state.shutting_down and not state.instances)
        finally:
            for work in beside:
                work.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _take_pushes(self) -> None:
        await self._converged.wait()  # else a push that waited would be compared to nothing
        await self.pipeline.run()

    async def _note_times(self) -> None:
        notes = times.Notes()
        while True:
            with contextlib.suppress(OSError):  # a full disk: the lines are only dated less exactly
                for instance in self.instances.running:
                    notes.take(self.instances.log(instance), self.now())
            await asyncio.sleep(times.NOTE_EVERY_S)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            try:
                for seen in await self._machine.keep():
                    self._inbox.hear(seen)
            except (FlyballError, OSError) as error:
                log.warning("housekeeping", error=str(error))

    async def converge(self, *, note: str = "up", anew: bool = False) -> dict[str, int | None]:
        """Ask for a release of every service that differs from what runs; the releases made, by service.

        Unless `anew`, what lies beside the file counts only when it has changed since it was last looked at: neither
        a push from elsewhere nor a rollback is undone by the next `up`. Until a release has served, each `up` tries.
        """
        made: dict[str, int | None] = {}
        for service in self.app.services:
            spec = await self.spec(service, self.source(service))
            serving = current(self.state, service.name)
            known = next((one.releases for one in self.state.services if one.name == service.name), ())
            first = all(one.status in {ReleaseStatus.FAILED, ReleaseStatus.BUILD_FAILED} for one in known)
            looked_at = self.specs.looked_at(service.name, spec)
            if (serving is None or serving.spec != spec) and (first or anew or not looked_at):
                events = await self.submit(Deploy(service=service.name, spec=spec, note=note))
                made[service.name] = next((one.reason.release for one in events if one.reason.release), None)
        self._converged.set()
        return made

    async def deploy(self, name: str, *, source: Path | None = None, note: str = "") -> list[Event]:
        """Make a release of a service from a directory (the file's own by default) and begin to roll it out."""
        service = self._service(name)
        spec = await self.spec(service, source or self.source(service))
        if source is None:
            self.specs.looked_at(name, spec)
        return await self.submit(Deploy(service=name, spec=spec, note=note))

    async def rollback(self, name: str, release: int | None) -> list[Event]:
        """Begin to roll out an earlier release."""
        return await self.submit(Rollback(service=self._service(name).name, release=release))

    async def submit(self, intent: Intent) -> list[Event]:
        """Give an operator's intent to the loop; the events of the step that took it."""
        return await self._inbox.submit(intent)

    async def change(self, app: Application, *, pushed: bool = False) -> None:
        """Run a changed file (the one beside us, or a `pushed` one) from the next step on.

        Raises FileError for what cannot change while it runs.
        """
        must_be_possible(self.app, app)
        certificate.must_be_usable(app.listener, home=self.file.parent)
        changes.remember(self.journal, self.file, app if pushed else None)
        await self.stores.ensure(app, self.paths)
        before, self.loop.app = self.app.pipeline, app
        if app.pipeline != before:
            self.remote = await git_remote.offer(self.paths, self.file, app)
        self._applier.push(self.app, self.state)
        self._inbox.wake()

    def _service(self, name: str) -> Service:
        try:
            return self.app.service(name)
        except KeyError as error:
            names = ", ".join(one.name for one in self.app.services)
            raise Failed(f"there is no service {name!r}; there is: {names}") from error

    def source(self, service: Service) -> Path:
        """Where the source of a service lies beside the file."""
        return self.specs.source(service)

    async def spec(self, service: Service, source: Path) -> ReleaseSpec:
        """Keep a copy of the source and say what a release of it would be."""
        return await self.specs.make(service, source, needed=lambda: needed(self.state))

    # Telling

    def _publish(self, events: list[Event], sampled: bool) -> None:
        for event in events:
            for listener in list(self.listeners):
                listener(event)
        if sampled and self.loop.journal_error is None:
            self._history.record(self.view(), now=self.clock.now())

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
