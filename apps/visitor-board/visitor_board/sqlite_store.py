"""Messages in one SQLite file, written by any number of processes on one machine.

Write-ahead logging lets readers and the one writer work at once. Each write is one statement, so it takes the write
lock at its start and waits for it (`timeout`) instead of failing half-way. `synchronous = FULL` puts a commit on disk
before it is acknowledged: neither a killed process nor a power cut loses it.
"""

import sqlite3
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from visitor_board.messages import Message
from visitor_board.store import StoreFailed

_WAIT_S = 10.0
"""How long a write waits for other writers."""

_BOARD = "main"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    board TEXT NOT NULL, posted TEXT NOT NULL, name TEXT NOT NULL, message TEXT NOT NULL, PRIMARY KEY (board, posted)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO counters VALUES ('visits', 0) ON CONFLICT DO NOTHING;
"""

_T = TypeVar("_T")


class SqliteStore:
    """The store in the file at `path`; the file and its tables are made when they are missing."""

    at_once = 2

    def __init__(self, path: str) -> None:
        self._path = path
        self._idle: deque[sqlite3.Connection] = deque()
        self._patiently(self._make)

    def add(self, message: Message) -> None:
        """See Store.add."""
        row = (_BOARD, message.posted, message.name, message.message)
        self._patiently(lambda db: db.execute("INSERT INTO messages VALUES (?, ?, ?, ?)", row).fetchall())

    def page(self, *, limit: int, before: str | None) -> tuple[Message, ...]:
        """See Store.page."""
        query = "SELECT posted, name, message FROM messages WHERE board = ? AND posted < ? ORDER BY posted DESC LIMIT ?"
        # "~" sorts after every key, so no bound means the newest.
        row = (_BOARD, before or "~", limit)
        rows = self._patiently(lambda db: db.execute(query, row).fetchall())
        return tuple(Message(posted=posted, name=name, message=message) for posted, name, message in rows)

    def count_visits(self, more: int) -> int:
        """See Store.count_visits."""
        query = "UPDATE counters SET value = value + ? WHERE name = 'visits' RETURNING value"
        # fetchall, not fetchone: the statement commits only when it has run to its end.
        return int(self._patiently(lambda db: db.execute(query, (more,)).fetchall())[0][0])

    def visits(self) -> int:
        """See Store.visits."""
        query = "SELECT value FROM counters WHERE name = 'visits'"
        return int(self._patiently(lambda db: db.execute(query).fetchall())[0][0])

    def close(self) -> None:
        """See Store.close."""
        while self._idle:
            self._idle.pop().close()

    @staticmethod
    def _make(db: sqlite3.Connection) -> None:
        db.execute("PRAGMA journal_mode = WAL").fetchall()
        db.executescript(_SCHEMA)

    def _patiently(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run `work`, again while the file is locked: SQLite answers "locked" without waiting in a few places.

        They are the switch to write-ahead logging, and recovery of the log after a killed writer.
        """
        deadline = time.monotonic() + _WAIT_S
        while True:
            try:
                with self._connection() as db:
                    return work(db)
            except sqlite3.Error as error:
                locked = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
                if not locked or time.monotonic() > deadline:
                    raise StoreFailed(f"SQLite: {error}") from error
                time.sleep(0.01)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """A connection of one's own for a moment. They are kept: opening one costs as much as ten queries."""
        try:
            db = self._idle.pop()
        except IndexError:
            db = sqlite3.connect(self._path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
            db.execute("PRAGMA synchronous = FULL")
        try:
            yield db
        except BaseException:
            db.close()
            raise
        self._idle.append(db)
