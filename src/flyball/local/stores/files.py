"""Stores that are files: a SQLite database, a directory.

Behind walls the services that name a store share it as a group, and a database lies in a directory of its own, for
SQLite makes files beside it.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from flyball.core.errors import Failed
from flyball.local.paths import StateDirectory
from flyball.local.process.walls.walls import Walls

_BESIDE = ("", "-wal", "-shm")


def table(name: str, paths: StateDirectory, walls: Walls | None) -> Path:
    """The database of a store, made ready."""
    plain, own = paths.stores / f"{name}.db", paths.stores / name / f"{name}.db"
    if walls is not None and not own.exists():
        own.parent.mkdir(mode=0o700, exist_ok=True)
        for beside in _BESIDE:  # nothing runs yet that could have it open
            with contextlib.suppress(FileNotFoundError):
                plain.with_name(plain.name + beside).rename(own.with_name(own.name + beside))
    path = (own if own.exists() or walls is not None else plain).absolute()
    _make_database(path)
    if walls is not None:
        share(path.parent, walls.user(f"store:{name}"))
    return path


def bucket(name: str, paths: StateDirectory, walls: Walls | None) -> Path:
    """The directory of a store, made ready."""
    path = (paths.stores / name).absolute()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if walls is not None:
        share(path, walls.user(f"store:{name}"))
    return path


def share(directory: Path, group: int, *, user: int = 0) -> None:
    """Let a group read and write all that lies in a directory, and what will lie there. Links are left alone."""
    _share(directory, user, group)
    for place, directories, files in os.walk(directory):
        for each in (Path(place, name) for name in (*directories, *files)):
            _share(each, user, group)


def _share(path: Path, user: int, group: int) -> None:
    with contextlib.suppress(FileNotFoundError):  # a program takes it away at this moment
        found = path.lstat()
        if path.is_symlink() or found.st_gid == group:
            return
        os.chown(path, user, group, follow_symlinks=False)
        path.chmod(found.st_mode & 0o7777 | (0o2770 if path.is_dir() else 0o660))


def _make_database(path: Path) -> None:
    """An empty database in WAL mode, where readers and the one writer do not wait for each other."""
    path.touch(mode=0o600)
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as database:
        (mode,) = database.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise Failed(f"{path} cannot be set to write-ahead logging: the file system does not support it")
