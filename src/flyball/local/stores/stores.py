"""The stores of an application on this machine: a SQLite file, a real Redis server, a directory.

Data lies in `.flyball/stores` and stays when the application is stopped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from flyball.core.control.news import StoreSeen
from flyball.core.errors import Failed
from flyball.core.model import Application, Store, StoreKind
from flyball.local.paths import StateDirectory
from flyball.local.process.walls.address import Address
from flyball.local.process.walls.walls import Walls
from flyball.local.process.watch import end_group

from . import files, redis
from .redis import ANSWER_TIMEOUT_S, Redis


class Stores:
    """All stores of one application."""

    def __init__(self, walls: Walls | None = None, *, shared: bool = True) -> None:
        self._walls = None if walls is None or walls.problem else walls
        self._shared = self._walls if shared else None
        self._changing = asyncio.Lock()  # two that start the same server would write the same data
        self._servers: dict[str, Redis] = {}
        self.urls: dict[str, str] = {}  # also of those that only an older release uses
        self._files: dict[str, tuple[StoreKind, Path]] = {}

    async def ensure(self, app: Application, paths: StateDirectory) -> dict[str, str]:
        """Make every store of the file ready and return its URL by name. Raises Failed when one cannot be."""
        async with self._changing:
            for store in app.stores:
                try:
                    self.urls[store.name] = await self._ready(store, paths)
                except (OSError, sqlite3.Error) as error:
                    raise Failed(f"the store {store.name} cannot be made in {paths.stores}: {error}") from error
        return {store.name: self.urls[store.name] for store in app.stores}

    async def keep(self) -> list[StoreSeen]:
        """Start every Redis server again that has died; what there is to tell. One that does not start is told once."""
        async with self._changing:
            found = [await redis.keep(server) for server in self._servers.values()]
        return [seen for seen in found if seen is not None]

    def redis_address(self, name: str) -> Address | None:
        """Where the Redis server that keeps this store listens; None when it is no such store."""
        server = self._servers.get(name)
        return None if server is None else server.address

    def file(self, name: str) -> Path | None:
        """Where the file or the directory of this store lies; None when it is no such store."""
        return self._files[name][1] if name in self._files else None

    @property
    def ports(self) -> dict[str, int]:
        """The port of every Redis server, by store."""
        return {name: server.port for name, server in self._servers.items()}

    async def check(self) -> dict[str, str | None]:
        """What is wrong with each store, or None."""
        found: dict[str, str | None] = {}
        for name, (kind, path) in list(self._files.items()):
            found[name] = await asyncio.to_thread(_file_problem, kind, path)
        for name, server in list(self._servers.items()):
            found[name] = await redis.problem(server)
        return found

    def end(self) -> None:
        """End every Redis server at once: `keep` starts it again, with its data."""
        for server in self._servers.values():
            end_group(server.process)

    async def stop(self) -> None:
        """Stop every server; its data and its port stay."""
        async with self._changing:
            servers = list(self._servers.values())
            self._servers.clear()
            self._files.clear()
            await asyncio.gather(*(redis.stop(server.process) for server in servers))

    async def _ready(self, store: Store, paths: StateDirectory) -> str:
        match store.kind:
            case StoreKind.TABLE:
                path = await asyncio.to_thread(files.table, store.name, paths, self._shared)
                self._files[store.name] = (store.kind, path)
                key = ",".join(f"{field.name}:{field.type}" for field in store.key)
                return f"sqlite://{quote(str(path))}?table={quote(store.name)}&key={quote(key, safe=':,')}"
            case StoreKind.BUCKET:
                path = await asyncio.to_thread(files.bucket, store.name, paths, self._shared)
                self._files[store.name] = (store.kind, path)
                return f"file://{quote(str(path))}"
            case StoreKind.REDIS:
                self._servers[store.name] = await redis.take_over_or_start(store.name, paths, self._walls)
                return self._servers[store.name].url


def _file_problem(kind: StoreKind, path: Path) -> str | None:
    if not os.access(path, os.R_OK | os.W_OK):
        return f"{path} cannot be read and written"
    if kind is StoreKind.TABLE:
        try:
            with contextlib.closing(sqlite3.connect(path, timeout=ANSWER_TIMEOUT_S)) as database:
                database.execute("PRAGMA schema_version").fetchone()
        except sqlite3.Error as error:
            return f"{path}: {error}"
    return None
