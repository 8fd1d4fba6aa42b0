"""Cgroups that an application left behind, because everything that would have removed them was killed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


def clear(mine: str, record: Path, *, root: Path = ROOT) -> None:
    """Remove them. Nothing may run in them. `mine` is how the application's id ends, `record` says where they are.

    Those of version 1 are in the directories of its controllers.
    """
    for application in _left(mine, record, root):
        for directory in (*application.glob("*/"), application):
            with contextlib.suppress(OSError):  # something still runs there
                directory.rmdir()


def _left(mine: str, record: Path, root: Path) -> Iterator[Path]:
    name = f"flyball-*{mine}"
    with contextlib.suppress(OSError):
        yield from Path(record.read_text(encoding="utf-8")).glob(name)
    yield from (*root.glob(name), *root.glob(f"*/{name}"))
