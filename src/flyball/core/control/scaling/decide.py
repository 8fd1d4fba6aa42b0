"""Should the desired capacity change now, and if not, why not?

Rule: scale-out when any policy wants it, the largest wish wins; otherwise scale-in when it is agreed, again the largest
capacity wins. Both stay within [min, max]. Held: everything while an operator holds the capacity; scale-in while a
rollout runs (a scale-out passes), while its cooldown runs, while instances warm up, when the file switches it off, and
when the reverse would follow at once. Missing data never scales in, and neither does trouble: instances that fail their
health check, requests that wait, or a machine so busy that low figures prove nothing.

AWS: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-auto-scaling.html
https://docs.aws.amazon.com/autoscaling/application/APIReference/API_NotScaledReason.html
Every policy acts by itself on AWS; step policies do not ask target tracking before they scale in, and ours do not
either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flyball.core.control.alarms import EXACT, AlarmState, show
from flyball.core.control.pacing import Cooldown
from flyball.core.control.reasons import ReasonKind
from flyball.core.control.windows import Windows
from flyball.core.model import Metric, Scaling, ScalingShape

from . import cooldown as cooldowns
from . import steps, target_tracking
from .proposal import Counts, Hold, Proposal, Vote

_SHARED = frozenset({Metric.CPU, Metric.MEMORY, Metric.REQUESTS})
"""Metrics that fewer instances have more of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a decision depends on.

    `held_s`: an operator holds the capacity that long; `rollout`: "release 7" or ""; `trouble` says why this is no time
    to scale in, "" when it is, and is asked only before a scale-in.
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
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The capacity to have from now on; `kind` is None when it stays. `holds` are the refusals in force."""

    desired: int
    cooldown: Cooldown
    kind: ReasonKind | None = None
    text: str = ""
    holds: tuple[Hold, ...] = ()


def decide(at: Situation) -> Decision:
    """Weigh all policies of one service."""
    outs = [*target_tracking.scale_out(at.scaling, at.windows, at.alarms, at.counts), *_steps(at, out=True)]
    if outs:
        return _scale_out(at, outs)
    tracked = target_tracking.scale_in(at.scaling, at.windows, at.alarms, at.counts)
    ins = [*([tracked] if tracked else []), *_steps(at, out=False)]
    return _scale_in(at, ins) if ins else Decision(desired=at.counts.desired, cooldown=at.cooldown)


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


def _scale_in(at: Situation, votes: list[Vote]) -> Decision:
    proposals = [vote for vote in votes if isinstance(vote, Proposal)]
    if at.counts.desired <= at.min:
        if not proposals:  # nobody would go lower: an idle application has nothing to tell
            return Decision(desired=at.counts.desired, cooldown=at.cooldown)
        return _held(at, Hold(key=f"in:min {at.min}", text=f"scale-in held: already at min {at.min}"))
    if not proposals:
        return _held(at, next(vote for vote in votes if isinstance(vote, Hold)))
    best = max(proposals, key=lambda proposal: proposal.desired)
    desired = max(best.desired, at.min)
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


def _steps(at: Situation, *, out: bool) -> list[Vote]:
    votes: list[Vote] = []
    for position, policy in enumerate(at.scaling.steps):
        alarm = steps.alarm(policy, position, at.scaling.period_s)
        value = at.windows.latest(policy.metric)
        if value is None or at.alarms.get(alarm.name) is not AlarmState.ALARM:
            continue
        step = steps.adjustment(policy, value)
        if step is None:
            continue
        wait_s = steps.cooldown_s(policy, at.scaling, out=out)
        text = alarm.text(value, at.windows.values(policy.metric))
        desired = steps.adjusted(policy, step, at.counts.desired)
        if out and desired > at.counts.desired:
            started = steps.adjusted(policy, step, _base(at))
            votes.append(_step_out(at, Proposal(desired=started, text=text, cooldown_s=wait_s)))
        elif not out and desired < at.counts.desired:
            sparse = target_tracking.sparse(alarm, at.windows)
            votes.append(sparse or Proposal(desired=desired, text=text, cooldown_s=wait_s))
    return votes


def _base(at: Situation) -> int:
    base = min(at.counts.running, at.counts.desired)
    return min(base, at.cooldown.out_base) if at.cooldown.out_until is not None else base


def _step_out(at: Situation, proposal: Proposal) -> Vote:
    if proposal.desired > at.counts.desired:
        return proposal
    if at.cooldown.out_until is not None:
        left_s = at.cooldown.out_until - at.now
        return Hold(key="out:cooldown", text=f"scale-out held: cooldown, {left_s:.0f} s left ({proposal.text})")
    return Hold(key="out:pending", text=f"scale-out held: instances are still starting or warming up ({proposal.text})")


def _held(at: Situation, hold: Hold) -> Decision:
    return Decision(desired=at.counts.desired, cooldown=at.cooldown, holds=(hold,))
