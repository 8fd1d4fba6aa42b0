"""A script that writes a program's output to its log while the disk may be full: python -I -S relay.py LOG.

The output comes on standard input. What does not fit is dropped, so that the program neither fails nor waits; when
there is space again, the log says how much is missing and goes on. It ends with the last process that has the output.
"""

from __future__ import annotations

import os
import sys

PIECE = 65536


def main(log: str) -> None:
    """Let the caller go on, then copy until the output ends."""
    if os.fork() != 0:
        os._exit(0)
    os.setsid()  # a signal to the program's group must not lose its last lines
    output = Output(log)
    while piece := os.read(0, PIECE):
        output.take(piece)


class Output:
    """The log, and how many bytes are missing in it by now."""

    def __init__(self, log: str) -> None:
        self._log = log
        self._descriptor = -1
        self._missing = 0

    def take(self, piece: bytes) -> None:
        """Append a piece, or as much of it as fits."""
        if self._missing:
            note = b"\n[the disk was full: %d bytes of output are missing]\n" % self._missing
            if self._written(note) < len(note):
                self._missing += len(piece)
                return
            self._missing = 0
        self._missing += len(piece) - self._written(piece)

    def _written(self, data: bytes) -> int:
        done = 0
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
            while done < len(data):
                done += os.write(self._descriptor, data[done:])
        except OSError:
            return done
        return done


if __name__ == "__main__":
    main(sys.argv[1])
