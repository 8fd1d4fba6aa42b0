"""A reader stays beside the writer."""

from __future__ import annotations

import sqlite3

import pytest

from flyball.core.errors import Failed
from flyball.core.view.rows import Moment
from flyball.local.record.journal import Journal, Reader


def test_a_reader_sees_what_is_written_beside_it_and_writes_nothing(tmp_path):
    with pytest.raises(Failed, match="cannot be read"):
        Reader(tmp_path / "journal.db")
    journal = Journal(tmp_path / "journal.db")
    reader = Reader(journal.path)
    journal.record_history([Moment(10.0, "web", {"rps": 30.0})])

    assert [one.row["rps"] for one in reader.history(since=0.0, until=20.0)] == [30.0]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._db.execute("DELETE FROM history")
    reader.close()
    journal.close()
