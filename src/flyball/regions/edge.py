"""The edge's control plane: it starts or takes over the edge and every region, and tells how they are.

Nothing of it stands between a visitor and an instance: the edge's Envoy, the regions' control planes, balancers and
instances all outlive it. `stop` ends everything, `leave` ends only the control plane.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog
from filelock import FileLock

from flyball.core.control.news import Mishap
from flyball.core.control.reasons import Event, Reason, ReasonKind
from flyball.core.errors import FileError, FlyballError
from flyball.core.model import Application
from flyball.local import face
from flyball.local.background import background
from flyball.local.envoy.admin import TargetStats
from flyball.local.envoy.balancer import Balancer
from flyball.local.envoy.certificate import must_be_usable
from flyball.local.envoy.config.connections import connections
from flyball.local.envoy.config.types import Json
from flyball.local.envoy.issuing import Issuing
from flyball.local.envoy.judge.judging import Judging
from flyball.local.envoy.served import Served
from flyball.local.paths import NAME, StateDirectory
from flyball.local.process import logs
from flyball.local.process.ports import can_listen, free_port
from flyball.local.record.journal import Journal
from flyball.local.record.refusals import Refusals
from flyball.local.runtime.start import locked

from . import ask, config, view
from .carrying import Carrying
from .record import EdgeRecord, read
from .region import RunningRegion
from .returning import Returning
from .starting import must_be_startable, port_of, strays, wanted

log = structlog.get_logger()
LOOK_EVERY_S = 0.5
KEEP_LOGS_EVERY_S = 2.0


class Edge:
    """The edge of one application. `await Edge.start(…)` makes it; then `run` in a task, `stop` or `leave`."""

    def __init__(self, app: Application, file: Path, paths: StateDirectory, journal: Journal, lock: FileLock) -> None:
        self.app = app
        self.paths = paths
        self.journal = journal
        self.listeners: set[Callable[[Event], None]] = set()
        self.closing = asyncio.Event()
        self.regions: dict[str, RunningRegion] = {}
        self._leaving: dict[str, RunningRegion] = {}
        self._left_out: tuple[str, ...] = ()  # regions of the file that were not to start
        self.dashboard: str | None = None
        self.stopping = False
        self.targets: tuple[TargetStats, ...] = ()
        self._file = file
        self._lock = lock
        self._balancer = Balancer(paths, f"{app.name}-edge", lambda: None, self._befell)
        self._judging = Judging(paths, self._befell)
        self._refusals = Refusals(None)
        self._port = app.listener.port
        self._health: dict[str, str] = {}
        self._returning = Returning(app.edge.return_s)
        self._shares: dict[str, int] = {}
        self._carrying = Carrying(paths.root / "replication.db", self._stores, self._carried)
        self._stopped = asyncio.Event()
        self._changing = asyncio.Lock()  # one change after another
        self._served = Served(file.parent, paths.tls, self._befell)
        self._given: object = None  # the certificate, and what an authority asks for
        self._files: Mapping[str, Json] = {}

    # Starting

    @classmethod
    async def start(cls, app: Application, *, file: Path, port: int | None, picked: tuple[str, ...] = ()) -> Edge:
        """The edge listens and every region (or those `picked`) is on its way. Raises Failed, and FileError.

        Raises nothing for a region that cannot start: that is told as an event, and tried again.
        """
        paths = StateDirectory(file.parent / NAME)
        must_be_startable(app, paths, picked)
        paths.create()
        lock = locked(paths.lock, app.name)
        try:
            paths.create()
            edge = cls(app, file, paths, Journal(paths.journal), lock)
            await edge._begin(port, picked)
        except BaseException:
            lock.release()
            raise
        return edge

    async def _begin(self, asked: int | None, picked: tuple[str, ...]) -> None:
        before = read(self.paths)
        runs = self._balancer.take_over()
        if not runs:
            self._refusals = Refusals({})
        self._port = port_of(self.app, asked, before if runs else None)
        for name in wanted(self.app, picked, before if runs else None):
            self.regions[name] = self._region(name, before)
        self._left_out = tuple(name for name in self.app.region_names if name not in self.regions)
        self._leaving = {name: self._region(name, before) for name in strays(self.app, self.paths)}
        try:
            await self._judging.ensure(self.app.listener.firewall, self._file.parent)
            self._push(self._shares)
            if not runs:
                await self._balancer.start()
            await self._balancer.until_ready()
        except BaseException:
            if not runs:
                await self._balancer.stop()
                await self._judging.stop()
                self.paths.edge_file.unlink(missing_ok=True)
            raise
        for region in self._all.values():
            region.keep()

    def _region(self, name: str, before: EdgeRecord | None) -> RunningRegion:
        paths = self.paths.of_region(name)
        known = None if before is None else before.regions.get(name)
        alive = known is not None and face.balancer_alive(paths)
        port = known if known is not None and (alive or can_listen(known)) else free_port(exclude={self._port})

        def ended(text: str) -> None:
            self._tell([Reason(kind=ReasonKind.REGION_FAILED, service="", text=text, region=name)])

        return RunningRegion(name, self._file, paths, port, ended)

    def _push(self, shares: dict[str, int]) -> None:
        """Write it all for the balancer. What the disk refuses of it is written by the next look."""
        ports = {name: region.port for name, region in self.regions.items()}
        record = EdgeRecord(port=self._port, regions=ports, left_out=self._left_out)
        if record != read(self.paths):
            record.write(self.paths.edge_file)
        self._balancer.share(self.app.listener.standby)
        pair, challenges = given = self._door()
        self._files = config.files(
            self.app,
            ports,
            directory=str(self.paths.xds),
            sockets=str(self.paths.sockets),
            port=self._port,
            access_log=str(self._balancer.access_log),
            certificate=pair,
            challenges=challenges,
            limits=connections((), descriptors=resource.getrlimit(resource.RLIMIT_NOFILE)[1]),
            core_rules=self._judging.socket,
            returning=shares,
        )
        self._given = given
        self._balancer.write(self._files)
        self._shares = shares

    def _door(self) -> tuple[tuple[str, str] | None, Mapping[str, str]]:
        return self._served.files(self.app.listener.tls, now=time.time()), self._served.challenges

    def _befell(self, mishap: Mishap) -> None:
        self._tell([Reason(kind=ReasonKind(mishap.kind.value), service="", text=mishap.text)])

    @property
    def _all(self) -> dict[str, RunningRegion]:
        """Also those that leave."""
        return self.regions | self._leaving

    def _stores(self) -> dict[str, Path]:
        return {name: region.paths.stores for name, region in self._all.items()}

    def _carried(self, region: str | None, text: str, well: bool) -> None:
        kind = ReasonKind.REPLICATION_RESUMED if well else ReasonKind.REPLICATION_STALLED
        self._tell([Reason(kind=kind, service="", text=text, region=region)])

    # Running

    async def run(self) -> None:
        """Look after the edge until it is stopped, or this task is cancelled."""
        await self._carrying.of(self.app)
        issuing = Issuing(
            self._served,
            home=self._file.parent,
            own=self.paths.tls,
            port=self._port,
            hear=self._befell,
            wake=lambda: None,  # it looks twice a second
        )
        issued = lambda: issuing.run(lambda: self.app.listener.tls)  # noqa: E731
        async with background(self._carrying.run, issued, self._keep_logs, self._strays_go):
            await self._look()

    async def _keep_logs(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(logs.keep_within_bounds, self.paths.logs, keep=())
            await asyncio.sleep(KEEP_LOGS_EVERY_S)

    async def _look(self) -> None:
        while not self._stopped.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._stopped.wait()
            for part in (self._keep_written, self._see, self._count):
                try:
                    await part()
                except (FlyballError, OSError) as error:
                    log.warning("edge", error=str(error))
                except Exception:
                    log.exception("edge")

    async def _keep_written(self) -> None:
        """Give the balancer what is new at the door, and what could not be written at once, such as routes."""
        if self._door() != self._given:
            self._push(self._shares)
        self._balancer.write(self._files)

    async def _see(self) -> None:
        self.targets = await self._balancer.targets() or ()
        health = view.health_of(self.targets)
        self._compare(health, self._give_back(health))

    async def _count(self) -> None:
        """What the firewall has matched, of which there is one here, before all regions."""
        firewall = self.app.listener.firewall
        matched = await self._balancer.matched() if firewall.rules else None
        if matched is not None:
            for mishap in self._refusals.add({**matched, **self._judging.matched()}, firewall, now=time.time()):
                self._befell(mishap)

    def _compare(self, now: dict[str, str], coming: list[str]) -> None:
        reasons = []
        for name, health in now.items():
            before = self._health.get(name, "initial")
            begins = before == "initial" and health == "unhealthy"  # it has never served yet
            if health != before and not begins and health in {"healthy", "unhealthy"} and name in self.regions:
                reasons.append(self._changed(name, health, now, slowly=name in coming))
            if not begins:
                self._health[name] = health
        self._tell(reasons)

    def _give_back(self, health: dict[str, str]) -> list[str]:
        """Whoever is on the way back gets more of its visitors; those that begin to come back."""
        now = time.monotonic()
        begins = self._returning.see({name: one for name, one in health.items() if name in self.regions}, now=now)
        shares = self._returning.shares(now=now)
        if shares != self._shares:
            self._push(shares)
        return begins

    def _changed(self, name: str, health: str, now: dict[str, str], *, slowly: bool) -> Reason:
        if health == "healthy":
            come = f"; they come back over {self._returning.over_s:g} s, not all at once" if slowly else ""
            text = f"{name} passes its health check and serves its visitors{come}"
            return Reason(kind=ReasonKind.REGION_HEALTHY, service="", text=text, region=name)
        others = [one for one in self.regions if one != name and now.get(one) == "healthy"]
        led = f"its visitors are led to {', '.join(others)}" if others else "no region is healthy"
        text = f"{name} fails its health check: {led}"
        return Reason(kind=ReasonKind.REGION_UNHEALTHY, service="", text=text, region=name)

    def _tell(self, reasons: Iterable[Reason]) -> None:
        given = list(reasons)
        if not given:
            return
        try:
            events = self.journal.tell(given, now=time.time())
        except FlyballError as error:  # a full disk: it is told all the same
            log.warning("journal", error=str(error))
            events = [Event(id=0, at=time.time(), reason=reason) for reason in given]
        for event in events:
            for listener in list(self.listeners):
                listener(event)

    @property
    def url(self) -> str:
        """Address of the application."""
        scheme = "http" if self.app.listener.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._port}"

    async def described(self) -> dict[str, Any]:
        """What `flyball ps --json` prints."""
        names = list(self.regions)
        told = await asyncio.gather(*(ask.application(self.regions[name].paths) for name in names))
        balancer = self._balancer.process
        return {
            "application": self.app.name,
            "url": self.url,
            "dashboard": self.dashboard,
            "control": {"pid": os.getpid(), "journal_error": None},
            "balancer": {"pid": None if balancer is None else balancer.pid, "standby": self._balancer.standby.pid},
            "firewall": self._refusals.told(self.app.listener.firewall),
            "stopping": self.stopping,
            "push": None,
            "certificate": self._served.told(self.app.listener.tls, now=time.time()),
            "last_event": self.journal.last_event,
            **view.merged(dict(zip(names, told, strict=True)), self._health, self._shares),
            "served": view.served(self.targets),
            "replication": [asdict(one) for one in await self._carrying.lags()],
        }

    # Changing

    async def apply(self, app: Application) -> list[str]:
        """Take a changed file over: regions that are new in it start, those that it no longer has are stopped.

        The answer says what has changed, one line each. Data of a region that is stopped stays where it is.
        """
        if app.name != self.app.name or app.listener.port != self.app.listener.port:
            raise FileError("name and port cannot change while it runs; `flyball down` first, then `flyball up`")
        if not app.regions:
            raise FileError("the file has no regions any more; `flyball down` first, then `flyball up`")
        must_be_usable(app, home=self._file.parent)
        async with self._changing:
            return await self._apply(app)

    async def _apply(self, app: Application) -> list[str]:
        gone = [name for name in self.regions if name not in app.region_names]
        new = [name for name in app.region_names if name not in {*self.regions, *self.app.region_names}]
        await self._judging.ensure(app.listener.firewall, self._file.parent)
        self.app = app
        self._left_out = tuple(name for name in self._left_out if name in app.region_names)
        self._returning.over_s = app.edge.return_s
        await self._carrying.of(app)
        self._leaving |= {name: self.regions.pop(name) for name in gone}
        for name in new:
            self.regions[name] = self._region(name, None)
            self._returning.is_new(name)
        for name in gone:
            self._returning.forget(name)
        self._push(self._returning.shares(now=time.monotonic()))
        for name in new:
            self.regions[name].keep()
            text = f"{name} is in the file and starts"
            self._tell([Reason(kind=ReasonKind.REGION_ADDED, service="", text=text, region=name)])
        await self._let_go()
        return [*(f"regions.{name}: added" for name in new), *(f"regions.{name}: removed" for name in gone)]

    async def _strays_go(self) -> None:
        async with self._changing:
            await self._let_go()

    async def _let_go(self) -> None:
        """Stop the regions that are no longer in the file. Their last writes still go to the others."""
        for name, region in list(self._leaving.items()):
            text = f"{name} is no longer in the file: it is stopped; its data stays in {region.paths.stores}"
            self._tell([Reason(kind=ReasonKind.REGION_REMOVED, service="", text=text, region=name)])
            await region.stop()
            await self._carrying.flush()
            del self._leaving[name]

    # Ending

    def begin_to_stop(self) -> None:
        """The same as `stop`, without waiting for it."""
        if not self.stopping:
            self.stopping = True
            self._ending = asyncio.ensure_future(self.stop())

    async def stop(self) -> None:
        """Drain and stop every region, then the edge; the data stays. `run` ends."""
        self.stopping = True
        await asyncio.gather(*(region.stop() for region in self._all.values()))
        await self._carrying.flush()
        await self._balancer.stop()
        await self._judging.stop()
        self.paths.edge_file.unlink(missing_ok=True)
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` has ended."""
        return self._stopped.is_set()

    async def leave(self) -> None:
        """End the control plane; what it looked after goes on, for the next one to take over."""
        self.closing.set()
        await asyncio.gather(*(region.leave() for region in self._all.values()))
        await self._balancer.close()
        await self._judging.close()
        await self._carrying.close()
        self.journal.close()
        if self.stopped:
            self.paths.remove_sockets()
        self._lock.release()
