"""Tables in three regions: whatever programs write and delete in them, in the end all have the same rows."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flyball.regions.replication.rows import Rows
from flyball.regions.replication.tables import TableReplicator

REGIONS = ("a", "b", "c")
SCHEMA = """
CREATE TABLE posts (board TEXT, posted INTEGER, text BLOB, PRIMARY KEY (board, posted)) WITHOUT ROWID;
CREATE TABLE visits (name TEXT PRIMARY KEY, value INTEGER);
"""


class Three:
    """Three regions with a table each, and what was told."""

    def __init__(self, home: Path) -> None:
        self.places = {region: home / region for region in REGIONS}
        self.told: list[tuple[str, str, bool]] = []
        for place in self.places.values():
            place.mkdir()
        self.replicator = self.started()

    def started(self) -> TableReplicator:
        return TableReplicator({"posts": ("board", "posted")}, lambda *told: self.told.append(told), busy_s=0.05)

    def file(self, region: str) -> Path:
        return self.places[region] / "posts.db"

    def run(self, region: str, sql: str, *values: Any) -> list[Any]:
        """What a program of that region does."""
        with closing(sqlite3.connect(self.file(region), isolation_level=None)) as db:
            return db.execute(sql, values).fetchall()

    def make(self, region: str, schema: str = SCHEMA) -> None:
        with closing(sqlite3.connect(self.file(region))) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(schema)

    def write(self, region: str, posted: int, text: str) -> None:
        self.run(region, "INSERT OR REPLACE INTO posts VALUES ('main', ?, ?)", posted, text)

    def settle(self) -> None:
        for _ in range(10):
            self.replicator.round(self.places)

    def rows(self, region: str) -> dict[int, str]:
        return dict(self.run(region, "SELECT posted, text FROM posts ORDER BY posted"))

    def all_have(self, rows: dict[int, str]) -> bool:
        return [self.rows(region) for region in REGIONS] == [rows] * 3

    def waiting(self, region: str) -> int:
        return next(one.waiting for one in self.replicator.lags(self.places) if one.region == region)


def copy(source: Path, target: Path) -> None:
    """What SQLite's own backup does: all of a file into another, which may be in use."""
    with closing(sqlite3.connect(source)) as db, closing(sqlite3.connect(target)) as to:
        db.backup(to)


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Three]:
    made = Three(tmp_path)
    for region in REGIONS:
        made.make(region)
    made.settle()
    yield made
    made.replicator.close()


def test_what_one_region_writes_changes_and_deletes_reaches_the_others(three: Three):
    three.write("a", 1, "first")
    three.write("b", 2, "second")
    three.settle()
    assert three.all_have({1: "first", 2: "second"})
    three.run("c", "UPDATE posts SET text = 'changed' WHERE posted = 1")
    three.run("b", "DELETE FROM posts WHERE posted = 2")
    three.run("a", "INSERT OR IGNORE INTO posts VALUES ('main', 3, 'ignores conflicts')")
    three.settle()
    assert three.all_have({1: "changed", 3: "ignores conflicts"})
    three.run("a", "UPDATE posts SET posted = 4 WHERE posted = 3")
    three.settle()
    assert three.all_have({1: "changed", 4: "ignores conflicts"})


def test_other_tables_of_the_program_stay_in_their_region(three: Three):
    three.run("a", "INSERT INTO visits VALUES ('visits', 7)")
    three.settle()
    assert three.run("b", "SELECT * FROM visits") == []


def test_what_was_there_before_is_brought_over_and_loses_to_what_is_written(tmp_path: Path):
    three = Three(tmp_path)
    three.make("a")
    three.write("a", 1, "old in a")
    three.write("a", 2, "only in a")
    three.make("b")
    three.replicator.round(three.places)
    three.write("b", 1, "new in b")
    three.make("c")  # it comes later
    three.settle()
    assert three.all_have({1: "new in b", 2: "only in a"})
    three.replicator.close()


def test_the_last_writer_wins_and_a_clock_that_was_set_back_loses_nothing(three: Three):
    three.write("a", 1, "first")
    three.run("a", "UPDATE flyball_changes SET at_ms = at_ms + 3600000")  # written by a clock an hour ahead
    three.settle()
    three.write("b", 1, "later")  # it has seen the first
    three.settle()
    assert three.all_have({1: "later"})
    three.write("b", 1, "at the same")
    three.write("c", 1, "moment")
    for region in "bc":
        three.run(region, "UPDATE flyball_changes SET at_ms = 9999999999999")
    three.settle()
    assert three.all_have({1: "moment"})


def test_a_death_in_between_neither_loses_nor_repeats(three: Three):
    for number in range(450):
        three.write("a", number, "x")
    three.replicator.close()
    three.replicator = three.started()
    three.settle()
    three.run("b", "DELETE FROM posts WHERE posted = 7")
    three.replicator.close()
    three.replicator = three.started()
    three.settle()
    assert three.all_have({number: "x" for number in range(450) if number != 7})


def test_how_far_a_region_is_behind(three: Three):
    three.write("a", 1, "x")
    three.write("a", 2, "x")
    assert (three.waiting("a"), three.waiting("b")) == (0, 2)
    three.settle()
    (lag,) = [one for one in three.replicator.lags(three.places) if one.region == "b"]
    assert (lag.waiting, lag.lag_s, lag.problem) == (0, 0.0, None)
    assert lag.took_s is not None


def test_what_a_region_cannot_hold_waits_for_its_release(three: Three):
    three.run("a", "ALTER TABLE posts ADD COLUMN author TEXT")
    three.run("a", "INSERT INTO posts VALUES ('main', 1, 'x', 'Ada')")
    three.settle()
    assert three.rows("b") == {}
    assert three.told[0] == (
        "b",
        "b: its posts does not take rows: its table posts has no column author yet; the rows are kept and tried again",
        False,
    )
    assert three.replicator.stalled
    three.run("b", "ALTER TABLE posts ADD COLUMN author TEXT")
    three.replicator.close()
    three.replicator = three.started()  # no need to wait for the next try
    three.settle()
    assert three.run("b", "SELECT author FROM posts") == [("Ada",)]


def test_a_region_that_is_locked_keeps_no_other_waiting(three: Three):
    three.replicator.close()
    three.replicator = three.started()
    three.replicator.round(three.places)
    with closing(sqlite3.connect(three.file("b"), isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        three.write("a", 1, "x")
        three.settle()
        assert three.rows("c") == {1: "x"}
        assert [told[0] for told in three.told] == ["b"]


def test_any_mixture_of_writes_and_deletions_comes_to_rest_alike(three: Three):
    chance = random.Random(7)
    for step in range(120):
        region, posted = chance.choice(REGIONS), chance.randrange(5)
        if chance.random() < 0.3:
            three.run(region, "DELETE FROM posts WHERE posted = ?", posted)
        else:
            three.write(region, posted, f"{region}{step}")
        if chance.random() < 0.3:
            three.replicator.round(three.places)
    three.settle()
    assert three.all_have(three.rows("a"))
    assert three.run("a", "SELECT count(*) FROM flyball_changes") < [(6,)]  # one for each row that ever was


def test_a_region_whose_file_is_restored_from_a_backup_loses_no_later_write(three: Three):
    three.write("a", 1, "in the backup")
    three.settle()
    old = three.file("a").with_name("old")
    copy(three.file("a"), old)
    for number in range(2, 9):
        three.write("a", number, "after it")
    three.settle()
    copy(old, three.file("a"))  # into the same file
    three.write("a", 9, "after the restore")
    three.settle()
    assert three.all_have({1: "in the backup", **dict.fromkeys(range(2, 9), "after it"), 9: "after the restore"})


def test_a_backup_in_place_of_the_file_loses_no_write_however_many_there_are(three: Three):
    three.write("a", 1, "in the backup")
    three.settle()
    old = three.file("a").with_name("old")
    copy(three.file("a"), old)
    three.write("a", 2, "after it")
    three.settle()
    for suffix in ("-wal", "-shm"):
        three.file("a").with_name(f"posts.db{suffix}").unlink(missing_ok=True)
    old.replace(three.file("a"))
    for number in range(3, 20):
        three.write("a", number, "after the restore")
    three.settle()
    expected = {1: "in the backup", 2: "after it", **dict.fromkeys(range(3, 20), "after the restore")}
    assert three.all_have(expected)


@pytest.mark.parametrize("in_place", [True, False])
def test_a_file_that_is_restored_while_nobody_looks_loses_no_write(three: Three, in_place: bool):
    three.write("a", 1, "in the backup")
    three.settle()
    old = three.file("a").with_name("old")
    copy(three.file("a"), old)
    three.write("a", 2, "after it")
    three.settle()
    three.replicator.close()
    if in_place:
        copy(old, three.file("a"))
    else:
        old.replace(three.file("a"))
    for number in range(3, 20):  # the numbers of its changes are beyond those that the others have seen
        three.write("a", number, "after the restore")
    three.replicator = three.started()
    three.settle()
    expected = {1: "in the backup", 2: "after it", **dict.fromkeys(range(3, 20), "after the restore")}
    assert three.all_have(expected)


def test_a_region_that_begins_with_another_ones_file_loses_no_write(three: Three):
    three.write("a", 1, "from a")
    three.write("b", 2, "from b")
    three.settle()
    three.replicator.close()
    copy(three.file("a"), three.file("b"))
    for region, number in (("a", 3), ("b", 4), ("c", 5)):
        three.write(region, number, f"from {region}")
    three.replicator = three.started()
    three.settle()
    three.write("b", 6, "from b")
    three.settle()
    assert three.all_have({1: "from a", 2: "from b", 3: "from a", 4: "from b", 5: "from c", 6: "from b"})


def test_what_has_been_brought_over_is_not_brought_over_again(three: Three):
    three.write("a", 1, "x")
    three.settle()
    before = three.run("b", "SELECT max(seq) FROM flyball_changes"), three.run("a", "SELECT * FROM flyball_marks")
    three.replicator.close()
    three.replicator = three.started()
    three.settle()
    after = three.run("b", "SELECT max(seq) FROM flyball_changes"), three.run("a", "SELECT * FROM flyball_marks")
    assert after == before


def test_looking_for_what_is_new_costs_as_much_in_a_long_table_as_in_a_short_one(tmp_path: Path):
    file = tmp_path / "posts.db"
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("CREATE TABLE posts (board TEXT, posted INTEGER, text TEXT, PRIMARY KEY (board, posted))")
        db.executemany("INSERT INTO posts VALUES ('main', ?, '')", [(number,) for number in range(20_000)])
    rows = Rows(file, "a", ("board", "posted"))
    rows.watch()
    work: list[None] = []
    rows._db.set_progress_handler(lambda: work.append(None), 1_000)  # once per thousand instructions
    assert not rows.has_more("posts", after=20_000)
    assert len(rows.changes("posts", after=19_990, upto=20_000, most=200)) == 10
    assert len(work) < 5
    rows.close()


def test_a_table_that_waits_for_its_release_keeps_no_other_table_and_no_other_source_waiting(three: Three):
    three.run("a", "CREATE TABLE drafts (board TEXT, posted INTEGER, text BLOB, PRIMARY KEY (board, posted))")
    three.run("a", "INSERT INTO drafts VALUES ('main', 1, 'b has no such table yet')")
    three.write("a", 1, "from a")
    three.write("c", 2, "from c")
    three.replicator.round(three.places)
    assert three.rows("b") == {1: "from a", 2: "from c"}
    assert [told[0] for told in three.told] == ["b", "c"]
    assert three.waiting("b") == 1  # of a table of which nothing has ever been brought over


def test_a_source_that_cannot_be_read_is_named_and_keeps_no_other_waiting(three: Three):
    three.run("a", "CREATE TABLE words (board TEXT, posted INTEGER, text TEXT, PRIMARY KEY (board, posted))")
    three.run("a", "INSERT INTO posts VALUES ('main', 1, CAST(x'ff' AS TEXT))")  # no text in any encoding
    three.run("a", "INSERT INTO words VALUES ('main', 1, 'from a')")
    for region in "bc":
        three.run(region, "CREATE TABLE words (board TEXT, posted INTEGER, text TEXT, PRIMARY KEY (board, posted))")
    three.write("c", 2, "from c")
    three.replicator.round(three.places)
    assert three.rows("b") == {2: "from c"}
    assert three.run("b", "SELECT text FROM words") == [("from a",)]
    assert [(region, "cannot be read" in text) for region, text, _ in three.told] == [("a", True)]
