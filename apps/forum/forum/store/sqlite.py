"""The store in one SQLite file that many processes share.

Reads run on the event loop: with the write-ahead log they never wait for a writer and take about 10 us.
Writes may wait for another process's write, so they have a thread of their own.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import unquote

from forum.store.table import Conflict, Item, Put, Remove, StoreDown

_WAIT_S = 5.0  # for another process's write; longer means that something is wrong
_PURGE = 20  # expired items removed beside one write: more than one write can add

_SCHEMA = """
CREATE TABLE IF NOT EXISTS items (
    pk TEXT NOT NULL, sk TEXT NOT NULL, body BLOB NOT NULL, version INTEGER NOT NULL, expires INTEGER NOT NULL,
    PRIMARY KEY (pk, sk)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS expiring ON items (expires) WHERE expires > 0;
"""
_GET = "SELECT body, version, expires FROM items WHERE pk = ? AND sk = ?"
_OLDEST = "SELECT sk, body, version, expires FROM items WHERE pk = ? AND sk > ? ORDER BY sk LIMIT ?"
_NEWEST = "SELECT sk, body, version, expires FROM items WHERE pk = ? AND sk < ? ORDER BY sk DESC LIMIT ?"
_PUT = "INSERT OR REPLACE INTO items (pk, sk, body, version, expires) VALUES (?, ?, ?, ?, ?)"
_REMOVE = "DELETE FROM items WHERE pk = ? AND sk = ?"
_EXPIRE = "DELETE FROM items WHERE (pk, sk) IN (SELECT pk, sk FROM items WHERE expires > 0 AND expires <= ? LIMIT ?)"
_LAST = "\U0010ffff"  # sorts behind every key


class SqliteStore:
    """Made by `open`; belongs to one event loop."""

    def __init__(self, reader: sqlite3.Connection, writer: sqlite3.Connection) -> None:
        self._reader = reader
        self._writer = writer
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")

    @classmethod
    async def open(cls, path: str) -> Self:
        """Opens the file, and makes it when it is not there. Raises StoreDown when that fails."""
        reader, writer = await asyncio.to_thread(_open, unquote(path))
        return cls(reader, writer)

    async def get(self, pk: str, sk: str) -> Item | None:
        with _as_store_errors():
            row = self._reader.execute(_GET, (pk, sk)).fetchone()
        if row is None:
            return None
        item = Item(pk=pk, sk=sk, body=row[0], version=row[1], expires=row[2])
        return None if item.expires and item.expired(time.time()) else item

    async def query(self, pk: str, *, after: str | None, newest_first: bool, limit: int) -> list[Item]:
        start = after if after is not None else (_LAST if newest_first else "")
        with _as_store_errors():
            rows = self._reader.execute(_NEWEST if newest_first else _OLDEST, (pk, start, limit)).fetchall()
        return [Item(pk=pk, sk=sk, body=body, version=version, expires=expires) for sk, body, version, expires in rows]

    async def write(self, *changes: Put | Remove) -> None:
        # Shielded: a request that is given up while its write waits must not leave a half-known transaction behind.
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, self._write, changes))

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)
        self._reader.close()
        self._writer.close()

    def _write(self, changes: tuple[Put | Remove, ...]) -> None:
        now = int(time.time())
        with _as_store_errors():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                for change in changes:
                    _apply(self._writer, change, now)
                if any(isinstance(change, Put) and change.item.expires for change in changes):
                    self._writer.execute(_EXPIRE, (now, _PURGE))
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise


def _apply(connection: sqlite3.Connection, change: Put | Remove, now: int) -> None:
    pk, sk = (change.item.pk, change.item.sk) if isinstance(change, Put) else (change.pk, change.sk)
    row = connection.execute(_GET, (pk, sk)).fetchone()
    held = 0 if row is None or 0 < row[2] <= now else row[1]
    if held != change.was:
        raise Conflict(f"{pk} {sk}: version {held}, not {change.was}")
    if isinstance(change, Put):
        item = change.item
        connection.execute(_PUT, (pk, sk, item.body, item.version, item.expires))
    else:
        connection.execute(_REMOVE, (pk, sk))


def _open(path: str) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    with _as_store_errors():
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreDown(str(error)) from error
        writer = _connect(path)
        _settle(writer)
        return _connect(path), writer


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
    # NORMAL: a commit survives the end of any process; only a power cut may take the last ones.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _settle(connection: sqlite3.Connection) -> None:
    # Turning the log on needs the file alone and does not always wait for that: ten instances may start at once.
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


@contextmanager
def _as_store_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreDown(str(error)) from error
