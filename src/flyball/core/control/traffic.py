"""Which share of the requests does a new release get while it is tried?

Rule: rolling gives every instance the same weight, so the share grows with the instances. Canary begins with
`step_percent`, keeps it for `step_interval_s` once the instances for it are in service, then takes all. Linear adds
`step_percent` each time. Blue/green takes nothing until the whole new set answers, then all at once. A share of p
percent needs ceil(p percent of desired) new instances, at least one, and keeps as many old ones as the rest needs.
Weights are 1 to 128 (what a balancer takes) and come as close to the share as such fractions can.

AWS: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CanaryConfiguration.html
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_LinearConfiguration.html
Ours: ECS starts the full new set before the first percent moves; here a canary starts only what its share needs.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

from flyball.core.model import Deployment, Strategy

from .state import Rollout

MAX_WEIGHT = 128
ALL = 100.0
SPLIT = (Strategy.CANARY, Strategy.LINEAR)
"""Strategies that give the new release its share of the requests in steps."""


def first_percent(strategy: Strategy, deployment: Deployment) -> float:
    """The new release's share of traffic when a rollout begins."""
    if strategy is Strategy.BLUE_GREEN:
        return 0.0
    return min(deployment.step_percent, ALL) if strategy in SPLIT else ALL


def wanted_new(rollout: Rollout, desired: int) -> int:
    """How many instances of the new release the share needs."""
    if rollout.strategy is Strategy.BLUE_GREEN:
        return desired
    return min(desired, max(1, math.ceil(desired * rollout.percent / ALL)))


def kept_old(rollout: Rollout, desired: int) -> int:
    """How many instances of the old release the rest of the traffic needs."""
    if rollout.strategy is Strategy.BLUE_GREEN:
        return desired
    return math.ceil(desired * (ALL - rollout.percent) / ALL)


def next_step(rollout: Rollout, deployment: Deployment, *, healthy: int, desired: int, now: float) -> Rollout:
    """A canary or linear rollout after its time is up; `healthy` counts instances of the new release."""
    if rollout.strategy not in SPLIT or rollout.percent >= ALL:
        return rollout
    if healthy < wanted_new(rollout, desired):
        return replace(rollout, step_reached=False) if rollout.step_reached else rollout
    if not rollout.step_reached:
        return replace(rollout, step_reached=True, phase_started_at=now)
    if now - rollout.phase_started_at < deployment.step_interval_s:
        return rollout
    canary = rollout.strategy is Strategy.CANARY
    percent = ALL if canary else min(ALL, rollout.percent + deployment.step_percent)
    return replace(rollout, percent=percent, step_reached=False, phase_started_at=now)


def weights(percent: float, new: int, old: int) -> tuple[int, int]:
    """Weights of a new and of an old instance such that all new ones together get `percent`."""
    if new == 0 or old == 0 or not 0 < percent < ALL:
        return 1, 1
    ratio = Fraction(percent) / Fraction(ALL - percent) * old / new
    if ratio > 1:
        low, high = _fraction(1 / ratio)
        return high, low
    return _fraction(ratio)


def _fraction(ratio: Fraction) -> tuple[int, int]:
    if ratio < Fraction(1, MAX_WEIGHT):
        return 1, MAX_WEIGHT
    near = ratio.limit_denominator(MAX_WEIGHT)
    return near.numerator, near.denominator
