"""Does the time since the last step mean anything?

Rule: steps follow each other within a second or so. After a gap of more than 5 s (the machine slept, the loop was
stalled, the control plane was away) nobody has watched: grace periods, timeouts and bake times that run start anew, as
they do when the balancer returns. When the clock has gone back, every time in the state moves back with it, so that
what was a minute ago stays a minute ago.

AWS: none; its services do not sleep.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from .reasons import Reason, ReasonKind
from .state import ServiceState, State

GAP_S = 5.0
T = TypeVar("T")


def caught_up(state: State, *, now: float) -> tuple[State, tuple[Reason, ...]]:
    """The state with its times as of `now`, and what there is to say about the clock."""
    since = state.stepped_at
    told: tuple[Reason, ...] = ()
    if since is not None and now < since:
        state = shifted(state, now - since)
        if since - now > GAP_S:
            told = (_told(f"the clock went back {since - now:.0f} s: all times in the state went back with it"),)
    elif since is not None and now - since > GAP_S:
        services = tuple(_anew(service, now) for service in state.services)
        state = replace(state, awake_since=now, services=services)
        if state.instances:  # else the service was stopped, and no decision is missing
            told = (_told(f"nothing was decided for {now - since:.0f} s: grace periods and timeouts start anew"),)
    return state, told


def _told(text: str) -> Reason:
    return Reason(kind=ReasonKind.CLOCK, service="", text=text)


def _anew(service: ServiceState, now: float) -> ServiceState:
    rollout = service.rollout
    return service if rollout is None else replace(service, rollout=replace(rollout, phase_started_at=now))


def shifted(value: T, by: float) -> T:
    """The value with every time in it moved by `by` seconds; times are known by their names."""
    if isinstance(value, tuple):
        return tuple(shifted(one, by) for one in value)  # type: ignore[return-value]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changes: dict[str, object] = {}
    for field in fields(value):
        before = getattr(value, field.name)
        after = _moved(before, by) if _is_time(field.name) else shifted(before, by)
        if after is not before:
            changes[field.name] = after
    return replace(value, **changes) if changes else value


def _is_time(name: str) -> bool:
    return name == "origin" or name.endswith(("_at", "_since", "_until"))


def _moved(time: Any, by: float) -> Any:
    if isinstance(time, tuple):
        return tuple(one + by for one in time)
    return None if time is None else time + by
