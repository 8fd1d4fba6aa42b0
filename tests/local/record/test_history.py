"""What charts are made of: one row for many, and a reader that stays beside the writer."""

from __future__ import annotations

import sqlite3

import pytest

from flyball.core.errors import Failed
from flyball.local.record.history import COLUMNS, OVER_TIME, SIDE_BY_SIDE, merged
from flyball.local.record.journal import Journal, Reader

QUIET = dict.fromkeys(COLUMNS, 0.0) | {"p50": None, "p95": None, "p99": None, "desired": 1, "in_service": 1}
BUSY = {"rps": 30.0, "eps": 1.0, "cpu": 80.0, "memory": 20.0, "p50": 3.0, "p95": 9.0, "p99": 14.0}
BUSY |= {"desired": 4, "in_service": 3}


def test_over_time_rates_are_averages_latencies_the_worst_and_capacities_the_last():
    found = merged([BUSY, QUIET], OVER_TIME)

    assert found == {
        "rps": 15.0,
        "eps": 0.5,
        "cpu": 40.0,
        "memory": 10.0,
        "p50": 3.0,
        "p95": 9.0,
        "p99": 14.0,
        "desired": 1,
        "in_service": 1,
    }


def test_side_by_side_rates_and_capacities_are_sums_and_use_counts_by_instances():
    found = merged([BUSY, QUIET], SIDE_BY_SIDE)

    assert (found["rps"], found["desired"], found["in_service"]) == (30.0, 5, 4)
    assert (found["cpu"], found["memory"]) == (60.0, 15.0)
    assert merged([QUIET | {"in_service": 0}, BUSY | {"in_service": 0}], SIDE_BY_SIDE)["cpu"] is None


def test_one_row_stays_as_it_is():
    assert merged([BUSY | {"at": 3.0}], OVER_TIME) == BUSY | {"at": 3.0}


def test_a_reader_sees_what_is_written_beside_it_and_writes_nothing(tmp_path):
    with pytest.raises(Failed, match="cannot be read"):
        Reader(tmp_path / "journal.db")
    journal = Journal(tmp_path / "journal.db")
    reader = Reader(journal.path)
    journal.record_history(10.0, [("web", BUSY)])

    assert [row["rps"] for row in reader.history(since=0.0, until=20.0)] == [30.0]
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._db.execute("DELETE FROM history")
    reader.close()
    journal.close()
