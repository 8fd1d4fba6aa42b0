"""What cannot be written is no reason for the control plane to end."""

from __future__ import annotations

import errno
import io

from flyball.cli.control_log import Patient


class Full(io.StringIO):
    """A stream on a full disk."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_swallows_words() -> None:
    stream = Patient(Full())
    stream.flush()

    assert stream.write("a line\n") == 7
    assert not stream.isatty()


def test_what_can_be_written_is() -> None:
    text = io.StringIO()
    Patient(text).write("a line\n")

    assert text.getvalue() == "a line\n"
