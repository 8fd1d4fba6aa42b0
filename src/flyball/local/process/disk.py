"""A full disk. Many programs end when they cannot write their log, so what is started then writes to a relay.

Elsewhere a program has its log itself, which costs nothing and needs nobody.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from flyball.core.control.news import Mishap, MishapKind

RELAY = Path(__file__).with_name("relay.py")
ROOM_BYTES = 1_000_000
"""With less left a disk counts as full: the next megabyte may be gone before anybody looks again."""


def is_full(directory: Path) -> bool:
    """Whether there is no room left where this directory is."""
    return shutil.disk_usage(directory).free < ROOM_BYTES


def relayed(log: Path) -> int:
    """A descriptor for a program's output; a process takes it to the log, as far as there is room. Raises OSError."""
    reader, writer = os.pipe()
    try:
        subprocess.run(
            [sys.executable, "-I", "-S", str(RELAY), str(log)],
            stdin=reader, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={}, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        os.close(writer)
        raise OSError(f"no output can be taken to {log}: {error}") from error
    finally:
        os.close(reader)
    return writer


class Room:
    """Whether there was room when looked last; tells when that changes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._full = False

    def news(self) -> list[Mishap]:
        """What there is to tell."""
        before, self._full = self._full, is_full(self._directory)
        if self._full == before:
            return []
        if self._full:
            text = "the disk is full: programs run on, and output for which there is no room is dropped"
        else:
            text = "the disk has room again: output is kept again"
        return [Mishap(kind=MishapKind.DISK, text=text)]
