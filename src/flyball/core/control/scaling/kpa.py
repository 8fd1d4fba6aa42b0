"""How many instances would Knative's autoscaler (KPA) have?

Rule: every 2 s the requests in flight (those that wait included), or the requests per second, are averaged over a
stable window of 60 s and a panic window of 6 s. Either needs average / target instances, rounded up, within [ready /
2, 1000 x ready]. When the panic window needs at least twice what is ready it panics: until it has needed less for a
whole stable window, it takes the larger of both and never goes down. Optionally the largest wish of a delay counts.

Knative: https://github.com/knative/serving/blob/main/pkg/autoscaler/scaling/autoscaler.go
https://knative.dev/docs/serving/autoscaling/kpa-specific/
Ours: what is held for everyone (a rollout, trouble, a hand) holds this policy too. There is no activator: at 0
instances the first refused request starts one. The control loop of an application that is started again remembers its
windows, so it does not begin in panic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from flyball.core.control.alarms import EXACT, show
from flyball.core.control.memory import KpaMemory, Wish
from flyball.core.control.windows import Windows
from flyball.core.model import Kpa, Metric

from .proposal import Ballot, Floor, wanting
from .situation import Situation

TICK_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A capacity with its reason, and what is remembered from now on."""

    desired: int
    text: str
    memory: KpaMemory


def vote(at: Situation) -> Ballot:
    """What the policy says; between two ticks what it said at the last one."""
    rule, memory = at.scaling.kpa, at.memory.kpa
    assert rule is not None
    if memory.at is not None and at.now - memory.at < TICK_S - EXACT:
        return Ballot(floor=Floor(capacity=memory.wanted, why="kpa wanted so many at its last look"))
    if at.counts.desired == 0 and (at.windows.latest(Metric.REQUESTS) or 0.0) > 0:
        return wanting(1, "requests arrive and no instance runs", at.counts)
    stable, panic = average(at.windows, rule.metric, rule.stable_s), average(at.windows, rule.metric, rule.panic_s)
    if stable is None or panic is None:
        return Ballot()
    made = scaled(rule, memory, stable=stable, panic=panic, ready=at.counts.running, now=at.now)
    return wanting(max(made.desired, at.min), made.text, at.counts, replace(at.memory, kpa=made.memory))


def average(windows: Windows, metric: Metric, length_s: float) -> float | None:
    """The average of a metric over a window, of as much of it as there is; None without a datapoint."""
    points = max(1, math.ceil(length_s / windows.period_s - EXACT))
    real = [value for value in windows.values(metric)[-points:] if value is not None]
    return sum(real) / len(real) if real else None


def scaled(rule: Kpa, memory: KpaMemory, *, stable: float, panic: float, ready: int, now: float) -> Wanted:
    """What these two averages need with so many instances ready."""
    base = max(ready, 1)
    most, least = math.ceil(rule.out_rate * base), math.floor(base / rule.in_rate)
    needs = [math.ceil(value / rule.per_instance - EXACT) for value in (stable, panic)]
    in_stable, in_panic = (min(max(need, least), most) for need in needs)
    memory = _after(rule, memory, over=needs[1] / base >= rule.panic_percent / 100.0, now=now)
    desired, window, value = in_stable, rule.stable_s, stable
    if memory.panic_at is not None:
        if in_panic > in_stable:
            desired, window, value = in_panic, rule.panic_s, panic
        memory = replace(memory, most=max(memory.most, desired))
    text = f"{show(rule.metric, value)} over {window:g} s / {rule.per_instance:.4g} = {value / rule.per_instance:.4g}"
    text = f"{text} -> {desired}"
    if memory.panic_at is not None:
        text, desired = f"panic: {text}, the most in it is {memory.most}", memory.most
    if rule.in_delay_s > 0:
        recent = [wish for wish in memory.wished if now - wish.at < rule.in_delay_s - EXACT]
        memory = replace(memory, wished=(*recent, Wish(at=now, count=desired)))
        desired = max(wish.count for wish in memory.wished)
    return Wanted(desired=desired, text=text, memory=replace(memory, at=now, wanted=desired))


def _after(rule: Kpa, memory: KpaMemory, *, over: bool, now: float) -> KpaMemory:
    """The memory once it is known whether the panic window needs too much."""
    if over:
        return replace(memory, panic_at=now)
    if memory.panic_at is not None and now - memory.panic_at > rule.stable_s:
        return replace(memory, panic_at=None, most=0)
    return memory
