"""Carries objects between the regions' buckets: looks, decides, does; again and again, and tells how far behind it is.

What cannot be done is tried again, later each time; it keeps no other region waiting. It looks at directories, so it
also sees what was written while it did not run.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from . import directory
from .decide import Copy, Key, Known, Listing, Version, Work, backdated, deleted, work
from .memory import Memory

log = structlog.get_logger()
LONGEST_PAUSE_S = 10.0


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a region's bucket is behind: how many objects wait, for how long the oldest, and why if it fails.

    `took_s` is how long the latest one was on its way, from when it was written.
    """

    store: str
    region: str
    waiting: int
    lag_s: float
    took_s: float | None
    problem: str | None


@dataclass(slots=True)
class _Target:
    """What is remembered of one region's bucket while this runs."""

    problem: str | None = None
    pause_s: float = 0.0
    not_before: float = 0.0
    took_s: float | None = None


@dataclass(slots=True)
class _Bucket:
    known: Known
    before: Mapping[str, Listing] = field(default_factory=dict)
    targets: dict[str, _Target] = field(default_factory=dict)


class Replicator:
    """Replicates the buckets `stores`; `tell` hears the region and a sentence when one stalls, and when it goes on
    (True).

    `directories`: region -> where its buckets lie; the regions may change between two rounds. One thread at a time.
    """

    def __init__(self, memory: Path, stores: Iterable[str], tell: Callable[[str, str, bool], None]) -> None:
        self._memory = Memory(memory)
        self._buckets = {store: _Bucket(self._memory.known(store)) for store in stores}
        self._tell = tell

    @property
    def stores(self) -> tuple[str, ...]:
        """The buckets that are replicated."""
        return tuple(self._buckets)

    def round(self, directories: Mapping[str, Path]) -> int:
        """Look once at every bucket and do what there is to do; how much is left."""
        return sum(self._one(store, bucket, directories) for store, bucket in self._buckets.items())

    def _one(self, store: str, bucket: _Bucket, directories: Mapping[str, Path]) -> int:
        places = {region: path / store for region, path in directories.items()}
        now, found_in = self._looked(store, bucket, places)
        known = bucket.known.of(found_in)
        gone = {**known.gone, **deleted(known, now)}
        for region, key in backdated(known, gone, now):
            version = directory.renew(key, places[region])
            if version is not None:
                now[region][key] = version
        found = work(gone, now, bucket.before, order=tuple(now))
        unsettled = sum(bucket.before.get(region, {}).get(key) != v for region in now for key, v in now[region].items())
        left = []
        for one in found:
            if self._done(store, bucket, one, places):
                _note(now[one.target], one)
            else:
                left.append(one)
        self._count(store, bucket, left, places, read=now.keys())
        self._remember(store, bucket, Known({**_of(known.there, places), **now}, gone, known.places))
        bucket.before = {region: dict(listing) for region, listing in now.items()}
        return len(left) + unsettled

    def _looked(
        self, store: str, bucket: _Bucket, places: Mapping[str, Path]
    ) -> tuple[dict[str, dict[Key, Version]], dict[str, str]]:
        """What each region has, and in which directory; without those that cannot be read now."""
        found: dict[str, dict[Key, Version]] = {}
        found_in: dict[str, str] = {}
        for region, path in places.items():
            try:
                place = directory.identity(path)
                found[region], found_in[region] = directory.listing(path), place
            except FileNotFoundError:
                continue  # the region has not made it yet
            except OSError as error:
                self._failed(store, region, bucket.targets.setdefault(region, _Target()), "cannot be read", error)
        return found, found_in

    def _remember(self, store: str, bucket: _Bucket, known: Known) -> None:
        try:
            self._memory.keep(store, bucket.known, known, now_ns=time.time_ns())
        except sqlite3.Error as error:
            log.warning("replication is not written down", store=store, error=str(error))
        else:
            bucket.known = known

    def _done(self, store: str, bucket: _Bucket, one: Work, places: Mapping[str, Path]) -> bool:
        target = bucket.targets.setdefault(one.target, _Target())
        if time.monotonic() < target.not_before:
            return False
        try:
            if isinstance(one, Copy):
                source = places[one.source]
                directory.copy(one.key, source, places[one.target], version=one.version, instead=one.instead)
                target.took_s = round((time.time_ns() - one.at_ns) / 1e9, 3)
            else:
                directory.delete(one.key, places[one.target], instead=one.instead)
        except directory.Changed:
            return False
        except OSError as error:
            self._failed(store, one.target, target, f"does not take {one.key}", error)
            return False
        return True

    def _failed(self, store: str, region: str, target: _Target, what: str, error: OSError) -> None:
        problem = error.strerror or str(error)
        if target.problem is None:
            text = f"{region}: its {store} {what}: {problem}; what waits is kept and tried again"
            self._tell(region, text, False)
        target.problem = problem
        target.pause_s = min(2 * target.pause_s + 0.5, LONGEST_PAUSE_S)
        target.not_before = time.monotonic() + target.pause_s

    def _count(
        self, store: str, bucket: _Bucket, left: list[Work], places: Mapping[str, Path], *, read: Collection[str]
    ) -> None:
        for region in places:
            mine = any(one.target == region for one in left)
            target = bucket.targets.setdefault(region, _Target())
            if target.problem is not None and not mine and region in read:
                target.problem, target.pause_s = None, 0.0
                self._tell(region, f"{region}: its {store} has all objects again", True)
        for region in bucket.targets.keys() - places.keys():
            del bucket.targets[region]

    @property
    def stalled(self) -> bool:
        """Whether a region keeps refusing something."""
        return any(target.problem for bucket in self._buckets.values() for target in list(bucket.targets.values()))

    def lags(self, directories: Mapping[str, Path]) -> list[Lag]:
        """How far each region is behind, as it is now: a look of its own, which may be made beside a round."""
        found = []
        for store, bucket in self._buckets.items():
            left = _left(bucket.known, {region: path / store for region, path in directories.items()})
            found += [_lag(store, region, target, left) for region, target in sorted(bucket.targets.items())]
        return found

    def close(self) -> None:
        """Let go of the file."""
        self._memory.close()


def _left(known: Known, places: Mapping[str, Path]) -> list[Work]:
    """What there is to do now; what cannot be read is not known to lack anything."""
    now: dict[str, Listing] = {}
    found_in: dict[str, str] = {}
    for region, path in places.items():
        with contextlib.suppress(OSError):
            place = directory.identity(path)
            now[region], found_in[region] = directory.listing(path), place
    return work({**known.gone, **deleted(known.of(found_in), now)}, now, now, order=tuple(now))


def _lag(store: str, region: str, target: _Target, left: list[Work]) -> Lag:
    mine = [one.at_ns for one in left if one.target == region]
    lag_s = round(max(time.time_ns() - min(mine), 0) / 1e9, 3) if mine else 0.0
    return Lag(store, region, len(mine), lag_s, target.took_s, target.problem)


def _note(listing: dict[Key, Version], one: Work) -> None:
    """What the target has after that."""
    if isinstance(one, Copy):
        listing[one.key] = one.version
    else:
        listing.pop(one.key, None)


def _of(there: Mapping[str, dict[Key, Version]], places: Mapping[str, Path]) -> dict[str, dict[Key, Version]]:
    return {region: listing for region, listing in there.items() if region in places}
