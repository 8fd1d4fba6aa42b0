"""The control plane of one application on this machine: puts the parts together, starts, adopts, stops.

Envoy, the stores and the instances outlive it. A control plane that starts where another one died takes them all over
and starts nothing twice; `stop` ends everything, `leave` ends only the control plane.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog
from filelock import FileLock, Timeout

from flyball.core.control.observation import BuildSeen, Deploy, Intent, ReleaseSpec, Rollback, Shutdown
from flyball.core.control.state import State
from flyball.core.control.step import begin
from flyball.core.errors import Failed, FlyballError
from flyball.core.model import Application, Service

from . import limits as machine_limits
from . import processes, releases, view
from .apply import Applier
from .balancer import Balancer
from .history import History
from .instances import Instances
from .journal import Event, Journal
from .loop import Clock, Loop
from .observe import Observer
from .paths import StateDirectory
from .stores import Stores

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
        self.closing = asyncio.Event()  # set when the control plane ends: open streams end with it
        self._asked_port = port
        self._lock: FileLock | None = None

    # Starting

    async def start(self) -> None:
        """Bring up stores and balancer, adopt what runs, ask for the releases that the source calls for.

        Raises `Failed` (or a `FileError`) and leaves nothing new behind when that is not possible.
        """
        self.paths.create()
        self._take_lock()
        self.journal = Journal(self.paths.journal)
        self.clock = Clock()
        self.limits = machine_limits.detect(
            application=self.paths.application_id(self.app.name), record=self.paths.limits_file
        )
        self.stores = Stores()
        self.instances = Instances(self.paths, self.limits, self.wake)
        self.balancer = Balancer(self.paths, self.app.name, self.app.services, self.wake)
        self.observer = Observer(self.instances, self.balancer, self.limits)
        self.history = History(self.journal)
        state = self._restored()
        try:
            await self._bring_up(state)
        except BaseException:
            await self._undo_start()
            raise

    async def _bring_up(self, state: State) -> None:
        running = self.balancer.adopt()
        self.port = self._choose_port(taken_over=running)
        self.adopted = self.instances.adopt({one.name: one for one in self.app.services})
        self._end_strangers(state)
        self.limits.cleanup(keep=set(self.instances.running))
        self.applier = Applier(
            self.app,
            home=self.file.parent,
            paths=self.paths,
            port=self.port,
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
        await self.balancer.until_ready()
        self.journal.remember("port", str(self.port))

    async def _undo_start(self) -> None:
        with contextlib.suppress(FlyballError, OSError):
            if not self.adopted:
                await self.balancer.stop()
                await self.stores.stop()
            await self.leave()

    def _take_lock(self) -> None:
        self._lock = FileLock(str(self.paths.lock))
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise Failed(
                f"{self.app.name} is running already here; see it with `flyball ps`, change it with `flyball deploy`,"
                " stop it with `flyball down`"
            ) from error

    def _restored(self) -> State:
        now = self.clock.now()
        state = self.journal.restore()
        if state is None:
            return begin(self.app, now=now)
        if not state.shutting_down:
            return state
        capacities = {one.name: one.capacity for one in self.app.services}
        return replace(
            state,
            shutting_down=False,
            services=tuple(
                replace(one, desired=capacities[one.name].desired or capacities[one.name].min, held_until=None)
                for one in state.services
                if one.name in capacities
            ),
        )

    def _choose_port(self, *, taken_over: bool) -> int:
        remembered = self.journal.fact("port")
        if taken_over and remembered is not None:
            if self._asked_port not in {None, int(remembered)}:
                raise Failed(f"{self.app.name} is running on port {remembered}; `flyball down` first to change it")
            return int(remembered)
        port = self.app.listener.port if self._asked_port is None else self._asked_port
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError as error:
                raise Failed(f"port {port} is in use; choose another with --port") from error
        return port

    def _end_strangers(self, state: State) -> None:
        """End instances that run but were never written down: the control plane died while it launched them."""
        known = {one.id for one in state.instances}
        for instance in self.adopted:
            if instance not in known:
                self.instances.terminate(instance, force=True)
        recorded = {one.process.pid for one in self.instances.running.values() if one.process is not None}
        for orphan in processes.orphans(self.paths.application_id(self.app.name), recorded):
            watch = processes.Watch(orphan.process)
            watch.signal(9)
            watch.close()

    # Running

    @property
    def url(self) -> str:
        """Address of the application."""
        return self.applier.url

    @property
    def state(self) -> State:
        """What the loop remembers now."""
        return self.loop.state

    def _built(self, build: BuildSeen) -> None:
        self.loop.built(build)

    def wake(self) -> None:
        """Something happened to a process: look again."""
        loop = getattr(self, "loop", None)
        if loop is not None:
            loop.wake()

    async def run(self) -> None:
        """Step until everything is stopped by `stop`, or this task is cancelled."""
        keeper = asyncio.ensure_future(self._keep_house())
        try:
            await self.loop.run(lambda state: state.shutting_down and not state.instances)
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    async def _keep_house(self) -> None:
        """Every few seconds: stores alive, logs within their bounds."""
        while True:
            await asyncio.sleep(2.0)
            try:
                await self.stores.keep()
                await asyncio.to_thread(self._bound_logs)
            except (FlyballError, OSError) as error:
                log.warning("housekeeping", error=str(error))

    def _bound_logs(self) -> None:
        from .logs import bound  # noqa: PLC0415

        for path in self.paths.logs.glob("*.log"):
            bound(path)

    async def converge(self) -> list[str]:
        """Ask for a release of every service whose source or settings differ from its newest one; their names."""
        changed = []
        for service in self.app.services:
            spec = await self._spec(service, self._source(service))
            known = {one.name: one for one in self.state.services}.get(service.name)
            newest = known.releases[-1].spec if known is not None and known.releases else None
            if newest != spec:
                await self.submit(Deploy(service=service.name, spec=spec, note="up"))
                changed.append(service.name)
        return changed

    async def deploy(self, name: str, *, source: Path | None = None, note: str = "") -> list[Event]:
        """Make a release of a service from a directory (the file's own by default) and begin to roll it out."""
        service = self._service(name)
        spec = await self._spec(service, source or self._source(service))
        return await self.submit(Deploy(service=name, spec=spec, note=note))

    async def rollback(self, name: str, release: int | None) -> list[Event]:
        """Begin to roll out an earlier release."""
        return await self.submit(Rollback(service=self._service(name).name, release=release))

    async def submit(self, intent: Intent) -> list[Event]:
        """Give an operator's intent to the loop; the events of the step that took it."""
        return await self.loop.submit(intent)

    def change(self, app: Application) -> None:
        """Go on with a changed file from the next step on."""
        self.app = self.loop.app = self.applier.app = app
        self.applier.push(self.state)
        self.wake()

    def _service(self, name: str) -> Service:
        try:
            return self.app.service(name)
        except KeyError as error:
            names = ", ".join(one.name for one in self.app.services)
            raise Failed(f"there is no service {name!r}; there is: {names}") from error

    def _source(self, service: Service) -> Path:
        return (self.file.parent / service.source).resolve()

    async def _spec(self, service: Service, source: Path) -> ReleaseSpec:
        content = await asyncio.to_thread(
            releases.snapshot, source, self.paths.releases, built=service.build is not None
        )
        await asyncio.to_thread(releases.collect, self.paths.releases, self._contents() | {content})
        return ReleaseSpec(
            content=content,
            run=service.run,
            build=service.build,
            size=service.size,
            environment=service.environment,
            stores=service.stores,
        )

    def _contents(self) -> set[str]:
        """Sources that are still needed: of the last five releases of each service, and of what runs."""
        running = {(one.service, one.release) for one in self.state.instances}
        return {
            release.spec.content
            for one in self.state.services
            for release in one.releases
            if release in one.releases[-releases.KEPT :] or (one.name, release.number) in running
        }

    # Telling

    def _publish(self, events: list[Event], sampled: bool) -> None:
        for event in events:
            for listener in list(self.listeners):
                listener(event)
        if sampled:
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
        await self.leave()

    async def leave(self) -> None:
        """End the control plane and leave everything running, to be adopted by the next one."""
        self.closing.set()
        await self.applier.close()
        await self.instances.close()
        await self.balancer.close()
        self.limits.close()
        self.journal.close()
        if self._lock is not None:
            self._lock.release()
