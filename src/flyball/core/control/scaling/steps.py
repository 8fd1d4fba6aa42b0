"""By how much does a breached alarm change the capacity?

Rule: the distance of the newest datapoint from the threshold picks one step. Above the threshold a step holds its lower
bound and not its upper one, below it the reverse; None is unbounded. The amount is added (ChangeInCapacity), set
(ExactCapacity) or taken as a percentage of the starting capacity (PercentChangeInCapacity: 12.7 -> 12, 0.67 -> 1,
-0.58 -> -1, -6.67 -> -6), of which at least `min_adjustment_magnitude` instances.
A scale-out starts from what runs, so what is still starting (or was added in the cooldown that runs) counts as added.

AWS: https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-simple-step.html
https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-step-scaling-policies.html
Ours: the alarm's datapoints must all breach (N of N), as `StepScaling` says. A scale-out never starts above desired, so
twice the instances in a rollout do not double a step; a scale-in starts from desired.
"""

from __future__ import annotations

import math

from flyball.core.control.alarms import AlarmState, Threshold, lasting
from flyball.core.model import AdjustmentType, Scaling, StepAdjustment, StepScaling

from .cooldown import in_s, out_s
from .proposal import Ballot, Hold, Proposal, Vote
from .situation import Situation
from .target_tracking import sparse


def alarm(policy: StepScaling, position: int, period_s: float) -> Threshold:
    """The alarm of the policy at that position of the file."""
    return lasting(f"step {position}", policy, period_s=period_s)


def adjustment(policy: StepScaling, value: float) -> StepAdjustment | None:
    """The step that `value` falls into, None when there is none."""
    distance = value - policy.threshold
    return next(
        (step for step in policy.steps if _holds(step, distance, lower_inclusive=policy.comparison.upward)), None
    )


def _holds(step: StepAdjustment, distance: float, *, lower_inclusive: bool) -> bool:
    lower = -math.inf if step.lower_bound is None else step.lower_bound
    upper = math.inf if step.upper_bound is None else step.upper_bound
    if lower_inclusive:
        return lower <= distance < upper
    return lower < distance <= upper


def adjusted(policy: StepScaling, step: StepAdjustment, base: int) -> int:
    """The capacity after the step, starting from `base` instances; at least 0."""
    if policy.adjustment_type is AdjustmentType.EXACT_CAPACITY:
        return max(step.amount, 0)
    change = step.amount
    if policy.adjustment_type is AdjustmentType.PERCENT_CHANGE_IN_CAPACITY:
        change = _rounded(base * step.amount / 100)
        least = policy.min_adjustment_magnitude or 0
        if change != 0 and abs(change) < least:
            change = least if change > 0 else -least
    return max(base + change, 0)


def _rounded(change: float) -> int:
    if 0 < abs(change) < 1:
        return 1 if change > 0 else -1
    return math.trunc(change)


def cooldown_s(policy: StepScaling, scaling: Scaling, *, out: bool) -> float:
    """The policy's own cooldown, else the service's for that direction."""
    if policy.cooldown_s is not None:
        return policy.cooldown_s
    return out_s(scaling) if out else in_s(scaling)


def vote(at: Situation) -> Ballot:
    """What all rules of the service say."""
    outs = _votes(at, out=True)
    return Ballot(out=tuple(outs), into=() if outs else tuple(_votes(at, out=False)))


def _votes(at: Situation, *, out: bool) -> list[Vote]:
    votes: list[Vote] = []
    for position, policy in enumerate(at.scaling.steps):
        rule = alarm(policy, position, at.scaling.period_s)
        value = at.windows.latest(policy.metric)
        if value is None or at.alarms.get(rule.name) is not AlarmState.ALARM:
            continue
        step = adjustment(policy, value)
        if step is None:
            continue
        wait_s = cooldown_s(policy, at.scaling, out=out)
        text = rule.text(value, at.windows.values(policy.metric))
        desired = adjusted(policy, step, at.counts.desired)
        if out and desired > at.counts.desired:
            started = adjusted(policy, step, _base(at))
            votes.append(_step_out(at, Proposal(desired=started, text=text, cooldown_s=wait_s)))
        elif not out and desired < at.counts.desired:
            few = sparse(rule, at.windows)
            votes.append(few or Proposal(desired=desired, text=text, cooldown_s=wait_s))
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
