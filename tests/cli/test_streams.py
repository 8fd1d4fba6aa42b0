"""Standard streams that are closed, or whose reader has gone, are no reason for a traceback."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys

import pytest

pytestmark = pytest.mark.live


@pytest.mark.parametrize("verb", ["schema", "doctor", "doctor --json"])
def test_a_reader_that_has_seen_enough(verb: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "flyball", *verb.split()], stdout=writing, stderr=subprocess.PIPE, check=False
        )
    finally:
        os.close(writing)

    assert (done.returncode, done.stderr) == (0, b"")


def test_no_standard_streams_at_all() -> None:
    closed = f"exec '{sys.executable}' -m flyball schema <&- >&- 2>&-"

    assert subprocess.run(["sh", "-c", closed], check=False).returncode == 0


@pytest.mark.parametrize(("no_color", "styled"), [("1", False), ("", True)])
def test_no_color_means_plain_text_on_a_terminal(no_color: str, styled: bool) -> None:
    terminal, end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": no_color}
    try:
        process = subprocess.Popen([sys.executable, "-m", "flyball", "doctor"], stdout=end, env=environment)
        os.close(end)
        shown = b""
        with contextlib.suppress(OSError):  # a terminal that nobody holds any more
            while part := os.read(terminal, 4096):
                shown += part
        process.wait(timeout=60)
    finally:
        os.close(terminal)

    assert b"Envoy" in shown
    assert (b"\x1b" in shown) is styled
