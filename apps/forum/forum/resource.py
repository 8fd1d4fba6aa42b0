"""What a service keeps: the shapes of its bodies, and which partitions of the table list them."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol

import msgspec
from msgspec import Meta

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ID_PATTERN = "^[0-9A-HJKMNP-TV-Z]{26}$"

Id = Annotated[str, Meta(pattern=ID_PATTERN, min_length=26, max_length=26, examples=["01KAHP9V5NHY1DWD0Q9TR5W7ZA"])]
# Not \S: what it covers differs between Python and JSON Schema.
NOT_BLANK = "[^ \\t\\r\\n]"
Line = Annotated[str, Meta(pattern=NOT_BLANK, min_length=1, max_length=120)]
Text = Annotated[str, Meta(pattern=NOT_BLANK, min_length=1, max_length=10_000)]
Note = Annotated[str, Meta(max_length=500)]


class Stored(msgspec.Struct, kw_only=True):
    """The fields that every resource has beside its own."""

    id: Id
    version: Annotated[int, Meta(ge=1, description="Counts changes; also the ETag.")]
    created_at: datetime
    updated_at: datetime


class Body(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a client sends; a key that is not known is an error, not a silent loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """`references` are fields that hold ids of another service's resources; `listed_by` fields can filter the list."""

    name: str
    singular: str
    summary: str
    new: type[Body]
    change: type[Body]
    stored: type[Stored]
    references: tuple[tuple[str, str], ...] = ()
    listed_by: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Where the service's resources are, without the slash at the end."""
        return f"/api/{self.name}"

    def partition(self, field: str | None = None, value: str = "") -> str:
        """The partition that lists all resources, or those whose `field` is `value`."""
        return self.name if field is None else f"{self.name}#{field}#{value}"

    def partitions(self, stored: Stored) -> tuple[str, ...]:
        """Every partition that lists this one; the first is the one that it is read from."""
        return (self.partition(), *(self.partition(field, getattr(stored, field)) for field in self.listed_by))


class Clock(Protocol):
    """Seconds since the epoch."""

    def __call__(self) -> float: ...


def new_id(clock: Clock = time.time) -> str:
    """A ULID (https://github.com/ulid/spec): 48 bits of milliseconds, then 80 random bits; sorts by time."""
    number = int(clock() * 1000) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
