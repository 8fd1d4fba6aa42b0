"""A full disk. Many programs end when they cannot write their log, so programs started then write to a relay.

At other times a program writes its log itself, which costs nothing and needs no other process.
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
"""With less left a disk counts as full: the last megabyte may be gone before the next look."""


def is_full(directory: Path, least: int = ROOM_BYTES) -> bool:
    """Whether the disk of this directory has no space left."""
    try:
        return shutil.disk_usage(directory).free < least
    except OSError:  # whoever writes there says what is wrong with it
        return False


def relayed(log: Path) -> int:
    """A descriptor for a program's output; a process writes it to the log while there is space. Raises OSError."""
    reader, writer = os.pipe()
    try:
        subprocess.run(
            [sys.executable, "-I", "-S", str(RELAY), str(log)],
            stdin=reader, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={}, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError) as error:
        os.close(writer)
        raise OSError(f"the output cannot be written to {log}: {error}") from error
    finally:
        os.close(reader)
    return writer


class Room:
    """Whether the disk had space at the last look; reports when that changes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._full = False

    def news(self) -> list[Mishap]:
        """The change since the last look, if there is one."""
        before = self._full
        # Space that goes up and down around the limit is not reported each time.
        self._full = is_full(self._directory, 2 * ROOM_BYTES if before else ROOM_BYTES)
        if self._full == before:
            return []
        if self._full:
            text = "the disk is full: programs go on, and output that does not fit is dropped"
        else:
            text = "the disk has space again: output is kept again"
        return [Mishap(kind=MishapKind.DISK, text=text)]
