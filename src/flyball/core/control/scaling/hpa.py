"""How many instances would Kubernetes' Horizontal Pod Autoscaler have?

Rule: every 15 s, ratio = metric / target value. Within the tolerance of 10 % nothing changes, else ceil(ratio x those
that are ready). Instances without a sample count as idle before a scale-out and as full before a scale-in, starting
ones as idle before a scale-out; where this turns the direction around, nothing changes. The largest recommendation of
the last 300 s counts for a scale-in, the smallest of the last 0 s for a scale-out. In any 15 s at most 4 instances or
100 % may be added, whichever is more, and 100 % removed.

Kubernetes: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/podautoscaler/replica_calculator.go
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#configurable-scaling-behavior
Ours: what is held for everyone (a rollout, trouble, a hand) holds this policy too. An instance counts as ready once it
is in service; Kubernetes waits some minutes for the CPU of a new one to calm down.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from flyball.core.control.alarms import EXACT, show
from flyball.core.control.memory import HpaMemory, Wish
from flyball.core.model import ChangeRate, Hpa, Metric

from .proposal import Ballot, Floor, wanting
from .situation import Situation

FULL = 100.0


def vote(at: Situation) -> Ballot:
    """What the policy says; between two looks what it said at the last one."""
    rule, memory, counts = at.scaling.hpa, at.memory.hpa, at.counts
    assert rule is not None
    if memory.at is not None and at.now - memory.at < rule.every_s - EXACT:
        return Ballot(floor=Floor(capacity=memory.wanted, why="hpa wanted so many at its last look"))
    value, measured = at.windows.latest(rule.metric), round(at.windows.instances)
    if counts.desired == 0 and rule.metric is Metric.REQUESTS and (value or 0.0) > 0:
        return wanting(1, "requests arrive and no instance runs", counts)
    if value is None or not measured:
        return Ballot()
    unready, missing = max(counts.desired - counts.running, 0), max(counts.running - measured, 0)
    wished = replicas(rule, [value] * measured, unready=unready, missing=missing, current=counts.desired)
    changed = _changed(rule, memory, counts.desired, now=at.now)
    kept = tuple(one for one in memory.wished if at.now - one.at < max(rule.in_window_s, rule.out_window_s))
    stable = stabilized(rule, kept, wished, current=counts.desired, now=at.now)
    wanted = limited(rule, stable, current=counts.desired, changed=changed, now=at.now)
    text = _text(rule, value, measured, wished)
    if stable != wished:
        text += f", {stable} for the last {rule.in_window_s if wished < stable else rule.out_window_s:g} s"
    if wanted != stable:
        text += f", at most to {wanted} at a time"
    memory = HpaMemory(
        at=at.now, desired=counts.desired, wanted=wanted, wished=(*kept, Wish(at=at.now, count=wished)), changed=changed
    )
    return wanting(max(wanted, at.min), text, counts, replace(at.memory, hpa=memory))


def _text(rule: Hpa, value: float, measured: int, wished: int) -> str:
    sign = "=" if value == rule.target_value else ">" if value > rule.target_value else "<"
    compared = f"{rule.metric} {show(rule.metric, value)} {sign} {show(rule.metric, rule.target_value)}"
    return f"{compared}: {value:.4g} / {rule.target_value:g} x {measured} -> {wished}"


def replicas(rule: Hpa, values: Sequence[float], *, unready: int, missing: int, current: int) -> int:
    """The recommendation for these values of instances that are ready."""
    tolerance = rule.tolerance_percent / FULL + EXACT
    ratio = sum(values) / len(values) / rule.target_value
    unready = unready if ratio > 1 else 0
    if (not unready and not missing) or ratio == 1:
        return current if abs(1 - ratio) <= tolerance else math.ceil(ratio * len(values) - EXACT)
    full = rule.target_value if rule.metric is Metric.REQUESTS else FULL
    count = len(values) + missing + unready
    again = (sum(values) + (missing * full if ratio < 1 else 0.0)) / count / rule.target_value
    wanted = math.ceil(again * count - EXACT)
    turned = (ratio < 1 < again) or (ratio > 1 > again)
    turned = turned or (again < 1 and wanted > current) or (again > 1 and wanted < current)
    return current if abs(1 - again) <= tolerance or turned else wanted


def stabilized(rule: Hpa, before: Sequence[Wish], wished: int, *, current: int, now: float) -> int:
    """The capacity that is neither below every nor above every recommendation of its window."""
    least = min([wished, *(one.count for one in before if now - one.at < rule.out_window_s - EXACT)])
    most = max([wished, *(one.count for one in before if now - one.at < rule.in_window_s - EXACT)])
    return min(max(current, least), most)


def limited(rule: Hpa, wanted: int, *, current: int, changed: Sequence[Wish], now: float) -> int:
    """The capacity as far as the rates allow it now."""
    if wanted > current:
        return min(wanted, max([current, *(_limit(one, current, changed, 1, now) for one in rule.out_rates)]))
    return max(wanted, min([current, *(_limit(one, current, changed, -1, now) for one in rule.in_rates)]))


def _limit(rate: ChangeRate, current: int, changed: Iterable[Wish], sign: int, now: float) -> int:
    began = current - sum(one.count for one in changed if now - one.at < rate.period_s - EXACT)
    if not rate.percent:
        return began + sign * rate.amount
    exactly = began * (1 + sign * rate.amount / FULL)
    return math.ceil(exactly - EXACT) if sign > 0 else math.floor(exactly + EXACT)


def _changed(rule: Hpa, memory: HpaMemory, desired: int, *, now: float) -> tuple[Wish, ...]:
    """The changes of the rates' periods, with the one since the last look, which that look made."""
    longest_s = max((rate.period_s for rate in (*rule.out_rates, *rule.in_rates)), default=0.0)
    changed = tuple(one for one in memory.changed if now - one.at < longest_s)
    if memory.at is None or desired == memory.desired:
        return changed
    return (*changed, Wish(at=memory.at, count=desired - memory.desired))
