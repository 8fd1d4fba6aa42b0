"""How many instances keep a metric at its target value?

Rule: two alarms. High: metric > target for 3 of 3 datapoints. Low: metric < threshold for 15 of 15, where the threshold
is 0.9 x target for ECS and 0.7 x target for an Auto Scaling group. The capacity is load / target, rounded up: adding
1.5 adds 2, removing 1.5 removes 1, and what would remain is never above the target. Scale-out when any policy is in
alarm, scale-in only when all that may scale in are; the largest capacity wins.

AWS: https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html
The alarms' shape is observed, not documented: https://github.com/aws/copilot-cli (docs/concepts/services), 70 -> 63.
Ours, where AWS publishes no formula: for a scale-out the load is the newest datapoint times the instances measured in
it; a newly started instance is not counted, because it carried none of that load. For a scale-in it is the largest load
of the newest three datapoints, or of all fifteen where a datapoint is shorter than any of AWS's. All instances in
service count in it and never fewer than desired: neither one quiet second nor instances that are new, dead or unsampled
empty a service. Most of the low alarm's datapoints must be real.
"""

from __future__ import annotations

import math
from functools import lru_cache

from flyball.core.control.alarms import EXACT, AlarmState, Threshold, show
from flyball.core.control.windows import Windows
from flyball.core.model import Comparison, Metric, Scaling, ScalingShape, TargetTracking

from .cooldown import in_s, out_s
from .proposal import Ballot, Counts, Hold, Proposal, Vote
from .situation import Situation

HIGH_POINTS = 3
LOW_POINTS = 15
AWS_PERIOD_S = 20.0
"""The shortest datapoint that AWS has."""
LOW_FACTOR = {ScalingShape.ECS: 0.9, ScalingShape.ASG: 0.7}


@lru_cache(maxsize=256)  # four times a second for every policy, and always the same
def high(policy: TargetTracking) -> Threshold:
    """The alarm that scales out."""
    name = f"target {policy.metric} high"
    return Threshold(
        name=name,
        metric=policy.metric,
        comparison=Comparison.ABOVE,
        value=policy.target_value,
        points=HIGH_POINTS,
        to_alarm=HIGH_POINTS,
    )


@lru_cache(maxsize=256)
def low(policy: TargetTracking, shape: ScalingShape) -> Threshold:
    """The alarm that scales in."""
    name = f"target {policy.metric} low"
    return Threshold(
        name=name,
        metric=policy.metric,
        comparison=Comparison.BELOW,
        value=round(policy.target_value * LOW_FACTOR[shape], 9),
        points=LOW_POINTS,
        to_alarm=LOW_POINTS,
    )


def capacity_for(policy: TargetTracking, value: float, instances: float) -> int:
    """The capacity that brings `value`, seen on `instances`, to the target; only requests can ask for none."""
    wanted = math.ceil(_exactly(policy, value, instances) - EXACT)
    return max(wanted, 0 if policy.metric is Metric.REQUESTS else 1)


def _exactly(policy: TargetTracking, value: float, instances: float) -> float:
    return instances * value / policy.target_value


def _size(policy: TargetTracking, value: float, instances: float) -> str:
    """How the capacity comes about: "4 x 20 / 50 = 1.6 -> 2"."""
    exactly, wanted = _exactly(policy, value, instances), capacity_for(policy, value, instances)
    least = f", the least that {policy.metric} can ask for" if exactly <= EXACT < wanted else ""
    return f"{instances:.4g} x {value:.4g} / {policy.target_value:g} = {exactly:.4g} -> {wanted}{least}"


def vote(at: Situation) -> Ballot:
    """What all targets of the service say together."""
    outs = scale_out(at.scaling, at.windows, at.alarms, at.counts)
    if outs:
        return Ballot(out=tuple(outs))
    tracked = scale_in(at.scaling, at.windows, at.alarms, at.counts)
    return Ballot(into=() if tracked is None else (tracked,))


def scale_out(scaling: Scaling, windows: Windows, states: dict[str, AlarmState], counts: Counts) -> list[Vote]:
    """What the policies in high alarm want; a hold where instances on their way are already enough."""
    votes: list[Vote] = []
    for policy in scaling.target_tracking:
        alarm, value = high(policy), windows.latest(policy.metric)
        if value is None:
            continue
        if counts.desired == 0 and policy.metric is Metric.REQUESTS and value > 0:
            votes.append(Proposal(desired=1, text="requests arrive and no instance runs", cooldown_s=out_s(scaling)))
        elif states.get(alarm.name) is AlarmState.ALARM:
            wanted = capacity_for(policy, value, windows.instances)
            text = f"{alarm.text(value, windows.values(policy.metric))}; {_size(policy, value, windows.instances)}"
            votes.append(_out(scaling, wanted, text, counts))
    return votes


def _out(scaling: Scaling, wanted: int, text: str, counts: Counts) -> Proposal | Hold:
    if wanted > counts.desired:
        return Proposal(desired=wanted, text=text, cooldown_s=out_s(scaling))
    return Hold(
        key=f"out:pending {counts.desired}",
        text=f"scale-out held: the {counts.desired} wanted already are enough ({text})",
    )


def scale_in(scaling: Scaling, windows: Windows, states: dict[str, AlarmState], counts: Counts) -> Vote | None:
    """The one vote of all policies together: None when none is in low alarm."""
    lows = {policy: low(policy, scaling.shape) for policy in scaling.target_tracking}
    ready = [policy for policy, alarm in lows.items() if states.get(alarm.name) is AlarmState.ALARM]
    voters = [policy for policy in lows if not policy.disable_scale_in]
    if not ready:
        return None
    if not voters:
        return Hold(key="in:disabled", text="scale-in held: switched off in the file")
    against = next((policy for policy in voters if policy not in ready), None)
    if against is not None:
        return Hold(key="in:disagree", text=_disagree(lows[against], windows))
    few = next((hold for policy in voters if (hold := sparse(lows[policy], windows))), None)
    return few or _in([(policy, lows[policy]) for policy in voters], scaling, windows, counts)


def _in(voters: list[tuple[TargetTracking, Threshold]], scaling: Scaling, windows: Windows, counts: Counts) -> Vote:
    wanted, texts = 0, []
    points = LOW_POINTS if scaling.period_s < AWS_PERIOD_S else HIGH_POINTS  # a second says less than a minute
    for policy, alarm in voters:
        value, instances = windows.heaviest(policy.metric, points, least=counts.desired) or (
            0.0,
            counts.desired,
        )
        wanted = max(wanted, capacity_for(policy, value, instances))
        texts.append(f"{alarm.text(value, windows.values(policy.metric))}; {_size(policy, value, instances)}")
    text = ", ".join(texts)
    if wanted < counts.desired:
        return Proposal(desired=wanted, text=text, cooldown_s=in_s(scaling))
    return Hold(key="in:enough", text=f"scale-in held: {_all_needed(counts.desired)} ({text})")


def _all_needed(desired: int) -> str:
    return "the one wanted is needed" if desired == 1 else f"all {desired} wanted are needed"


def sparse(alarm: Threshold, windows: Windows) -> Hold | None:
    """The hold where too few datapoints are real: the alarm goes low on them, but they must not empty a service."""
    real = len(alarm.newest(windows.values(alarm.metric)))
    if 2 * real > alarm.points:
        return None
    text = f"scale-in held: only {real} of {alarm.points} points of {alarm.metric} were measured"
    return Hold(key=f"in:sparse {alarm.metric}", text=text)


def _disagree(alarm: Threshold, windows: Windows) -> str:
    value = windows.latest(alarm.metric)
    limit = show(alarm.metric, alarm.value)
    if value is None:
        return f"scale-in held: no data for {alarm.metric}"
    shown = show(alarm.metric, value)
    return f"scale-in held: {alarm.metric} is {shown}, not yet < {limit} for {alarm.to_alarm} of {alarm.points} points"
