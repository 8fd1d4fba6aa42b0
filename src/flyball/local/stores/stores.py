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

from . import redis
from .redis import ANSWER_TIMEOUT_S, Redis


class Stores:
    """All stores of one application."""

    def __init__(self) -> None:
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

    def redis_port(self, name: str) -> int | None:
        """The port of the Redis server that keeps this store; None when it is no such store."""
        server = self._servers.get(name)
        return None if server is None else server.port

    async def check(self) -> dict[str, str | None]:
        """What is wrong with each store, or None."""
        found: dict[str, str | None] = {}
        for name, (kind, path) in list(self._files.items()):
            found[name] = await asyncio.to_thread(_file_problem, kind, path)
        for name, server in list(self._servers.items()):
            found[name] = await redis.problem(server)
        return found

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
                path = (paths.stores / f"{store.name}.db").absolute()
                await asyncio.to_thread(_make_database, path)
                self._files[store.name] = (store.kind, path)
                key = ",".join(f"{field.name}:{field.type}" for field in store.key)
                return f"sqlite://{quote(str(path))}?table={quote(store.name)}&key={quote(key, safe=':,')}"
            case StoreKind.BUCKET:
                path = (paths.stores / store.name).absolute()
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._files[store.name] = (store.kind, path)
                return f"file://{quote(str(path))}"
            case StoreKind.REDIS:
                self._servers[store.name] = await redis.take_over_or_start(store.name, paths)
                return self._servers[store.name].url


def _make_database(path: Path) -> None:
    """An empty database in WAL mode, where readers and the one writer do not wait for each other."""
    path.touch(mode=0o600)
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as database:
        (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise Failed(f"{path} cannot be set to write-ahead logging: the file system does not support it")


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
