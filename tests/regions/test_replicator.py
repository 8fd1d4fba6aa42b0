"""Buckets in three directories: whatever is written and deleted in them, in the end all have the same."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from flyball.regions.replication import directory
from flyball.regions.replication.decide import Version
from flyball.regions.replication.replicator import Replicator

REGIONS = ("a", "b", "c")


class Three:
    """Three regions with a bucket each, and what was told."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.places = {region: home / region for region in REGIONS}
        self.told: list[tuple[str, str, bool]] = []
        for region in REGIONS:
            self.bucket(region).mkdir(parents=True)
        self.replicator = self.started()

    def started(self) -> Replicator:
        return Replicator(self.home / "memory.db", ["files"], lambda *told: self.told.append(told))

    def bucket(self, region: str) -> Path:
        return self.places[region] / "files"

    def write(self, region: str, key: str, text: str) -> None:
        path = self.bucket(region) / key
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)

    def settle(self) -> None:
        for _ in range(50):
            if not self.replicator.round(self.places):
                return
        raise AssertionError("it never comes to rest")

    def content(self, region: str) -> dict[str, str]:
        bucket = self.bucket(region)
        return {path.relative_to(bucket).as_posix(): path.read_text() for path in bucket.rglob("*") if path.is_file()}


@pytest.fixture
def three(tmp_path: Path) -> Iterator[Three]:
    made = Three(tmp_path)
    yield made
    made.replicator.close()


def test_what_one_region_stores_reaches_the_others_with_its_time(three: Three):
    three.write("a", "photos/cat.png", "meow")
    three.settle()
    assert [three.content(region) for region in REGIONS] == [{"photos/cat.png": "meow"}] * 3
    times = {(three.bucket(region) / "photos/cat.png").stat().st_mtime_ns for region in REGIONS}
    assert len(times) == 1


def test_a_later_write_wins_and_a_deletion_reaches_all(three: Three):
    three.write("a", "k", "first")
    three.settle()
    three.write("b", "k", "second")
    three.settle()
    assert [three.content(region) for region in REGIONS] == [{"k": "second"}] * 3
    (three.bucket("c") / "k").unlink()
    three.settle()
    assert [three.content(region) for region in REGIONS] == [{}] * 3


def test_what_happens_while_it_does_not_run_is_seen_afterwards(three: Three):
    three.write("a", "k", "x")
    three.write("a", "other", "y")
    three.settle()
    three.replicator.close()
    (three.bucket("b") / "k").unlink()
    three.write("c", "late", "z")
    three.replicator = three.started()
    three.settle()
    assert [three.content(region) for region in REGIONS] == [{"other": "y", "late": "z"}] * 3


def test_a_backup_with_an_old_time_is_the_newest_for_who_restores_it(three: Three):
    three.write("a", "k", "new")
    three.settle()
    three.write("b", "k", "from the backup")
    os.utime(three.bucket("b") / "k", (1_000, 1_000))
    three.settle()
    assert [three.content(region) for region in REGIONS] == [{"k": "from the backup"}] * 3


def test_a_clock_that_is_ahead_wins_no_longer_than_any_other(three: Three):
    three.write("a", "k", "from tomorrow")
    os.utime(three.bucket("a") / "k", (4e9, 4e9))
    three.settle()
    three.write("b", "k", "later")
    three.settle()
    assert [three.content(region) for region in REGIONS] == [{"k": "later"}] * 3


def test_a_bucket_that_is_away_is_not_an_empty_one(three: Three):
    three.write("a", "k", "x")
    three.settle()
    three.bucket("b").rename(three.home / "unmounted")
    three.settle()
    assert three.content("a") == three.content("c") == {"k": "x"}
    (three.home / "unmounted").rename(three.bucket("b"))
    three.settle()
    assert three.content("b") == {"k": "x"}


def test_another_directory_in_its_place_is_not_an_emptied_one(three: Three):
    three.write("a", "k", "x")
    three.settle()
    three.bucket("b").rename(three.home / "unmounted")
    three.bucket("b").mkdir()  # what lies below where a disk was
    assert {one.waiting for one in three.replicator.lags(three.places)} == {0, 1}
    three.replicator.close()
    three.replicator = three.started()  # that it was another one is also known after a restart
    three.settle()
    assert [three.content(region) for region in REGIONS] == [{"k": "x"}] * 3
    (three.bucket("a") / "k").unlink()
    three.settle()
    (three.bucket("b")).rmdir()
    (three.home / "unmounted").rename(three.bucket("b"))
    three.settle()
    assert [three.content(region) for region in REGIONS] == [{}] * 3


def test_how_far_a_region_is_behind_is_told_as_it_is_now(three: Three):
    three.write("a", "old", "x")
    three.settle()
    three.write("a", "new", "x")
    (three.bucket("a") / "old").unlink()
    lags = {one.region: one for one in three.replicator.lags(three.places)}  # without a round in between
    assert {region: lag.waiting for region, lag in lags.items()} == {"a": 0, "b": 2, "c": 2}
    three.settle()
    assert {one.waiting for one in three.replicator.lags(three.places)} == {0}
    assert not three.replicator.stalled


def test_what_is_still_being_written_is_left_alone(three: Three):
    three.write("a", "upload#17", "half")
    three.settle()
    assert three.content("b") == {}


def test_any_mixture_of_writes_and_deletions_comes_to_rest_alike(three: Three):
    chance = random.Random(7)
    clock = 1_000.0
    for _ in range(60):
        region, key = chance.choice(REGIONS), chance.choice("xyz")
        path = three.bucket(region) / key
        clock += 1
        if chance.random() < 0.3 and path.exists():
            path.unlink()
        else:
            path.write_text(f"{region}{clock}")
            os.utime(path, (clock, clock))
        if chance.random() < 0.5:
            three.replicator.round(three.places)
    three.settle()
    assert three.content("a") == three.content("b") == three.content("c")


# Between two writers


def version(path: Path) -> Version:
    found = path.stat()
    return Version(found.st_mtime_ns, found.st_size)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "k").write_text("theirs")
    return source, target


def test_a_copy_never_takes_the_place_of_what_came_meanwhile(pair: tuple[Path, Path]):
    source, target = pair
    (target / "k").write_text("written meanwhile")
    for expected in (None, Version(1, 1)):
        with pytest.raises(directory.Changed):
            directory.copy("k", source, target, version=version(source / "k"), instead=expected)
    assert (target / "k").read_text() == "written meanwhile"
    assert [path.name for path in target.iterdir()] == ["k"]


def test_who_shares_the_bucket_shares_what_arrives(pair: tuple[Path, Path]):
    source, target = pair
    (source / "photos").mkdir()
    (source / "photos" / "cat").write_text("meow")
    (source / "photos" / "cat").chmod(0o600)
    target.chmod(0o2770)
    directory.copy("photos/cat", source, target, version=version(source / "photos" / "cat"), instead=None)
    assert (target / "photos").stat().st_mode & 0o7777 == 0o2770
    assert (target / "photos" / "cat").stat().st_mode & 0o777 == 0o660


def test_a_copy_of_what_was_written_again_is_thrown_away(pair: tuple[Path, Path]):
    source, target = pair
    with pytest.raises(directory.Changed):
        directory.copy("k", source, target, version=Version(1, 1), instead=None)
    with pytest.raises(directory.Changed):
        directory.copy("gone", source, target, version=Version(1, 1), instead=None)
    assert list(target.iterdir()) == []


def test_a_deletion_spares_what_came_meanwhile(pair: tuple[Path, Path]):
    source, _ = pair
    with pytest.raises(directory.Changed):
        directory.delete("k", source, instead=Version(1, 1))
    assert (source / "k").read_text() == "theirs"
    directory.delete("k", source, instead=version(source / "k"))
    directory.delete("k", source, instead=Version(1, 1))
    assert list(source.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0 or not Path("/dev/full").exists(), reason="needs root for a small disk")
@pytest.mark.root
def test_a_full_disk_is_told_and_made_good_later(tmp_path: Path):
    import subprocess

    three = Three(tmp_path)
    small = three.bucket("b")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small], check=False)
    if mounted.returncode != 0:
        pytest.skip("cannot mount a small disk")
    try:
        three.write("a", "large", "x" * 200_000)
        for _ in range(3):
            three.replicator.round(three.places)
        assert three.content("c") == {"large": "x" * 200_000}
        assert three.content("b") == {}
        (lag,) = [one for one in three.replicator.lags(three.places) if one.region == "b"]
        assert (lag.waiting, lag.problem) == (1, os.strerror(errno.ENOSPC))
        assert "b: its files does not take large" in three.told[0][1]
        subprocess.run(["mount", "-o", "remount,size=1m", small], check=True)
        while three.content("b") != three.content("a"):
            three.replicator.round(three.places)
        three.settle()
        assert three.told[-1] == ("b", "b: its files has all objects again", True)
    finally:
        subprocess.run(["umount", small], check=False)
        three.replicator.close()
