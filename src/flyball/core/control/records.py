"""How are the values of a journal written down, and read again?

Rule: as JSON of the values; observations and states, of which there are many, are compressed. What cannot be read was
written by a program that differs: that is a ValueError.
"""

from __future__ import annotations

import zlib
from typing import Any

from pydantic import TypeAdapter

from flyball.core.model import Application

from .actions import Action
from .observation import Observation
from .reasons import Event, Reason, ReasonKind
from .state import State

_APPLICATION: TypeAdapter[Application] = TypeAdapter(Application)
_STATE: TypeAdapter[State] = TypeAdapter(State)
_OBSERVATION: TypeAdapter[Observation] = TypeAdapter(Observation)
_ACTIONS: TypeAdapter[tuple[Action, ...]] = TypeAdapter(tuple[Action, ...])
_FASTEST = 1

EventRow = tuple[float, str, str, int | None, int | None, str, str | None, int | None]
"""Time, service, kind, before, after, text, instance, release."""


def application_text(app: Application) -> str:
    """An application as JSON."""
    return _APPLICATION.dump_json(app).decode()


def application_of(text: str) -> Application:
    """The application of such a text."""
    return _APPLICATION.validate_json(text)


def state_bytes(state: State) -> bytes:
    """A state as compressed JSON."""
    return zlib.compress(_STATE.dump_json(state), _FASTEST)


def state_of(data: bytes) -> State:
    """The state of such bytes."""
    return _STATE.validate_json(_expanded(data))


def observation_bytes(seen: Observation) -> bytes:
    """An observation as compressed JSON, without what is as by default."""
    return zlib.compress(_OBSERVATION.dump_json(seen, exclude_defaults=True), _FASTEST)


def observation_of(data: bytes) -> Observation:
    """The observation of such bytes."""
    return _OBSERVATION.validate_json(_expanded(data))


def actions_text(actions: tuple[Action, ...]) -> str:
    """A step's actions as JSON."""
    return _ACTIONS.dump_json(actions).decode()


def actions_of(text: str) -> tuple[Action, ...]:
    """The actions of such a text."""
    return _ACTIONS.validate_json(text)


def event_row(reason: Reason, *, at: float) -> EventRow:
    """A reason as a row of a table."""
    why = reason
    return (at, why.service, why.kind.value, why.before, why.after, why.text, why.instance, why.release)


def event_of(number: int, row: EventRow | tuple[Any, ...]) -> Event:
    """The event of such a row; `number` is its own."""
    at, service, kind, before, after, text, instance, release = row
    reason = Reason(
        kind=ReasonKind(kind),
        service=service,
        text=text,
        before=before,
        after=after,
        instance=instance,
        release=release,
    )
    return Event(id=number, at=at, reason=reason)


def _expanded(data: bytes) -> bytes:
    try:
        return zlib.decompress(data)
    except zlib.error as error:
        raise ValueError(str(error)) from error
