"""How are the values of a journal written down, and read again?

Rule: as JSON of the values; observations and states, of which there are many, are compressed. What cannot be read was
written by a program that differs: that is a ValueError.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from flyball.core.model import Application

from .actions import Action
from .observation import Observation, ReleaseSpec
from .reasons import OF_REGIONS, Event, Reason, ReasonKind
from .state import State

_FASTEST = 1
Value = TypeVar("Value")


class _Text(Generic[Value]):
    """Values of a type as JSON."""

    def __init__(self, of: Any) -> None:
        self._adapter: TypeAdapter[Value] = TypeAdapter(of)

    def written(self, value: Value) -> str:
        """The text of a value."""
        return self._adapter.dump_json(value).decode()

    def read(self, text: str) -> Value:
        """The value of such a text."""
        return self._adapter.validate_json(text)


class _Packed(Generic[Value]):
    """Values of a type as compressed JSON. `lean`: without what is as by default."""

    def __init__(self, of: type[Value], *, lean: bool = False) -> None:
        self._adapter, self._lean = TypeAdapter(of), lean

    def written(self, value: Value) -> bytes:
        """The bytes of a value."""
        return zlib.compress(self._adapter.dump_json(value, exclude_defaults=self._lean), _FASTEST)

    def read(self, data: bytes) -> Value:
        """The value of such bytes."""
        try:
            return self._adapter.validate_json(zlib.decompress(data))
        except zlib.error as error:
            raise ValueError(str(error)) from error


APPLICATION: _Text[Application] = _Text(Application)
SPEC: _Text[ReleaseSpec] = _Text(ReleaseSpec)
ACTIONS: _Text[tuple[Action, ...]] = _Text(tuple[Action, ...])
STATE = _Packed(State)
OBSERVATION = _Packed(Observation, lean=True)

EventRow = tuple[float, str, str, int | None, int | None, str, str | None, int | None]
"""Time, service, kind, before, after, text, the instance or region that it is of, release."""


def event_row(why: Reason, *, at: float) -> EventRow:
    """A reason as a row of a table."""
    of = why.region if why.kind in OF_REGIONS else why.instance
    return (at, why.service, why.kind.value, why.before, why.after, why.text, of, why.release)


def event_of(number: int, row: EventRow | tuple[Any, ...]) -> Event:
    """The event of such a row; `number` is its own."""
    at, name, kind, before, after, text, of, release = row
    reason = Reason(kind=ReasonKind(kind), service=name, text=text, before=before, after=after, release=release)
    whose = replace(reason, region=of) if reason.kind in OF_REGIONS else replace(reason, instance=of)
    return Event(id=number, at=at, reason=whose)
