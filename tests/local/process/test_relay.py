"""The relay to a log on a full disk: what cannot be written is counted, and the program never waits or fails."""

from __future__ import annotations

import os
from pathlib import Path

from flyball.local.process import disk
from flyball.local.process.relay import Output
from waiting import until


def test_what_is_missing_is_said_when_there_is_room_again(tmp_path: Path):
    log = tmp_path / "gone" / "web-1.log"
    output = Output(str(log))
    output.take(b"lost\n")
    output.take(b"lost too\n")
    log.parent.mkdir()
    output.take(b"kept\n")
    output.take(b"kept too\n")
    assert log.read_bytes() == b"\n[the disk was full: 14 bytes of output are missing]\nkept\nkept too\n"


def test_a_program_writes_through_it_and_it_ends_with_the_program(tmp_path: Path):
    log = tmp_path / "web-1.log"
    writer = disk.relayed(log)
    os.write(writer, b"first\n")
    os.close(writer)
    until(lambda: log.exists() and log.read_bytes() == b"first\n", what="the log has it")
