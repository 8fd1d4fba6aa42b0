"""What the pipeline did: one record per push with its stages, kept in the journal's file."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pydantic import TypeAdapter

from flyball.local.record.journal import failing

KEPT = 50
SCHEMA = "CREATE TABLE IF NOT EXISTS pipeline (number INTEGER PRIMARY KEY, job TEXT NOT NULL, run TEXT NOT NULL)"


class Status(StrEnum):
    """A run's or a stage's state. superseded: a later push came before this one began; skipped: nothing to do."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SUPERSEDED = "superseded"
    SKIPPED = "skipped"


@dataclass(slots=True, kw_only=True)
class Stage:
    """One stage of a run; times are seconds since the epoch. `log`: its output, as `/api/logs/NAME` knows it."""

    name: str
    started_at: float
    ended_at: float | None = None
    status: Status = Status.RUNNING
    message: str = ""
    log: str | None = None


@dataclass(slots=True, kw_only=True)
class Run:
    """One push on its way. `lines` is what the pusher sees; `releases` are those that it made, by service."""

    number: int
    job: str
    commit: str
    started_at: float
    author: str = ""
    subject: str = ""
    ended_at: float | None = None
    status: Status = Status.RUNNING
    message: str = ""
    stages: list[Stage] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    releases: dict[str, int] = field(default_factory=dict)


RUN: TypeAdapter[Run] = TypeAdapter(Run)


class Records:
    """The runs of one application, on a connection of its own. Errors of the disk surface as `Failed`."""

    def __init__(self, journal: Path) -> None:
        self._path = journal
        with failing(journal, "written"):
            self._db = sqlite3.connect(journal, timeout=10.0)
            with self._db:
                self._db.execute(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def begin(self, job: str, commit: str, *, now: float) -> Run:
        """The run of a job: a new one, or the one that a control plane which died had begun."""
        with failing(self._path, "read"):
            row = self._db.execute("SELECT run FROM pipeline WHERE job = ?", (job,)).fetchone()
            number = self._db.execute("SELECT coalesce(max(number), 0) + 1 FROM pipeline").fetchone()[0]
        if row is not None:
            return RUN.validate_json(row[0])
        run = Run(number=number, job=job, commit=commit, started_at=now)
        self.save(run)
        return run

    def save(self, run: Run) -> None:
        """Write a run down; the oldest are forgotten."""
        row = (run.number, run.job, RUN.dump_json(run).decode())
        with failing(self._path, "written"), self._db:
            self._db.execute("INSERT OR REPLACE INTO pipeline VALUES (?, ?, ?)", row)
            self._db.execute("DELETE FROM pipeline WHERE number <= ?", (run.number - KEPT,))

    def runs(self, *, job: str | None = None, limit: int = KEPT) -> list[Run]:
        """The newest runs first, or the one of a job."""
        with failing(self._path, "read"):
            rows = self._db.execute(
                "SELECT run FROM pipeline WHERE ? IS NULL OR job = ? ORDER BY number DESC LIMIT ?", (job, job, limit)
            ).fetchall()
        return [RUN.validate_json(text) for (text,) in rows]
