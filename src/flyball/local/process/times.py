"""When was a line of a log written? Programs write their logs by themselves, so the control plane notes how far each
one has come: a file beside the log holds (offset, time), one after the other. A line is as old as the first note behind
it, half a second at most.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from pathlib import Path

NOTE_EVERY_S = 0.5
MOST_BYTES = 1 << 20  # nine hours of an instance that always talks
_NOTE = struct.Struct("<Qd")


def beside(log: Path) -> Path:
    """Where the notes of a log are."""
    return log.with_suffix(".times")


class Notes:
    """What was noted last of each log, so that a log that is silent costs nothing."""

    def __init__(self) -> None:
        self._sizes: dict[Path, int] = {}

    def take(self, log: Path, now: float) -> None:
        """Note how long the log is now, if it has grown. Raises OSError on a full disk."""
        try:
            size = log.stat().st_size
        except FileNotFoundError:
            return
        if size == self._sizes.get(log, 0):
            return
        self._sizes[log] = size
        notes = beside(log)
        with notes.open("ab") as file:
            file.write(_NOTE.pack(size, now))
            length = file.tell()
        if length > MOST_BYTES:
            kept = notes.read_bytes()[-MOST_BYTES // 2 // _NOTE.size * _NOTE.size :]
            notes.with_suffix(".new").write_bytes(kept)
            notes.with_suffix(".new").replace(notes)


class Times:
    """The notes of one log, to be asked."""

    def __init__(self, log: Path) -> None:
        try:
            data = beside(log).read_bytes()
        except FileNotFoundError:
            data = b""
        notes = list(_NOTE.iter_unpack(data[: len(data) // _NOTE.size * _NOTE.size]))
        self._offsets = [offset for offset, _ in notes]
        self._times = [at for _, at in notes]
        self._last = log.stat().st_mtime if log.exists() else 0.0

    def at(self, end: int) -> float:
        """When the line that ends at this offset was written; behind the last note, when the log was."""
        place = bisect_left(self._offsets, end)
        return self._times[place] if place < len(self._times) else self._last
