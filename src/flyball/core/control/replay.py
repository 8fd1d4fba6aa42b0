"""Does the loop decide today as it did when it was recorded?

Rule: every recorded observation is stepped again from the state that came before it, which is the recorded one where
it was kept and the replayed one otherwise. Steps before the first kept state cannot be replayed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from flyball.core.model import Application

from .actions import Action
from .observation import Observation
from .state import State
from .step import Step, step


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One recorded step. `state` is the state before it, None where it was not kept."""

    id: int
    at: float
    app: Application
    seen: Observation
    state: State | None
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """A recorded step and what it decides now."""

    recorded: Recorded
    step: Step

    @property
    def identical(self) -> bool:
        """Whether it asks for the same actions."""
        return self.step.actions == self.recorded.actions


def replayed(steps: Iterable[Recorded]) -> Iterator[Replayed]:
    """Step recorded steps again, oldest first."""
    state: State | None = None
    for recorded in steps:
        before = state if recorded.state is None else recorded.state
        if before is not None:
            done = step(recorded.app, before, recorded.seen, now=recorded.at)
            state = done.state
            yield Replayed(recorded=recorded, step=done)
