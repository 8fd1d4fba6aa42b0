"""Carries rows between the regions' tables: what one region writes or deletes reaches all, and the last writer wins.

A table's changes are brought in in their order, each region's at its own pace: how far it is stands in its own file,
written together with the rows, so that nothing is lost or done twice by a death in between. What cannot be done is
tried again, later each time, and keeps no other region waiting.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .replicator import LONGEST_PAUSE_S, Lag
from .rows import BUSY_S, Rows, Unlike

BATCH = 200
BATCHES = 20
"""The most of each table in one round, so that no other store waits for long."""

OF_THE_FILE = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_READONLY,
}


@dataclass(slots=True)
class _Place:
    """What is known of one region's table while this runs."""

    path: Path
    inode: int = 0
    rows: Rows | None = None
    names: tuple[str, ...] = ()
    problem: str | None = None
    pause_s: float = 0.0
    not_before: float = 0.0
    unreadable: bool = False
    took_s: float | None = None

    def close(self) -> None:
        if self.rows is not None:
            self.rows.close()
            self.rows = None


class _Unreadable(Exception):
    """The source cannot be read; `wholly` when it is the file, not one table of it."""

    def __init__(self, error: sqlite3.Error) -> None:
        super().__init__(f"it cannot be read: {error}")
        self.wholly = _wholly(error)


@dataclass(slots=True)
class _Table:
    key: tuple[str, ...]
    places: dict[str, _Place] = field(default_factory=dict)


class TableReplicator:
    """Replicates the tables `keys` (store -> the columns of its key); `tell` as of the buckets' `Replicator`."""

    def __init__(
        self, keys: Mapping[str, tuple[str, ...]], tell: Callable[[str, str, bool], None], *, busy_s: float = BUSY_S
    ) -> None:
        self._busy_s = busy_s
        self._tables = {store: _Table(key) for store, key in keys.items()}
        self._tell = tell

    def round(self, directories: Mapping[str, Path]) -> int:
        """Bring over what there is; how much is left."""
        return sum(self._one(store, table, directories) for store, table in self._tables.items())

    def _one(self, store: str, table: _Table, directories: Mapping[str, Path]) -> int:
        for region in table.places.keys() - directories.keys():
            table.places.pop(region).close()
        for region, directory in directories.items():
            self._open(store, table, region, _path(directory, store))
        now = time.monotonic()
        due = {one: place for one, place in table.places.items() if place.rows is not None and now >= place.not_before}
        problems: dict[str, str] = {}
        unreadable = {one for one, place in table.places.items() if place.unreadable and one not in due}
        left = sum(_bring(target, table, problems, unreadable) for target in due)
        for region, place in due.items():
            place.unreadable = region in unreadable
            if region in problems:
                self._failed(store, region, place, problems[region])
            else:
                self._well(store, region, place)
        return left

    def _open(self, store: str, table: _Table, region: str, path: Path) -> None:
        """The region's file, if it is there and can be read."""
        place = table.places.setdefault(region, _Place(path))
        try:
            inode = path.stat().st_ino
        except OSError:
            place.close()  # the region has not made it yet, or it is away
            return
        try:
            if place.rows is None or (path, inode) != (place.path, place.inode):
                place.close()
                place.rows = Rows(path, region, table.key, busy_s=self._busy_s)
                place.path, place.inode = path, inode
                place.rows.forget()
            place.names = place.rows.watch()
        except sqlite3.Error as error:
            place.close()
            self._failed(store, region, place, str(error))

    def _failed(self, store: str, region: str, place: _Place, problem: str) -> None:
        if place.problem is None:
            text = f"{region}: its {store} does not take rows: {problem}; the rows are kept and tried again"
            self._tell(region, text, False)
        place.problem = problem
        place.pause_s = min(2 * place.pause_s + 0.5, LONGEST_PAUSE_S)
        place.not_before = time.monotonic() + place.pause_s

    def _well(self, store: str, region: str, place: _Place) -> None:
        if place.problem is not None:
            place.problem, place.pause_s = None, 0.0
            self._tell(region, f"{region}: its {store} takes rows again", True)

    @property
    def stalled(self) -> bool:
        """Whether a region keeps refusing something."""
        return any(place.problem for table in self._tables.values() for place in list(table.places.values()))

    def lags(self, directories: Mapping[str, Path]) -> list[Lag]:
        """How far each region is behind, as it is now; connections of its own, so it may be asked beside a round."""
        return [
            _lag(store, region, place, table, directories)
            for store, table in self._tables.items()
            for region, place in sorted(table.places.items())
        ]

    def close(self) -> None:
        """Let go of the files."""
        for table in self._tables.values():
            for place in table.places.values():
                place.close()


def _path(directory: Path, store: str) -> Path:
    """Where a region keeps the table: behind walls in a directory of its own."""
    own = directory / store / f"{store}.db"
    return own.absolute() if own.exists() else (directory / f"{store}.db").absolute()


def _bring(target: str, table: _Table, problems: dict[str, str], unreadable: set[str]) -> int:
    """Bring over to a region what the others have; how much is left.

    One table, or one source, that cannot be brought over keeps no other waiting; `problems` tells of whom it is.
    """
    left = 0
    for source, other in table.places.items():
        for name in other.names if source != target and other.rows is not None else ():
            if source in unreadable:
                break
            try:
                left += _carry(other, table.places[target], name)
            except _Unreadable as error:
                left += 1
                problems.setdefault(source, str(error))
                if error.wholly:
                    unreadable.add(source)
            except (sqlite3.Error, Unlike) as error:
                left += 1
                problems.setdefault(target, str(error))
                if _wholly(error):
                    return left
    return left


def _wholly(error: Exception) -> bool:
    """Whether the whole file is locked, read-only or on a full disk, so that no other table would fare better."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in OF_THE_FILE


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _Unreadable(error) from error


def _carry(source: _Place, target: _Place, name: str) -> int:
    """Bring over what a table has and the target has not seen; 1 when there is more than fits into a round."""
    assert source.rows is not None
    assert target.rows is not None
    own = source.rows.region
    taken = _taken(source.rows, target.rows)
    after = target.rows.seen(own).get(name, 0)
    with _reading():
        if not source.rows.has_more(name, after=after):
            return 0
        mark, upto = source.rows.mark(target.rows.region, taken)
    for _ in range(BATCHES):
        with _reading():
            changes = source.rows.changes(name, after=after, upto=upto, most=BATCH)
        if not changes:
            return 0
        target.rows.apply(own, mark, changes)
        after = changes[-1].seq
        written = [one.at_ms for one in changes if one.origin == own and one.at_ms]
        if written:
            target.took_s = round(max(time.time() - written[-1] / 1_000, 0.0), 3)
    return 1


def _taken(source: Rows, target: Rows) -> str | None:
    """The mark that the target has of the source. None if one of the files was restored: then it begins anew."""
    taken = target.taken(source.region)
    if taken is None:
        return None
    with _reading():
        known = source.knows(target.region, taken)
    if not known:
        target.begin_anew(source.region)
    return taken if known else None


def _lag(store: str, region: str, place: _Place, table: _Table, directories: Mapping[str, Path]) -> Lag:
    waiting, oldest_ms = 0, None
    problem = place.problem
    with contextlib.suppress(sqlite3.Error), contextlib.ExitStack() as opened:
        target = opened.enter_context(contextlib.closing(Rows(place.path, region, table.key)))
        if problem is None and not place.names:
            problem = f"no table in it has the key {', '.join(table.key)}"
        for other in directories.keys() - {region}:
            if other in table.places and table.places[other].rows is not None:
                path = table.places[other].path
                source = opened.enter_context(contextlib.closing(Rows(path, other, table.key)))
                count, oldest = source.waiting(region, target.seen(other))
                if count > waiting:
                    waiting, oldest_ms = count, oldest
    lag_s = 0.0 if oldest_ms is None else round(max(time.time() - oldest_ms / 1_000, 0.0), 3)
    return Lag(store, region, waiting, lag_s, place.took_s, problem)
