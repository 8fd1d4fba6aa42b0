"""The journal: what was seen, what was decided and why, in one SQLite file per application.

Restart restores the last state from it, `replay` steps the recorded observations again, `events` and the dashboard
read the reasons. A step that changed nothing and saw no clock tick is not recorded: stepping it again changes nothing.

Shapes: `steps.observation`, `steps.state` and `state.state` are zlib-compressed JSON of the core's values,
`steps.actions` is their JSON. `steps.state` is the state *before* the step, kept every `SNAPSHOT_EVERY` steps.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flyball.core.control import records
from flyball.core.control.observation import Observation
from flyball.core.control.reasons import Event, Reason
from flyball.core.control.replay import Recorded
from flyball.core.control.state import State
from flyball.core.control.step import Step
from flyball.core.errors import Failed
from flyball.core.model import Application
from flyball.core.view.rows import Minutes, Moment, row_of
from flyball.core.view.views import ApplicationView

SNAPSHOT_EVERY = 200
KEEP_STEPS = 20_000  # five hours at one step a second
KEEP_EVENTS = 100_000
KEEP_SECONDS_S = 3_600.0  # history by the second
KEEP_MINUTES_S = 32 * 86_400.0  # history by the minute: a month, for what it would have cost

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}  # the last: other tables than ours

SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS applications (id INTEGER PRIMARY KEY, application TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY CHECK (id = 1), at REAL NOT NULL, state BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS steps (
    id INTEGER PRIMARY KEY, at REAL NOT NULL, application INTEGER NOT NULL,
    observation BLOB NOT NULL, state BLOB, actions TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, service TEXT NOT NULL, kind TEXT NOT NULL,
    before INTEGER, after INTEGER, reason TEXT NOT NULL, instance TEXT, release INTEGER);
CREATE INDEX IF NOT EXISTS events_at ON events (at);
CREATE TABLE IF NOT EXISTS history (
    resolution INTEGER NOT NULL, at REAL NOT NULL, service TEXT NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (resolution, at, service)) WITHOUT ROWID;
"""


class Damaged(Failed):
    """The journal holds something else than this version writes."""


@contextlib.contextmanager
def failing(path: Path, done: str) -> Iterator[None]:
    """Errors of the database inside the block are `Failed`; `done` is what cannot be done to it: "read", "written".

    They are `Damaged` when the file is at fault, not the disk, its rights or another program that writes.
    """
    try:
        yield
    except sqlite3.Error as error:
        kind = Damaged if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE else Failed
        raise kind(f"the journal {path} cannot be {done}: {error}") from error


@dataclass(frozen=True, slots=True)
class Spell:
    """What a service did over several minutes."""

    minutes: int
    instance_minutes: float
    requests: float


class Reader:
    """What was, read-only on a connection of its own: beside the one that writes, and in any one thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with failing(path, "read"):
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5.0)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def events(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        since: float = 0.0,
        service: str | None = None,
        kinds: Collection[str] = (),
        limit: int = 100_000,
    ) -> list[Event]:
        """The newest `limit` events with numbers between `after` and `before`, not before `since`, oldest first."""
        among = f" AND kind IN ({', '.join('?' * len(kinds))})" if kinds else ""
        with failing(self.path, "read"):
            rows = self._db.execute(
                "SELECT id, at, service, kind, before, after, reason, instance, release FROM events"  # noqa: S608
                " WHERE id > ? AND (? IS NULL OR id < ?) AND at >= ? AND (? IS NULL OR service IN (?, ''))"
                f"{among} ORDER BY id DESC LIMIT ?",
                (after, before, before, since, service, service, *kinds, limit),
            ).fetchall()
        return [records.event_of(number, row) for number, *row in reversed(rows)]

    def scalings(self, since: float) -> dict[str, dict[str, int]]:
        """How often each service scaled out and in since then: {"web": {"scale_out": 2, "scale_in": 1}}."""
        with failing(self.path, "read"):
            rows = self._db.execute(
                "SELECT service, kind, count(*) FROM events WHERE at >= ?"
                " AND kind IN ('scale_out', 'scale_in') GROUP BY service, kind",
                (since,),
            ).fetchall()
        counts: dict[str, dict[str, int]] = {}
        for service, kind, count in rows:
            counts.setdefault(service, {"scale_out": 0, "scale_in": 0})[kind] = count
        return counts

    def history(self, *, since: float, until: float, resolution: int = 1, service: str | None = None) -> list[Moment]:
        """What was kept, oldest first."""
        with failing(self.path, "read"):
            rows = self._db.execute(
                "SELECT at, service, data FROM history WHERE resolution = ? AND at >= ? AND at <= ?"
                " AND (? IS NULL OR service = ?) ORDER BY at, service",
                (resolution, since, until, service, service),
            ).fetchall()
        return [Moment(at, name, json.loads(data)) for at, name, data in rows]

    def spells(self, since: float) -> dict[str, Spell]:
        """Each service's minutes since then as one."""
        with failing(self.path, "read"):
            rows = self._db.execute(
                "SELECT service, count(*), coalesce(sum(json_extract(data, '$.in_service')), 0),"
                " coalesce(sum(json_extract(data, '$.rps')), 0) FROM history"
                " WHERE resolution = 60 AND at >= ? GROUP BY service",
                (since,),
            ).fetchall()
        return {name: Spell(minutes, instances, 60.0 * rates) for name, minutes, instances, rates in rows}


class Journal(Reader):
    """One application's journal. Not shared between threads. Errors of the disk surface as `Failed`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._application: tuple[Application | None, int] = (None, 0)
        self._last_step = 0
        self._minutes = Minutes()
        self._since_snapshot = SNAPSHOT_EVERY
        self._unwritten: deque[tuple[float, Reason]] = deque(maxlen=KEEP_EVENTS)
        with failing(path, "written"):
            self._db = sqlite3.connect(path, timeout=10.0)
        try:
            with failing(path, "written"):
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._db.executescript(SCHEMA)
                self._db.commit()
                self._last_step = self._db.execute("SELECT coalesce(max(id), 0) FROM steps").fetchone()[0]
                self.last_event: int = self._db.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()[0]
        except Failed:
            self._db.close()
            raise

    def check(self) -> None:
        """Raise `Damaged` when it cannot be gone on with: pages that are broken, other tables, values of another
        version.
        """
        with failing(self.path, "read"):
            (found,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            with contextlib.closing(sqlite3.connect(":memory:")) as ours:
                ours.executescript(SCHEMA)
                columns = _columns(ours)
            tables = {table for table, _ in columns}  # the pipeline keeps one of its own beside them
            same = {one for one in _columns(self._db) if one[0] in tables} == columns
        if found != "ok":
            raise Damaged(f"the journal {self.path} cannot be read: {found.splitlines()[-1]}")
        if not same:
            raise Damaged(f"the journal {self.path} is of another version: its tables are others")
        self.restore()
        self.application()

    def fact(self, key: str) -> str | None:
        """A remembered fact about the application here, such as the listener's port."""
        with failing(self.path, "read"):
            row = self._db.execute("SELECT value FROM facts WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def remember(self, key: str, value: str) -> None:
        """Keep a fact until it is overwritten."""
        with failing(self.path, "written"), self._db:
            self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, value))

    def restore(self) -> State | None:
        """The state after the last recorded step. Raises `Failed` when it was written by a program that differs."""
        with failing(self.path, "read"):
            row = self._db.execute("SELECT state FROM state").fetchone()
        if row is None:
            return None
        try:
            return records.STATE.read(row[0])
        except ValueError as error:
            raise Damaged(f"the journal {self.path} holds a state that this version cannot read: {error}") from error

    def application(self) -> Application | None:
        """The application of the last recorded step. Raises `Failed` when it was written by a program that differs."""
        with failing(self.path, "read"):
            row = self._db.execute(
                "SELECT applications.application FROM steps JOIN applications ON applications.id = steps.application"
                " ORDER BY steps.id DESC LIMIT 1"
            ).fetchone()
        try:
            return None if row is None else records.APPLICATION.read(row[0])
        except ValueError as error:
            raise Damaged(
                f"the journal {self.path} holds an application that this version cannot read: {error}"
            ) from error

    def record(self, app: Application, before: State, seen: Observation, step: Step, *, now: float) -> list[Event]:
        """Write one step in one transaction; answer its reasons as numbered events.

        What could not be written before is told first, with the times when it happened.
        """
        try:
            with failing(self.path, "written"), self._db:
                self._record_step(app, before, seen, step, now)
                self._db.execute(
                    "INSERT OR REPLACE INTO state VALUES (1, ?, ?)", (now, records.STATE.written(step.state))
                )
                for at, reason in self._unwritten:
                    self._record_event(reason, at)
                events = [self._record_event(reason, now) for reason in step.reasons]
        except Failed:
            self._unwritten.extend((now, reason) for reason in step.reasons)
            # This step will be missing, so the next one begins with the state that it left.
            self._since_snapshot, self._application = SNAPSHOT_EVERY, (None, 0)
            raise
        self._unwritten.clear()
        (newest,) = self._db.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
        self.last_event = max(self.last_event, newest)
        return events

    def tell(self, reasons: Iterable[Reason], *, now: float) -> list[Event]:
        """Write down reasons that no step gave: of the edge, which decides nothing about instances."""
        with failing(self.path, "written"), self._db:
            events = [self._record_event(reason, now) for reason in reasons]
        self.last_event = max([self.last_event, *(event.id for event in events)])
        return events

    def _record_step(self, app: Application, before: State, seen: Observation, step: Step, now: float) -> None:
        snapshot = None
        if self._since_snapshot >= SNAPSHOT_EVERY:
            snapshot = records.STATE.written(before)
            self._since_snapshot = 0
        self._since_snapshot += 1
        self._last_step += 1
        self._db.execute(
            "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?)",
            (
                self._last_step,
                now,
                self._application_id(app),
                records.OBSERVATION.written(seen),
                snapshot,
                records.ACTIONS.written(step.actions),
            ),
        )
        if self._last_step % 1000 == 0:
            self._prune(now)

    def _application_id(self, app: Application) -> int:
        known, number = self._application
        if known is not app:
            text = records.APPLICATION.written(app)
            self._db.execute("INSERT OR IGNORE INTO applications (application) VALUES (?)", (text,))
            number = self._db.execute("SELECT id FROM applications WHERE application = ?", (text,)).fetchone()[0]
            self._application = (app, number)
        return number

    def _record_event(self, why: Reason, now: float) -> Event:
        cursor = self._db.execute(
            "INSERT INTO events (at, service, kind, before, after, reason, instance, release)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            records.event_row(why, at=now),
        )
        return Event(id=cursor.lastrowid or 0, at=now, reason=why)

    def _prune(self, now: float) -> None:
        self._db.execute("DELETE FROM steps WHERE id <= ?", (self._last_step - KEEP_STEPS,))
        self._db.execute("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", (KEEP_EVENTS,))
        self._db.execute("DELETE FROM history WHERE resolution = 1 AND at < ?", (now - KEEP_SECONDS_S,))
        self._db.execute("DELETE FROM history WHERE resolution = 60 AND at < ?", (now - KEEP_MINUTES_S,))

    def steps(self) -> Iterator[Recorded]:
        """Recorded steps from the oldest one that has a snapshot of the state before it. Raises `Failed`, also on one
        that was written by a program that differs.
        """
        try:
            with failing(self.path, "read"):
                yield from self._steps()
        except ValueError as error:
            raise Failed(f"the journal {self.path} holds a step that this version cannot read: {error}") from error

    def _steps(self) -> Iterator[Recorded]:
        first = self._db.execute("SELECT min(id) FROM steps WHERE state IS NOT NULL").fetchone()[0]
        applications = {
            number: records.APPLICATION.read(text)
            for number, text in self._db.execute("SELECT id, application FROM applications")
        }
        rows = self._db.execute(
            "SELECT id, at, application, observation, state, actions FROM steps WHERE id >= ? ORDER BY id",
            (first or 0,),
        )
        for number, at, application, observation, state, actions in rows:
            yield Recorded(
                id=number,
                at=at,
                app=applications[application],
                seen=records.OBSERVATION.read(observation),
                state=None if state is None else records.STATE.read(state),
                actions=records.ACTIONS.read(actions),
            )

    def record_view(self, seen: ApplicationView, *, now: float) -> None:
        """Keep what each service did at this tick, and in the minute before when it is over."""
        rows = {service.of.name: row_of(service) for service in seen.services}
        self.record_history(self._minutes.add(rows, now=now), resolution=60)
        self.record_history([Moment(round(now, 2), name, row) for name, row in rows.items()])

    def record_history(self, moments: Iterable[Moment], *, resolution: int = 1) -> None:
        """Keep what services did in the `resolution` seconds that ended at each moment."""
        values = [(resolution, one.at, one.service, json.dumps(one.row, separators=(",", ":"))) for one in moments]
        with failing(self.path, "written"), self._db:
            self._db.executemany("INSERT OR REPLACE INTO history VALUES (?, ?, ?, ?)", values)


def _columns(database: sqlite3.Connection) -> set[tuple[str, str]]:
    """Every table's columns. SQLite's own tables are left out."""
    return set(
        database.execute(
            "SELECT tables.name, columns.name FROM sqlite_master AS tables, pragma_table_info(tables.name) AS columns"
            " WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'"
        )
    )
