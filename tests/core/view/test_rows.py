"""What charts are made of: one row for many moments or services, and minutes made of seconds."""

from __future__ import annotations

import pytest

from flyball.core.view.rows import COLUMNS, OVER_TIME, SIDE_BY_SIDE, Minutes, Moment, merged

QUIET = dict.fromkeys(COLUMNS, 0.0) | {"p50": None, "p95": None, "p99": None, "desired": 1, "in_service": 1}
BUSY = {"rps": 30.0, "eps": 1.0, "cpu": 80.0, "memory": 20.0, "requests": 600.0, "errors": 3.0}
BUSY |= {"p50": 3.0, "p95": 9.0, "p99": 14.0, "desired": 4, "in_service": 3}


def test_over_time_rates_are_averages_latencies_the_worst_and_capacities_the_last():
    found = merged([BUSY, QUIET], OVER_TIME)

    assert found == {
        "rps": 15.0,
        "eps": 0.5,
        "cpu": 40.0,
        "memory": 10.0,
        "requests": 300.0,
        "errors": 1.5,
        "p50": 3.0,
        "p95": 9.0,
        "p99": 14.0,
        "desired": 1,
        "in_service": 1,
    }


def test_side_by_side_rates_and_capacities_are_sums_and_use_counts_by_instances():
    found = merged([BUSY, QUIET], SIDE_BY_SIDE)

    assert (found["rps"], found["desired"], found["in_service"]) == (30.0, 5, 4)
    assert (found["cpu"], found["memory"], found["requests"]) == (60.0, 15.0, 450.0)
    assert found["errors"] == 3.0
    assert merged([QUIET | {"in_service": 0}, BUSY | {"in_service": 0}], SIDE_BY_SIDE)["cpu"] is None


def test_one_row_stays_as_it_is():
    assert merged([BUSY | {"at": 3.0}], OVER_TIME) == BUSY | {"at": 3.0}


def test_a_row_of_before_there_was_a_column_has_no_value_there():
    old = {"rps": 1.0, "in_service": 1}
    assert merged([old, old], OVER_TIME)["requests"] is None


def test_a_minute_is_one_row_when_it_is_over():
    minutes = Minutes()
    assert minutes.add({"web": BUSY}, now=60.5) == []
    assert minutes.add({"web": QUIET}, now=61.5) == []
    [minute] = minutes.add({"web": BUSY}, now=120.5)
    assert (minute.at, minute.service, minute.row["rps"]) == (60.0, "web", pytest.approx(15.0))
    assert minutes.add({}, now=190.0) == [Moment(120.0, "web", BUSY)]
