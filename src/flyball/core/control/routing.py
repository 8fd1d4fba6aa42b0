"""Which instances may receive traffic, and how much of it: a pure function of the state."""

from __future__ import annotations

from dataclasses import dataclass

from .state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An instance as the balancer should see it. `weight` 1 to 128; a draining target gets no new requests."""

    instance: str
    zone: str
    weight: int
    draining: bool


def targets(state: State, service: str) -> tuple[Target, ...]:
    """The targets of a service, in the order of their numbers: ready, in service or draining, never shadow."""
    raise NotImplementedError
