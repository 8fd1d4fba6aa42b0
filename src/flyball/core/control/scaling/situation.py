"""What does a scaling decision depend on?

Rule: everything that a policy may know is here. Policies are functions of it; what they keep is in `memory`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flyball.core.control.alarms import AlarmState
from flyball.core.control.memory import Memory
from flyball.core.control.pacing import Cooldown
from flyball.core.control.windows import Windows
from flyball.core.model import Scaling

from .proposal import Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a decision depends on.

    `held_s`: an operator holds the capacity that long; `rollout`: "release 7" or ""; `trouble` says why this is no time
    to scale in, "" when it is, and is asked only before a scale-in. `places`: how many requests an instance works on
    at a time, None without a limit; `start_s`: how long an instance takes from its launch into service.
    """

    scaling: Scaling
    min: int
    max: int
    counts: Counts
    windows: Windows
    alarms: dict[str, AlarmState]
    cooldown: Cooldown
    held_s: float
    rollout: str
    trouble: Callable[[], str]
    places: int | None = None
    start_s: float = 2.0
    memory: Memory = Memory()
    now: float
