"""What must be copied and deleted, so that every region has what was written or deleted last? Values in, values out.

An object's version is when it was written, and its size; a copy has the time of what it is a copy of. An object that
was there at the last look and is not now was deleted: that counts for the version that was there and for older ones,
so a write elsewhere that was newer stays. A version counts once two looks have seen it, so that nothing is taken while
it is still being written. No clock is compared with another: of two writes the times of the files decide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Key = str


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """When an object was written, in ns since the epoch, and its size in bytes."""

    at_ns: int
    size: int


Listing = Mapping[Key, Version]


@dataclass(frozen=True, slots=True)
class Copy:
    """Bring a version from one region to another, which has `instead` of it (None: nothing)."""

    key: Key
    source: str
    target: str
    version: Version
    instead: Version | None

    @property
    def at_ns(self) -> int:
        """Since when it waits."""
        return self.version.at_ns


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the version that the region has of what was deleted later elsewhere."""

    key: Key
    target: str
    instead: Version
    at_ns: int


Work = Copy | Delete


@dataclass(slots=True)
class Known:
    """What is remembered of one bucket: region -> what it had at the last look; what was deleted, and when.

    `places`: region -> which directory that was.
    """

    there: dict[str, dict[Key, Version]] = field(default_factory=dict)
    gone: dict[Key, int] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def of(self, places: Mapping[str, str]) -> Known:
        """What is known of these directories: one in another's place, after a disk is unmounted, was not emptied."""
        other = {region for region, place in places.items() if self.places.get(region, place) != place}
        there = {region: listing for region, listing in self.there.items() if region not in other}
        return Known(there, self.gone, {**self.places, **places})


def deleted(known: Known, now: Mapping[str, Listing]) -> dict[Key, int]:
    """What was deleted since the last look, and up to which time of writing."""
    found: dict[Key, int] = {}
    for region, before in known.there.items():
        for key, version in before.items() if region in now else ():
            if key not in now[region]:
                found[key] = max(version.at_ns, found.get(key, 0))
    return found


def backdated(known: Known, gone: Mapping[Key, int], now: Mapping[str, Listing]) -> list[tuple[str, Key]]:
    """What was written since the last look and carries an older time than what was there: a restored backup.

    It is the newest for whoever wrote it, and must be given a time that says so.
    """
    latest = dict(gone)
    for listing in known.there.values():
        for key, version in listing.items():
            latest[key] = max(version.at_ns, latest.get(key, 0))
    return [
        (region, key)
        for region, listing in now.items()
        for key, version in listing.items()
        if key in latest and version.at_ns < latest[key] and known.there.get(region, {}).get(key) != version
    ]


def work(
    gone: Mapping[Key, int], now: Mapping[str, Listing], before: Mapping[str, Listing], *, order: Sequence[str]
) -> list[Work]:
    """What there is to do, the oldest first. `before` is the look before this one; `order` of regions breaks a tie."""
    keys = sorted({key for listing in now.values() for key in listing})
    found = [one for key in keys for one in _of(key, gone.get(key), now, before, order)]
    return sorted(found, key=lambda one: (one.at_ns, one.key, one.target))


def _of(
    key: Key, gone_ns: int | None, now: Mapping[str, Listing], before: Mapping[str, Listing], order: Sequence[str]
) -> list[Work]:
    there = {region: now[region][key] for region in order if key in now.get(region, {})}
    source = max(there, key=lambda region: (there[region], -order.index(region)))
    newest = there[source]
    if gone_ns is not None and newest.at_ns <= gone_ns:
        return [Delete(key, region, version, gone_ns) for region, version in there.items()]
    if before.get(source, {}).get(key) != newest:
        return []  # it may still be being written
    targets = [region for region in order if region in now and there.get(region) != newest]
    return [Copy(key, source, target, newest, there.get(target)) for target in targets]
