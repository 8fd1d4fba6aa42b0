"""Which policies does a service have, what do they ask for, and what do they say?

Rule: a policy is a pure function of its rule, the series it asked for and its part of the memory; it answers a ballot.
A new one is a module with `vote`, a part of `memory.py` when it remembers anything, and a line in `POLICIES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from flyball.core.control.alarms import EXACT
from flyball.core.model import Metric, Scaling

from . import adaptive, ahead, hpa, kpa, predictive, steps, target_tracking
from .proposal import Ballot
from .situation import Situation

ALWAYS = frozenset(Metric) - {Metric.CONCURRENCY, Metric.OFFERED}
"""What is measured of every service: people are shown it."""


class Asks(NamedTuple):
    """The metrics that a policy scales by, and how far back it looks at them, beside its alarms."""

    metrics: set[Metric]
    looks_back_s: float = 0.0


Policy = tuple[Callable[[Scaling], Asks | None], Callable[[Situation], Ballot]]
"""What it asks for, None when the file does not have it; and its vote."""
SEEN = {Metric.CONCURRENCY, Metric.OFFERED, Metric.CPU, Metric.REQUESTS}
POLICIES: tuple[Policy, ...] = (
    (lambda of: Asks({one.metric for one in of.target_tracking}) if of.target_tracking else None, target_tracking.vote),
    (lambda of: Asks({one.metric for one in of.steps}) if of.steps else None, steps.vote),
    (lambda of: Asks({of.predictive.metric}) if of.predictive else None, predictive.vote),
    (lambda of: Asks({of.hpa.metric}) if of.hpa else None, hpa.vote),
    (lambda of: Asks({of.kpa.metric, Metric.REQUESTS}, of.kpa.longest_s) if of.kpa else None, kpa.vote),
    (lambda of: Asks({of.adaptive.metric, *SEEN}, ahead.LOOKS_BACK_S) if of.adaptive else None, adaptive.vote),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a service's policies vote, in order; the metrics that they scale by; all that are measured, and how often."""

    votes: tuple[Callable[[Situation], Ballot], ...]
    scaled_by: frozenset[Metric]
    recorded: tuple[Metric, ...]
    points: int


@lru_cache(maxsize=256)  # several times for every datapoint, and always the same
def of(scaling: Scaling) -> Asked:
    """The policies of a service."""
    found = [(asks, vote) for asked, vote in POLICIES if (asks := asked(scaling)) is not None]
    scaled_by = frozenset(metric for asks, _ in found for metric in asks.metrics)
    longest_s = max((asks.looks_back_s for asks, _ in found), default=0.0)
    return Asked(
        votes=tuple(vote for _, vote in found),
        scaled_by=scaled_by,
        recorded=tuple(sorted(scaled_by | ALWAYS)),
        points=math.ceil(longest_s / scaling.period_s - EXACT),
    )


def ballots(at: Situation) -> list[Ballot]:
    """What each policy says; each finds the memory as the ones before have left it."""
    found = []
    for vote in of(at.scaling).votes:
        found.append(ballot := vote(at))
        if ballot.memory is not None:
            at = replace(at, memory=ballot.memory)
    return found
