"""What the benchmark of plain applications reads out of events, and that Flyball accepts its applications."""

import pytest
from benchmarks.plain_rows import complete, first, overloaded, replaced
from benchmarks.plain_sources import APPLICATIONS

from flyball.core.manifest import parse


def event(at, kind, instance=None, before=None, after=None):
    return {"at": at, "kind": kind, "instance": instance, "from": before, "to": after}


STARTED = [event(1.0, "launched", "web-1"), event(2.0, "in_service", "web-1")]
SCALED_OUT = [
    *STARTED,
    event(12.0, "scale_out", before=1, after=3),
    event(12.0, "launched", "web-2"),
    event(12.0, "launched", "web-3"),
    event(13.0, "in_service", "web-2"),
    event(13.5, "unhealthy", "web-1"),
    event(15.0, "in_service", "web-3"),
    event(16.0, "scale_out", before=3, after=4),
    event(18.0, "in_service", "web-4"),
]


def test_an_overload_is_told_by_the_events_of_its_time():
    later = [event(41.0, "unhealthy", "web-2"), event(42.0, "scale_in", before=4, after=3)]
    assert overloaded([*SCALED_OUT, *later], start=10.0, end=40.0, enough=4) == {
        "unhealthy": 1,
        "replaced": 0,
        "first_s": 3.0,
        "full_s": 8.0,
        "scale_in_waiting": False,
    }


def test_a_scale_in_before_the_last_answer_is_told():
    events = [*SCALED_OUT, event(39.0, "scale_in", before=4, after=3)]
    assert overloaded(events, start=10.0, end=40.0, enough=4)["scale_in_waiting"]


def test_capacity_that_never_came_has_no_time():
    told = overloaded(STARTED, start=10.0, end=40.0, enough=4)
    assert (told["first_s"], told["full_s"]) == (None, None)


def test_capacity_is_complete_when_all_that_are_wanted_serve_and_these_are_enough():
    assert list(complete(SCALED_OUT, 1)) == [2.0, 15.0, 18.0]
    lost = [event(20.0, "failed", "web-4"), event(21.0, "launched", "web-5"), event(23.0, "in_service", "web-5")]
    assert list(complete([*SCALED_OUT, *lost], 4)) == [18.0, 23.0]


def test_one_that_was_unhealthy_and_left_was_replaced():
    sick = [event(1.0, "unhealthy", "web-1"), event(2.0, "unhealthy", "web-2"), event(3.0, "draining", "web-1")]
    assert replaced(sick) == 1


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ([event(2.0, "scale_in", before=3, after=2)], 0),
        ([event(2.0, "scale_in", before=3, after=2), event(2.5, "scale_out", before=2, after=3)], 1),
    ],
)
def test_one_that_leaves_in_a_scale_in_was_not_replaced(wish, expected):
    assert replaced([event(1.0, "unhealthy", "web-1"), *wish, event(3.0, "draining", "web-1")]) == expected


def test_the_launch_is_the_first_after_the_moment():
    assert first(SCALED_OUT, "launched", since=10.0) == 2.0
    assert first(SCALED_OUT, "launched", since=19.0) is None


@pytest.mark.parametrize("app", APPLICATIONS, ids=lambda app: app.name)
def test_flyball_accepts_the_file_of_each_application(app):
    service = parse(app.manifest()).services[0]
    assert (service.capacity.min, service.capacity.max, service.health.path) == (1, 6, "/")
