"""What a `kill -9` of everything leaves of an application's cgroups is taken away, and nobody else's."""

from __future__ import annotations

from pathlib import Path

from flyball.local.process import leftovers


def test_cgroups_of_one_application_are_taken_away(tmp_path: Path):
    root, elsewhere = tmp_path / "cgroup", tmp_path / "user.slice"
    mine = [root / "cpu" / "flyball-shop-0a1b", root / "flyball-shop-0a1b", elsewhere / "flyball-old-name-0a1b"]
    other = root / "cpu" / "flyball-shop-ffff" / "web-1"
    for directory in (*(one / "web-1" for one in mine), other):
        directory.mkdir(parents=True)
    record = tmp_path / "record"
    record.write_text(str(elsewhere))
    leftovers.clear("-0a1b", record, root=root)
    assert not [one for one in mine if one.exists()]
    assert other.exists()
    leftovers.clear("-0a1b", tmp_path / "none", root=root)
