"""A region that was away for long gets its visitors back little by little."""

from __future__ import annotations

import pytest

from flyball.core.returning import LONG_AWAY_S
from flyball.regions.returning import Returning

WELL = {"a": "healthy", "b": "healthy"}
LOST = {"a": "healthy", "b": "unhealthy"}


@pytest.fixture
def back() -> Returning:
    return Returning(over_s=20.0)


def test_a_moment_away_changes_nothing(back: Returning):
    for second, seen in enumerate([WELL, LOST, LOST, WELL]):
        assert back.see(seen, now=float(second)) == []
        assert back.shares(now=float(second)) == {}


def test_long_away_it_gets_nobody_and_then_more_and_more(back: Returning):
    back.see(LOST, now=0.0)
    assert back.shares(now=LONG_AWAY_S - 1) == {}
    assert back.shares(now=LONG_AWAY_S) == {"b": 0}
    assert back.see(WELL, now=100.0) == ["b"]
    assert [back.shares(now=100.0 + s) for s in (0, 5, 10.5, 19)] == [{"b": 5}, {"b": 25}, {"b": 50}, {"b": 95}]
    assert back.see(WELL, now=101.0) == []
    assert back.shares(now=120.0) == {}


def test_one_that_fails_on_its_way_back_begins_anew(back: Returning):
    back.see(LOST, now=0.0)
    back.see(WELL, now=100.0)
    back.see(LOST, now=110.0)
    assert back.shares(now=110.0) == {"b": 0}
    assert back.see(WELL, now=112.0) == ["b"]
    assert back.shares(now=112.0) == {"b": 5}


def test_where_nobody_else_serves_nobody_is_held_back(back: Returning):
    back.see({"a": "unhealthy", "b": "unhealthy"}, now=0.0)
    assert back.shares(now=100.0) == {}
    assert back.see({"a": "unhealthy", "b": "healthy"}, now=100.0) == []
    assert back.shares(now=100.0) == {}


def test_a_new_region_comes_as_one_that_was_away(back: Returning):
    back.is_new("b")
    assert back.shares(now=0.0) == {"b": 0}
    assert back.see({"a": "healthy", "b": "initial"}, now=1.0) == []
    assert back.see(WELL, now=2.0) == ["b"]
    back.forget("b")
    assert back.shares(now=3.0) == {}


def test_without_time_everybody_comes_at_once():
    back = Returning(over_s=0.0)
    back.see(LOST, now=0.0)
    assert back.shares(now=100.0) == {}
    assert back.see(WELL, now=100.0) == []
