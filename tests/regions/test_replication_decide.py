"""What is copied and deleted between regions, decided from what each of them has."""

from __future__ import annotations

from flyball.regions.replication.decide import Copy, Delete, Known, Version, backdated, deleted, work

OLD, NEW = Version(1_000, 5), Version(2_000, 7)
ORDER = ("a", "b", "c")


def test_the_newest_goes_wherever_it_is_not():
    now = {"a": {"k": NEW}, "b": {"k": OLD}, "c": {}}
    assert work({}, now, now, order=ORDER) == [
        Copy("k", "a", "b", NEW, OLD),
        Copy("k", "a", "c", NEW, None),
    ]


def test_what_two_looks_have_not_seen_alike_waits():
    now = {"a": {"k": NEW}, "b": {}}
    assert work({}, now, {}, order=ORDER) == []
    assert work({}, now, {"a": {"k": OLD}}, order=ORDER) == []


def test_the_oldest_comes_first():
    now = {"a": {"y": OLD, "x": NEW}, "b": {}}
    assert [one.key for one in work({}, now, now, order=ORDER)] == ["y", "x"]


def test_a_deletion_reaches_all_others():
    known = Known({"a": {"k": OLD}, "b": {"k": OLD}})
    now = {"a": {}, "b": {"k": OLD}}
    gone = deleted(known, now)
    assert gone == {"k": OLD.at_ns}
    assert work(gone, now, now, order=ORDER) == [Delete("k", "b", OLD, OLD.at_ns)]


def test_a_newer_write_outlives_a_deletion():
    known = Known({"a": {"k": OLD}, "b": {"k": OLD}})
    now = {"a": {}, "b": {"k": NEW}}
    assert work(deleted(known, now), now, now, order=ORDER) == [Copy("k", "b", "a", NEW, None)]


def test_a_region_that_is_not_looked_at_has_deleted_nothing():
    known = Known({"a": {"k": OLD}, "b": {"k": OLD}})
    assert deleted(known, {"b": {"k": OLD}}) == {}


def test_of_two_equal_times_one_wins_everywhere():
    now = {"a": {"k": OLD}, "b": {"k": Version(OLD.at_ns, 9)}, "c": {"k": OLD}}
    assert [(one.source, one.target) for one in work({}, now, now, order=ORDER)] == [("b", "a"), ("b", "c")]


def test_a_restored_backup_is_told_by_its_time():
    known = Known({"a": {"k": NEW}, "b": {"k": NEW}})
    now = {"a": {"k": OLD}, "b": {"k": NEW}}
    assert backdated(known, {}, now) == [("a", "k")]
    assert backdated(Known({"a": {}, "b": {}}), {"k": 3_000}, {"a": {"k": NEW}, "b": {}}) == [("a", "k")]
    assert backdated(known, {}, {"a": {"k": Version(9_000, 1)}, "b": {"k": NEW}}) == []
