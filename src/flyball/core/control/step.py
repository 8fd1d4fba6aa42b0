"""The governor: one pure function that measures, decides, acts."""

from __future__ import annotations

from dataclasses import dataclass

from flyball.core.model import Application
from .actions import Action
from .observation import Observation
from .reasons import Reason
from .state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step decided: the next state, what to do, and why."""

    state: State
    actions: tuple[Action, ...]
    reasons: tuple[Reason, ...]


def begin(app: Application, *, now: float) -> State:
    """The state before the first step: no instances, no releases, desired capacities from the file."""
    raise NotImplementedError


def step(app: Application, state: State, seen: Observation, *, now: float) -> Step:
    """Decide what happens next. Same inputs, same `Step`; a satisfied observation gives no actions."""
    raise NotImplementedError
