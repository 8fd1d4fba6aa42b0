"""The control plane of one application on this machine: puts the parts together, starts, adopts, stops.

Envoy, the stores and the instances outlive it. A control plane that starts where another one died takes them all over
and starts nothing twice; `stop` ends everything, `leave` ends only the control plane.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
from filelock import FileLock

from flyball.core.control.observation import BuildSeen, Deploy, Intent, ReleaseSpec, Rollback, Shutdown
from flyball.core.control.state import ReleaseStatus, State
from flyball.core.errors import Failed, FlyballError
from flyball.core.model import Application, Service

from . import changes, plan, takeover, view
from .apply import Applier
from .envoy import certificate
from .envoy.balancer import Balancer
from .instances.detect import detect
from .instances.instances import Instances
from .loop import Clock, Loop
from .observe import Observer
from .paths import StateDirectory
from .pipeline import git_remote
from .pipeline.git_remote import Remote
from .pipeline.pipeline import Pipeline
from .process import logs
from .record.history import History
from .record.journal import Event, Journal
from .releases.specs import Specs, needed
from .rollouts import current
from .stores.stores import Stores

log = structlog.get_logger()
Listener = Callable[[Event], None]


class Runtime:
    """One application, running. `file` is its flyball.toml; state lies in `.flyball/` beside it.

    Use: `await start()`, `await run()` in a task, then `await stop()` or `await leave()`.
    """

    def __init__(self, app: Application, *, file: Path, port: int | None = None) -> None:
        self.app = app
        self.file = file
        self.paths = StateDirectory(file.parent / ".flyball")
        self.listeners: set[Listener] = set()
        self.adopted: list[str] = []
        self.stopping = False
        self.remote: Remote | None = None
        self.closing = asyncio.Event()  # set when the control plane ends: open streams end with it
        self._asked_port = port
        self._lock: FileLock | None = None
        self._balancer_adopted = False
        self._converged = asyncio.Event()

    # Starting

    async def start(self) -> None:
        """Bring up stores and balancer, adopt what runs, ask for the releases that the source calls for.

        Raises `Failed` (or a `FileError`) and leaves nothing new behind when that is not possible.
        """
        self.paths.create()
        self._lock = takeover.locked(self.paths.lock, self.app.name)
        self.paths.create()  # again: a control plane that was just ending takes the sockets' directory away
        self.journal = Journal(self.paths.journal)
        self.app = changes.restored(self.journal, self.file, self.app)
        self.clock = Clock()
        self.limits = detect(application=self.paths.application_id(self.app.name), record=self.paths.limits_file)
        self.stores = Stores()
        self.instances = Instances(self.paths, self.limits, self.wake)
        self.balancer = Balancer(self.paths, self.app.name, self.app.services, self.wake)
        self.observer = Observer(self.instances, self.balancer, self.limits)
        self.history = History(self.journal)
        self.pipeline = Pipeline(self)
        state = takeover.restored(self.journal, self.app, now=self.clock.now())
        self.specs = Specs(self.file.parent, self.paths.releases, self.journal)
        try:
            await self._bring_up(state)
        except BaseException:
            await self._undo_start()
            raise

    async def _bring_up(self, state: State) -> None:
        running = self._balancer_adopted = self.balancer.adopt()
        self.port = takeover.port(self.journal, self.app, asked=self._asked_port, taken_over=running)
        inside_port = takeover.inside_port(self.journal, port=self.port, taken_over=running)
        self.adopted = self.instances.adopt({one.name: one for one in self.app.services})
        takeover.end_strangers(self.instances, state, application_id=self.paths.application_id(self.app.name))
        self.limits.cleanup(keep=set(self.instances.running))
        self.applier = Applier(
            self.app,
            home=self.file.parent,
            paths=self.paths,
            port=self.port,
            inside_port=inside_port,
            store_urls=await self.stores.ensure(self.app, self.paths),
            instances=self.instances,
            balancer=self.balancer,
            built=self._built,
            now=self.clock.now,
        )
        self.loop = Loop(
            self.app,
            state,
            journal=self.journal,
            observer=self.observer,
            apply=self.applier.apply,
            publish=self._publish,
            clock=self.clock,
        )
        self.applier.push(state)
        if not running:
            await self.balancer.start()
        await self._prepare_pushes()
        await self.balancer.until_ready()
        self.journal.remember("port", str(self.port))

    async def _prepare_pushes(self) -> None:
        try:
            self.remote = await asyncio.to_thread(
                git_remote.prepare, self.paths, self.file, branch=self.app.pipeline.branch
            )
        except Failed as error:  # an application runs without git, too
            log.warning("no git push", error=str(error))

    async def _undo_start(self) -> None:
        with contextlib.suppress(FlyballError, OSError):
            if not (self.adopted or self._balancer_adopted):  # what an earlier control plane left goes on serving
                await self.balancer.stop()
                await self.stores.stop()
                self.paths.remove_sockets()
            await self.leave()

    # Running

    @property
    def url(self) -> str:
        """Address of the application."""
        return self.applier.url

    @property
    def inside_url(self) -> str:
        """Address of the application for its own services."""
        return self.applier.inside_url

    def now(self) -> float:
        """Seconds since the epoch, on the loop's clock."""
        return self.clock.now()

    @property
    def state(self) -> State:
        """What the loop remembers now."""
        return self.loop.state

    def _built(self, build: BuildSeen) -> None:
        self.loop.hear(build)

    def wake(self) -> None:
        """Something happened to a process: look again."""
        loop = getattr(self, "loop", None)
        if loop is not None:
            loop.wake()

    async def run(self) -> None:
        """Step until everything is stopped by `stop`, or this task is cancelled."""
        beside = [asyncio.ensure_future(work) for work in (self._keep_house(), self._take_pushes())]
        try:
            await self.loop.run(lambda state: state.shutting_down and not state.instances)
        finally:
            for work in beside:
                work.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _take_pushes(self) -> None:
        await self._converged.wait()  # else a push that waited would be compared to nothing
        await self.pipeline.run()

    async def _keep_house(self) -> None:
        """Every few seconds: stores alive, logs within their bounds."""
        while True:
            await asyncio.sleep(2.0)
            try:
                for seen in await self.stores.keep():
                    self.loop.hear(seen)
                await asyncio.to_thread(logs.keep_within_bounds, self.paths.logs, keep=set(self.instances.running))
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
        return await self.loop.submit(intent)

    async def change(self, app: Application, *, pushed: bool = False) -> None:
        """Go on with a changed file (beside us, or `pushed`) from the next step on.

        Raises FileError for what cannot change while it runs.
        """
        plan.must_be_possible(self.app, app)
        certificate.must_be_usable(app.listener, home=self.file.parent)
        changes.remember(self.journal, self.file, app if pushed else None)
        urls = await self.stores.ensure(app, self.paths)
        self.applier.store_urls = {**self.applier.store_urls, **urls}
        branch, self.app = self.app.pipeline.branch, app
        self.loop.app = self.applier.app = app
        if app.pipeline.branch != branch:
            await self._prepare_pushes()
        self.applier.push(self.state)
        self.wake()

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
            self.history.record(self.services(), now=self.clock.now())

    def services(self) -> list[dict[str, Any]]:
        """Every service as `flyball ps --json` shows it."""
        return view.application(self.app, self.state, self.observer)

    # Ending

    async def stop(self) -> None:
        """Drain and stop every instance, then the balancer and the stores. `run` must be running."""
        self.stopping = True
        await self.submit(Shutdown())

    async def finish(self) -> None:
        """After `run` ended by `stop`: stop balancer and stores, leave the data."""
        self.instances.forget(())
        await self.balancer.stop()
        await self.stores.stop()
        self.paths.remove_sockets()
        await self.leave()

    async def leave(self) -> None:
        """End the control plane and leave everything running, to be adopted by the next one."""
        self.closing.set()
        if hasattr(self, "applier"):  # not when the start failed early
            await self.applier.close()
        await self.instances.close()
        await self.balancer.close()
        self.limits.close()
        self.pipeline.close()
        self.journal.close()
        if self._lock is not None:
            self._lock.release()
