"""What one application has on this machine that outlives its control plane: instances, balancer, stores, limits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import structlog

from flyball.core.control.news import Mishap, StoreSeen
from flyball.core.model import Application

from .envoy.balancer import Balancer
from .envoy.judge.judging import Judging
from .instances.detect import detect
from .instances.instances import Instances
from .instances.limits import Limits
from .paths import StateDirectory
from .process import logs, times
from .process.disk import Room
from .process.walls.walls import Walls
from .process.watch import end_group
from .stores.stores import Stores

log = structlog.get_logger()
MOST_REFUSALS = 10  # destinations told of at once: a program that tries them all must not fill the journal


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where the balancer listens: for visitors, and for the application's own services."""

    port: int
    inside_port: int
    inside: str | None = None  # the address behind walls

    def url(self, app: Application) -> str:
        """Address of the application."""
        scheme = "http" if app.listener.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    def inside_url(self, app: Application) -> str:
        """Address of the application for its own services: always without TLS."""
        if self.inside is not None:
            return f"http://{self.inside}:{self.inside_port}"
        port = self.port if app.listener.tls is None else self.inside_port
        return f"http://127.0.0.1:{port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The parts that a control plane takes over, keeps and leaves."""

    paths: StateDirectory
    limits: Limits
    stores: Stores
    instances: Instances
    balancer: Balancer
    judging: Judging
    room: Room
    walls: Walls | None = None

    @classmethod
    def of(
        cls, app: Application, paths: StateDirectory, wake: Callable[[], None], hear: Callable[[Mishap], None]
    ) -> Self:
        """The parts of an application, at rest; each calls `wake` when something happens to a process of its own, and
        `hear` with what befell the balancer.
        """
        limits = detect(application=paths.application_id(app.name), record=paths.limits_file)
        walls = Walls.of(app, paths)
        return cls(
            paths=paths,
            limits=limits,
            stores=Stores(walls),
            instances=Instances(paths, limits, wake, walls),
            balancer=Balancer(paths, app.name, wake, hear, None if walls is None or walls.problem else walls.router),
            judging=Judging(paths, hear),
            room=Room(paths.root),
            walls=walls,
        )

    async def note_times(self, now: Callable[[], float]) -> None:
        """Date what the instances write, until this task is cancelled. `now` gives seconds since the epoch."""
        notes = times.Notes()
        while True:
            with contextlib.suppress(OSError):  # a full disk: the lines are only dated less exactly
                for instance in self.instances.running:
                    notes.take(self.instances.log(instance), now())
            await asyncio.sleep(times.NOTE_EVERY_S)

    async def keep(self) -> list[StoreSeen | Mishap]:
        """Start stores again that have died, and keep the logs within their bounds; what there is to tell."""
        self.instances.look_for_memory()
        self.instances.record_again()
        if self.walls is not None and await self.walls.lost():
            await self._renew(self.walls)
        seen: list[StoreSeen | Mishap] = [*await self.stores.keep()]
        if self.walls is not None:
            seen += (await asyncio.to_thread(self.walls.refusals))[:MOST_REFUSALS]
        await asyncio.to_thread(logs.keep_within_bounds, self.paths.logs, keep=set(self.instances.running))
        return seen

    async def _renew(self, walls: Walls) -> None:
        """Begin anew in a new network between the rooms: nobody reaches what runs in one that is gone."""
        log.warning("the network between the rooms is gone and is made again")
        await asyncio.to_thread(walls.renew)
        if self.balancer.process is not None:
            end_group(self.balancer.process)
        self.stores.end()
        for instance in tuple(self.instances.running):
            self.instances.terminate(instance, force=True)

    async def stop(self) -> None:
        """End the balancer and the stores, once no instance is left. The data stays."""
        await self.balancer.stop()
        await self.judging.stop()
        await self.stores.stop()
        if self.walls is not None:
            self.walls.remove()
        self.paths.remove_sockets()

    async def close(self) -> None:
        """Let go of everything; all of it keeps running."""
        await self.instances.close()
        await self.balancer.close()
        await self.judging.close()
        self.limits.close()
