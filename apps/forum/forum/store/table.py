"""Where the forum keeps its items: one small protocol over a table with the key { pk, sk }.

SQLite and DynamoDB answer it alike; one contract test holds both to it. Items of one `pk` are sorted by `sk`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Conflict(Exception):
    """A change did not find the version that it expected; nothing was written."""


class StoreDown(Exception):
    """The store does not answer, or refuses: try again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One stored thing. `body` is JSON; `version` counts from 1; `expires`: seconds since the epoch, 0 for never."""

    pk: str
    sk: str
    body: bytes
    version: int = 1
    expires: int = 0

    def expired(self, now: float) -> bool:
        """Whether the item counts as absent at `now`, removed from the store already or not."""
        return 0 < self.expires <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class Put:
    """Writes `item` if the store holds version `was` of it; 0: if it holds none, or an expired one."""

    item: Item
    was: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove:
    """Deletes an item if the store holds version `was` of it."""

    pk: str
    sk: str
    was: int


class Store(Protocol):
    """A table. Every method raises StoreDown when the table cannot be asked."""

    async def get(self, pk: str, sk: str) -> Item | None:
        """The item, as the last acknowledged write left it (by whichever process), or None."""

    async def query(self, pk: str, *, after: str | None, newest_first: bool, limit: int) -> list[Item]:
        """At most `limit` items of `pk` in the order of `sk`, beginning behind `after`; fewer only at the end."""

    async def write(self, *changes: Put | Remove) -> None:
        """All changes or none. Raises Conflict when one of them finds another version than it expects."""

    async def close(self) -> None:
        """Finishes what was begun and lets go of files and connections."""
