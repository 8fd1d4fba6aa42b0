"""One region's table as a SQLite file: what changed in it, in order, and changes of other regions brought in.

Triggers of ours note every row that is written or deleted, in the writer's own transaction: no program has to know of
it. A row's version is when it was written, in ms, and where; it is always later than the version that the writer saw,
also when its clock was set back. What counts are the tables in the file whose primary key is the store's `key`.

Before a region is given anything, the file gets a mark for it, which the region remembers together with the rows. A
file that does not know the region's mark is not the same as before (a backup, for instance), and all of it is brought
over again. A file that knows the mark has everything that was given under it, because only changes that are older
than a mark are given under it.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BUSY_S = 5.0
KEEP_DELETED_MS = 7 * 86_400_000
NOW_MS = "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
SCHEMA = """
CREATE TABLE IF NOT EXISTS flyball_changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, first, second, at_ms INTEGER NOT NULL,
    origin TEXT NOT NULL, gone INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS flyball_changes_by_row ON flyball_changes (name, first, second);
CREATE INDEX IF NOT EXISTS flyball_changes_in_order ON flyball_changes (name);
CREATE TABLE IF NOT EXISTS flyball_seen (
    source TEXT NOT NULL, name TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (source, name));
CREATE TABLE IF NOT EXISTS flyball_applying (one INTEGER);
CREATE TABLE IF NOT EXISTS flyball_marks (
    target TEXT PRIMARY KEY, mark TEXT NOT NULL, before TEXT, upto INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS flyball_taken (source TEXT PRIMARY KEY, mark TEXT NOT NULL);
"""


Row = Mapping[str, object]
"""Column -> value."""


class Unlike(Exception):
    """The table is not there, or not as in the region that the row comes from: it waits for that release."""


@dataclass(frozen=True, slots=True)
class Change:
    """A row of the table `name` was written or deleted (None)."""

    seq: int
    name: str
    key: tuple[Any, Any]
    at_ms: int
    origin: str
    row: Row | None


class Rows:
    """The file of one region. `key`: the columns of the primary key. Errors of the disk surface as sqlite3.Error."""

    def __init__(self, path: Path, region: str, key: Sequence[str], *, busy_s: float = BUSY_S) -> None:
        self.region = region
        self._key = tuple(key)
        self._db = sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=busy_s, check_same_thread=False)
        self._db.isolation_level = None
        try:
            self._db.executescript(SCHEMA)
        except BaseException:
            self._db.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def watch(self) -> tuple[str, ...]:
        """The tables that count, each with its triggers."""
        watched = {name for (name,) in self._db.execute("SELECT tbl_name FROM sqlite_master WHERE type = 'trigger'"
                                                        " AND name LIKE 'flyball\\_%' ESCAPE '\\'")}  # fmt: skip
        found = self._found()
        for name in found:
            if name not in watched:
                self._install(name)
        return found

    def _found(self) -> tuple[str, ...]:
        names = [name for (name,) in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return tuple(sorted(name for name in names if self._counts(name)))

    def _counts(self, name: str) -> bool:
        columns = self._db.execute("SELECT name FROM pragma_table_info(?) WHERE pk > 0", (name,))
        return {column for (column,) in columns} == set(self._key)

    def _columns(self, name: str) -> list[str]:
        return [column for (column,) in self._db.execute("SELECT name FROM pragma_table_info(?)", (name,))]

    def _install(self, name: str) -> None:
        """Note every later change, and what is there already, as older than any change."""
        table, moved = _quoted(name), " OR ".join(f"OLD.{one} IS NOT NEW.{one}" for one in map(_quoted, self._key))
        quiet = "NOT EXISTS (SELECT 1 FROM flyball_applying)"
        written, gone = self._note(name, "NEW", 0), self._note(name, "OLD", 1)
        with self._writing():
            for when, condition, body in (
                ("INSERT", quiet, written),
                ("UPDATE", quiet, written),
                ("DELETE", quiet, gone),
                ("UPDATE", f"{quiet} AND ({moved})", gone),
            ):
                own = _quoted(f"flyball_{name}_{when}_{'moved' if moved in condition else 'noted'}")
                self._db.execute(f"CREATE TRIGGER {own} AFTER {when} ON {table} WHEN {condition} BEGIN {body} END")
            first, second = self._parts("")
            self._db.execute(
                f"INSERT INTO flyball_changes (name, first, second, at_ms, origin, gone)"  # noqa: S608 - quoted names
                f" SELECT ?, {first}, {second}, 0, ?, 0 FROM {table} AS own WHERE NOT EXISTS (SELECT 1"
                f" FROM flyball_changes AS c WHERE c.name = ? AND c.first IS {first} AND c.second IS {second})",
                (name, self.region, name),
            )

    def _parts(self, row: str) -> tuple[str, str]:
        parts = [f"{row}.{_quoted(one)}" if row else _quoted(one) for one in self._key]
        return parts[0], parts[1] if len(parts) > 1 else "NULL"

    def _note(self, name: str, row: str, gone: int) -> str:
        """Two statements, for the conflict clause of a program's statement also counts in its triggers."""
        first, second = self._parts(row)
        same = f"name = {_text(name)} AND first IS {first} AND second IS {second}"
        values = f"{_text(name)}, {first}, {second}, {_text(self.region)}, {gone}"
        return (
            f"INSERT INTO flyball_changes (name, first, second, origin, gone, at_ms) SELECT {values},"  # noqa: S608
            f" max({NOW_MS}, coalesce((SELECT max(at_ms) + 1 FROM flyball_changes WHERE {same}), 0));"
            f" DELETE FROM flyball_changes WHERE {same}"
            f" AND seq < (SELECT max(seq) FROM flyball_changes WHERE {same});"
        )

    # What another region asks

    def knows(self, target: str, mark: str) -> bool:
        """Whether this file has given this mark to the region `target`: the last one, or the one before."""
        given = "SELECT 1 FROM flyball_marks WHERE target = ? AND ? IN (mark, before)"
        return self._db.execute(given, (target, mark)).fetchone() is not None

    def mark(self, target: str, taken: str | None) -> tuple[str, int]:
        """The mark for the next changes to `target`, which has `taken`, and the last change that it covers."""
        with self._writing():
            (last,) = self._db.execute("SELECT coalesce(max(seq), 0) FROM flyball_changes").fetchone()
            given = "SELECT mark FROM flyball_marks WHERE target = ? AND upto = ?"
            found = self._db.execute(given, (target, last)).fetchone()
            mark = secrets.token_hex(8) if found is None else str(found[0])
            if found is None:
                row = (target, mark, taken, last)
                self._db.execute("INSERT OR REPLACE INTO flyball_marks VALUES (?, ?, ?, ?)", row)
        return mark, int(last)

    def has_more(self, name: str, *, after: int) -> bool:
        """Whether the table has changed since."""
        query = "SELECT 1 FROM flyball_changes WHERE name = ? AND seq > ?"
        return self._db.execute(query, (name, after)).fetchone() is not None

    def changes(self, name: str, *, after: int, upto: int, most: int) -> list[Change]:
        """The next changes of a table, oldest first."""
        self._db.execute("BEGIN")
        try:
            found = self._db.execute(
                "SELECT seq, first, second, at_ms, origin, gone FROM flyball_changes"
                " WHERE name = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
                (name, after, upto, most),
            ).fetchall()
            return [
                Change(seq, name, (first, second), at_ms, origin, None if gone else self._row(name, (first, second)))
                for seq, first, second, at_ms, origin, gone in found
            ]
        finally:
            self._db.execute("COMMIT")

    def _row(self, name: str, key: tuple[Any, Any]) -> Row | None:
        columns = self._columns(name)
        query = f"SELECT {', '.join(map(_quoted, columns))} FROM {_quoted(name)} WHERE {self._is()}"  # noqa: S608
        row = self._db.execute(query, key[: len(self._key)]).fetchone()
        return None if row is None else dict(zip(columns, row, strict=True))

    def _is(self) -> str:
        return " AND ".join(f"{_quoted(one)} IS ?" for one in self._key)

    def seen(self, source: str) -> dict[str, int]:
        """Table -> the last change of another region that has been brought in."""
        return dict(self._db.execute("SELECT name, seq FROM flyball_seen WHERE source = ?", (source,)))

    def waiting(self, target: str, seen: dict[str, int]) -> tuple[int, int | None]:
        """How many changes the region `target` has not seen, and when the oldest was made."""
        names = self._found()
        count, oldest = 0, None
        for name, number, at_ms in self._db.execute(
            "SELECT c.name, c.seq, c.at_ms FROM flyball_changes AS c WHERE c.origin != ? AND c.seq > ?",
            (target, min((seen.get(name, 0) for name in names), default=0)),
        ):
            if name in names and number > seen.get(name, 0):
                count, oldest = count + 1, at_ms if oldest is None else min(at_ms, oldest)
        return count, oldest

    # What is brought in

    def taken(self, source: str) -> str | None:
        """The mark under which the region `source` last gave changes."""
        found = self._db.execute("SELECT mark FROM flyball_taken WHERE source = ?", (source,)).fetchone()
        return None if found is None else str(found[0])

    def begin_anew(self, source: str) -> None:
        """Have everything of the region `source` brought in again; later writes here stay."""
        with self._writing():
            self._db.execute("DELETE FROM flyball_seen WHERE source = ?", (source,))
            self._db.execute("DELETE FROM flyball_taken WHERE source = ?", (source,))

    def apply(self, source: str, mark: str, changes: Sequence[Change]) -> None:
        """Bring in changes of one table, given under `mark`, all or none; rows written later here stay.

        Raises Unlike when the table here cannot hold them.
        """
        with self._writing():
            self._db.execute("INSERT INTO flyball_applying VALUES (1)")
            for change in changes:
                self._apply(change)
            last = changes[-1]
            self._db.execute("INSERT OR REPLACE INTO flyball_seen VALUES (?, ?, ?)", (source, last.name, last.seq))
            self._db.execute("INSERT OR REPLACE INTO flyball_taken VALUES (?, ?)", (source, mark))
            self._db.execute("DELETE FROM flyball_applying")

    def _apply(self, change: Change) -> None:
        same = (change.name, *change.key)
        where = "name = ? AND first IS ? AND second IS ?"
        mine = self._db.execute(
            f"SELECT at_ms, origin FROM flyball_changes WHERE {where} ORDER BY seq DESC LIMIT 1",  # noqa: S608
            same,
        ).fetchone()
        if mine is not None and mine >= (change.at_ms, change.origin):
            return
        if not self._counts(change.name):
            raise Unlike(f"it has no table {change.name} with this key yet")
        if change.row is None:
            self._db.execute(f"DELETE FROM {_quoted(change.name)} WHERE {self._is()}", change.key[: len(self._key)])  # noqa: S608
        else:
            self._put(change.name, change.row)
        self._db.execute(f"DELETE FROM flyball_changes WHERE {where}", same)  # noqa: S608
        self._db.execute(
            "INSERT INTO flyball_changes (name, first, second, at_ms, origin, gone) VALUES (?, ?, ?, ?, ?, ?)",
            (*same, change.at_ms, change.origin, change.row is None),
        )

    def _put(self, name: str, row: Row) -> None:
        missing = [column for column in row if column not in self._columns(name)]
        if missing:
            raise Unlike(f"its table {name} has no column {missing[0]} yet")
        columns, others = [_quoted(one) for one in row], [_quoted(one) for one in row if one not in self._key]
        update = ", ".join(f"{one} = excluded.{one}" for one in others)
        self._db.execute(
            f"INSERT INTO {_quoted(name)} ({', '.join(columns)}) VALUES ({', '.join('?' * len(row))})"  # noqa: S608
            f" ON CONFLICT ({', '.join(map(_quoted, self._key))}) DO {f'UPDATE SET {update}' if others else 'NOTHING'}",
            tuple(row.values()),
        )

    def forget(self) -> None:
        """Deletions of long ago are no longer needed."""
        self._db.execute(f"DELETE FROM flyball_changes WHERE gone AND at_ms < {NOW_MS} - ?", (KEEP_DELETED_MS,))  # noqa: S608

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
