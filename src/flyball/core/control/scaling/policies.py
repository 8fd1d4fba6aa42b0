"""Which policies does a service have, what do they ask for, and what do they say?

Rule: a policy is a pure function of its rule, the series it asked for and its part of the memory; it answers a ballot.
A new one is a module with `vote`, a part of `memory.py` when it remembers anything, and a line in `POLICIES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from flyball.core.control.alarms import EXACT
from flyball.core.model import Metric, Scaling

from . import adaptive, ahead, hpa, kpa, predictive, steps, target_tracking
from .proposal import Ballot
from .situation import Situation

ALWAYS = frozenset(Metric) - {Metric.CONCURRENCY, Metric.OFFERED}
"""What is measured of every service: people are shown it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`has`: whether the file has it; `asks`: the metrics that it needs, `looks_back_s`: and of how long."""

    has: Callable[[Scaling], bool]
    asks: Callable[[Scaling], set[Metric]]
    vote: Callable[[Situation], Ballot]
    looks_back_s: Callable[[Scaling], float] = lambda _scaling: 0.0


POLICIES = (
    Policy(
        has=lambda of: bool(of.target_tracking),
        asks=lambda of: {policy.metric for policy in of.target_tracking},
        vote=target_tracking.vote,
    ),
    Policy(has=lambda of: bool(of.steps), asks=lambda of: {policy.metric for policy in of.steps}, vote=steps.vote),
    Policy(
        has=lambda of: of.predictive is not None,
        asks=lambda of: {of.predictive.metric} if of.predictive else set(),
        vote=predictive.vote,
    ),
    Policy(
        has=lambda of: of.hpa is not None,
        asks=lambda of: {of.hpa.metric} if of.hpa else set(),
        vote=hpa.vote,
    ),
    Policy(
        has=lambda of: of.kpa is not None,
        asks=lambda of: {of.kpa.metric, Metric.REQUESTS} if of.kpa else set(),
        vote=kpa.vote,
        looks_back_s=lambda of: max(of.kpa.stable_s, of.kpa.panic_s) if of.kpa else 0.0,
    ),
    Policy(
        has=lambda of: of.adaptive is not None,
        asks=lambda of: (
            {Metric.CONCURRENCY, Metric.OFFERED, Metric.CPU, Metric.REQUESTS}
            | ({of.adaptive.metric} if of.adaptive else set())
        ),
        vote=adaptive.vote,
        looks_back_s=lambda _of: ahead.LOOKS_BACK_S,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The policies of a service, in the order in which they are asked, and what they ask for.

    `scaled_by`: the metrics that they scale by; `recorded`: all that are measured; `points`: how many datapoints they
    look at, beside those of their alarms.
    """

    policies: tuple[Policy, ...]
    scaled_by: frozenset[Metric]
    recorded: tuple[Metric, ...]
    points: int


@lru_cache(maxsize=256)  # several times for every datapoint, and always the same
def of(scaling: Scaling) -> Asked:
    """The policies of a service."""
    found = tuple(policy for policy in POLICIES if policy.has(scaling))
    scaled_by = frozenset(metric for policy in found for metric in policy.asks(scaling))
    longest_s = max((policy.looks_back_s(scaling) for policy in found), default=0.0)
    return Asked(
        policies=found,
        scaled_by=scaled_by,
        recorded=tuple(sorted(scaled_by | ALWAYS)),
        points=math.ceil(longest_s / scaling.period_s - EXACT),
    )


def ballots(at: Situation) -> list[Ballot]:
    """What each policy says; each finds the memory as the ones before have left it."""
    found = []
    for policy in of(at.scaling).policies:
        ballot = policy.vote(at)
        found.append(ballot)
        if ballot.memory is not None:
            at = replace(at, memory=ballot.memory)
    return found
