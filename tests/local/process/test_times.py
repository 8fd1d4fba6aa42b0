"""When a line of a log was written, by the control plane's notes of how far the log had come."""

from __future__ import annotations

from pathlib import Path

from flyball.local.process import times
from flyball.local.process.times import Notes, Times, beside


def test_a_line_is_as_old_as_the_first_note_behind_it(tmp_path: Path) -> None:
    log, notes = tmp_path / "web-1.log", Notes()
    notes.take(log, 5.0)
    log.write_text("one\n")
    notes.take(log, 10.0)
    notes.take(log, 11.0)
    log.write_text("one\ntwo\n")
    notes.take(log, 12.0)
    known = Times(log)
    assert [known.at(end) for end in (4, 6, 8)] == [10.0, 12.0, 12.0]
    assert known.at(9) == log.stat().st_mtime
    assert beside(log).stat().st_size == 2 * 16


def test_notes_stay_within_bounds(tmp_path: Path) -> None:
    log, notes = tmp_path / "web-1.log", Notes()
    beside(log).write_bytes(b"\0" * times.MOST_BYTES)
    log.write_text("one\n")
    notes.take(log, 10.0)
    assert beside(log).stat().st_size <= times.MOST_BYTES // 2
    assert Times(log).at(4) == 10.0


def test_a_log_without_notes_has_the_time_of_its_file(tmp_path: Path) -> None:
    (tmp_path / "web-1.log").write_text("one\n")
    assert Times(tmp_path / "web-1.log").at(4) == (tmp_path / "web-1.log").stat().st_mtime
    assert Times(tmp_path / "gone.log").at(4) == 0.0
