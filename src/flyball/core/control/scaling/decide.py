"""Should the desired capacity change now, and if not, why not?

Rule: every policy hands in a ballot (`policies.py`). Scale-out when any wants it, the largest wish wins; otherwise
scale-in when it is agreed: the largest capacity wins, and none goes below a policy's floor. Both stay within
[min, max]. Held: everything while an operator holds the capacity; scale-in while a rollout runs (a scale-out passes),
while its cooldown runs, while instances warm up, when the file switches it off, and when the reverse would follow at
once. Missing data never scales in, and neither does trouble: instances that fail their health check, requests that
wait, or a machine so busy that low figures prove nothing.

AWS: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-auto-scaling.html
https://docs.aws.amazon.com/autoscaling/application/APIReference/API_NotScaledReason.html
Every policy acts by itself on AWS; step policies do not ask target tracking before they scale in; nor do ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from flyball.core.control.alarms import EXACT, show
from flyball.core.control.glance import Glance
from flyball.core.control.memory import Memory
from flyball.core.control.pacing import Cooldown
from flyball.core.control.reasons import ReasonKind
from flyball.core.model import Metric, ScalingShape

from . import adaptive, policies, target_tracking
from . import cooldown as cooldowns
from .proposal import Floor, Hold, Proposal, Vote
from .situation import Situation

_SHARED = frozenset({Metric.CPU, Metric.MEMORY, Metric.REQUESTS})
"""Metrics that fewer instances have more of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The capacity to have from now on; `kind` is None when it stays. `holds` are the refusals in force.

    `memory` is what the policies remember from now on, None when that has not changed.
    """

    desired: int
    cooldown: Cooldown
    kind: ReasonKind | None = None
    text: str = ""
    holds: tuple[Hold, ...] = ()
    memory: Memory | None = None


def decide(at: Situation) -> Decision:
    """Weigh the ballots of all policies of one service."""
    ballots = policies.ballots(at)
    outs = [vote for ballot in ballots for vote in ballot.out]
    ins = [vote for ballot in ballots for vote in ballot.into]
    if outs:
        made = _scale_out(at, outs)
    elif ins:
        floors = [ballot.floor for ballot in ballots if ballot.floor is not None]
        made = _scale_in(at, ins, max(floors, key=lambda floor: floor.capacity, default=None))
    else:
        made = Decision(desired=at.counts.desired, cooldown=at.cooldown)
    told = tuple(hold for ballot in ballots for hold in ballot.told)
    memory = next((ballot.memory for ballot in reversed(ballots) if ballot.memory is not None), None)
    return replace(made, holds=(*made.holds, *told), memory=memory) if told or memory else made


def at_once(at: Situation, glance: Glance) -> Decision:
    """What is decided between two datapoints: nothing but a scale-out."""
    ballot = adaptive.at_once(at, glance)
    if not ballot.out:
        return Decision(desired=at.counts.desired, cooldown=at.cooldown)
    return replace(_scale_out(at, list(ballot.out)), memory=ballot.memory)


def _scale_out(at: Situation, votes: list[Vote]) -> Decision:
    before = at.counts.desired
    proposals = [vote for vote in votes if isinstance(vote, Proposal)]
    if not proposals:
        return _held(at, next(vote for vote in votes if isinstance(vote, Hold)))
    best = max(proposals, key=lambda proposal: proposal.desired)
    if at.held_s > 0:
        return _held(at, Hold(key="out:hand", text=f"scale-out held: held by hand, {at.held_s:.0f} s left"))
    desired = min(max(best.desired, at.min), at.max)
    if desired <= before:
        return _held(at, Hold(key=f"out:max {at.max}", text=f"scale-out held: already at max {at.max} ({best.text})"))
    duration_s = 0.0 if at.scaling.shape is ScalingShape.ASG else best.cooldown_s
    after = cooldowns.after_out(at.cooldown, before=before, duration_s=duration_s, now=at.now)
    return Decision(desired=desired, cooldown=after, kind=ReasonKind.SCALE_OUT, text=best.text)


def _scale_in(at: Situation, votes: list[Vote], floor: Floor | None) -> Decision:
    proposals = [vote for vote in votes if isinstance(vote, Proposal)]
    if at.counts.desired <= at.min:
        if not proposals:  # nobody would go lower: an idle application has nothing to tell
            return Decision(desired=at.counts.desired, cooldown=at.cooldown)
        return _held(at, Hold(key=f"in:min {at.min}", text=f"scale-in held: already at min {at.min}"))
    if not proposals:
        return _held(at, next(vote for vote in votes if isinstance(vote, Hold)))
    best = max(proposals, key=lambda proposal: proposal.desired)
    desired = max(best.desired, at.min, 0 if floor is None else floor.capacity)
    if floor is not None and desired >= at.counts.desired:
        return _held(at, Hold(key=f"in:floor {desired}", text=f"scale-in held: {desired} are needed ({floor.why})"))
    hold = _scale_in_hold(at, desired)
    if hold is not None:
        return _held(at, hold)
    duration_s = 0.0 if at.scaling.shape is ScalingShape.ASG else best.cooldown_s
    after = cooldowns.after_in(at.cooldown, duration_s=duration_s, now=at.now)
    return Decision(desired=desired, cooldown=after, kind=ReasonKind.SCALE_IN, text=best.text)


def _scale_in_hold(at: Situation, desired: int) -> Hold | None:
    left_s = (at.cooldown.in_until or at.now) - at.now
    trouble = at.trouble()
    flapping = _would_flap(at, desired)
    rules = (
        (at.scaling.disable_scale_in, "disabled", "switched off in the file"),
        (bool(at.rollout), f"rollout of {at.rollout}", f"rollout of {at.rollout} is running"),
        (at.held_s > 0, "hand", f"held by hand, {at.held_s:.0f} s left"),
        (bool(trouble), "trouble", trouble),
        (at.counts.warming, "warming", "instances are still warming up"),
        (left_s > 0, "cooldown", f"cooldown, {left_s:.0f} s left"),
        (bool(flapping), "flapping", flapping),
    )
    return next((Hold(key=f"in:{key}", text=f"scale-in held: {text}") for holds, key, text in rules if holds), None)


def _would_flap(at: Situation, desired: int) -> str:
    policies = at.scaling.target_tracking
    limits = [(policy.metric, policy.target_value) for policy in policies]
    if at.scaling.shape is ScalingShape.ECS:
        rising = [policy for policy in at.scaling.steps if policy.comparison.upward]
        limits += [(policy.metric, policy.threshold) for policy in rising if policy.steps[0].amount > 0]
    for metric, limit in limits:
        point = at.windows.heaviest(metric, target_tracking.HIGH_POINTS, least=at.counts.desired)
        if point is None or metric not in _SHARED:
            continue
        expected = point[0] * point[1] / max(desired, 1)
        if expected > limit + EXACT:
            return f"with {desired} {metric} would be {show(metric, expected)} > {show(metric, limit)}"
    return ""


def _held(at: Situation, hold: Hold) -> Decision:
    return Decision(desired=at.counts.desired, cooldown=at.cooldown, holds=(hold,))
