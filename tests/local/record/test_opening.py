"""A journal that cannot be gone on with is set aside; one that only cannot be written now is not."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from builders import application
from flyball.core.control.news import MishapKind
from flyball.core.control.observation import Observation
from flyball.core.control.step import begin, step
from flyball.core.errors import Failed
from flyball.local.record.journal import Journal
from flyball.local.record.opening import opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of two steps, closed."""
    found = tmp_path / "journal.db"
    app = application()
    with closing(Journal(found)) as journal:
        state = begin(app, now=0.0)
        for now in (1.0, 2.0):
            done = step(app, state, Observation(), now=now)
            journal.record(app, state, Observation(), done, now=now)
            state = done.state
    return found


def _changed(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(statement)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), "cannot be read|malformed"),
        (lambda path: path.write_bytes(b"no journal" * 5000), "file is not a database"),
        (lambda path: path.write_bytes(path.read_bytes()[:100] + b"\xff" * 100_000), "cannot be"),
        (_directory, "is a directory"),
        (lambda path: _changed(path, "UPDATE state SET state = x'00'"), "a state that this version cannot read"),
        (lambda path: _changed(path, "UPDATE applications SET application = '{}'"), "an application that this version"),
        (lambda path: _changed(path, "ALTER TABLE steps ADD COLUMN more TEXT"), "of another version"),
        (lambda path: _changed(path, "ALTER TABLE events RENAME COLUMN at TO moment"), "of another version"),
    ],
)
def test_a_damaged_one_is_kept_beside_a_new_one(path: Path, damage: Callable[[Path], None], said: str) -> None:
    damage(path)
    for number in (1, 2):
        journal, mishap = opened(path)
        with closing(journal):
            assert journal.restore() is None
            assert mishap is not None
            assert mishap.kind is MishapKind.JOURNAL_SET_ASIDE
            assert f"it is kept as journal.db.damaged-{number}" in mishap.text
        if number == 1:
            assert re.search(said, mishap.text)
            path.write_bytes(b"again" * 2000)
    assert sorted(one.name for one in path.parent.glob("*.damaged-?")) == [
        "journal.db.damaged-1",
        "journal.db.damaged-2",
    ]


def test_a_sound_one_goes_on_also_with_tables_of_others(path: Path) -> None:
    _changed(path, "CREATE TABLE runs (id INTEGER)")
    journal, mishap = opened(path)
    with closing(journal):
        assert mishap is None
        assert journal.restore() is not None


def test_one_that_another_program_writes_stays_where_it_is(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Failed, match="locked"):
            opened(path)
    assert not list(path.parent.glob("*.damaged*"))
