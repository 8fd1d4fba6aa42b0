"""What does the coming hour need, judged by the hours before?

Rule: the load of every hour (the metric of all instances together, on average) is kept for 14 days. With a day of them,
the forecast of an hour is the average of the same hour of the days before: n days ago counts 1 / n, the same weekday
three times as much. The capacity is forecast / target value, rounded up. `buffer_s` before the hour
begins the service is scaled out to it, and until the hour ends nothing goes below it. It never scales in. With
`forecast_only` the forecast is said once an hour and nothing is done.

AWS: https://docs.aws.amazon.com/autoscaling/ec2/userguide/predictive-scaling-policy-overview.html
Ours: AWS does not publish its model, renews the forecast every six hours and has one of its own metrics for the load;
here the load is what the instances measured. The maximum capacity is honoured, as by default on AWS.
"""

from __future__ import annotations

import math
from dataclasses import replace

from flyball.core.control.alarms import EXACT, show
from flyball.core.control.memory import PredictiveMemory
from flyball.core.model import PredictiveScaling

from .proposal import Ballot, Floor, Hold, Proposal
from .situation import Situation

HOUR_S = 3600.0
DAY, WEEK = 24, 7
KEPT = 14 * DAY


def vote(at: Situation) -> Ballot:
    """What the policy says at one datapoint."""
    rule = at.scaling.predictive
    assert rule is not None
    memory = counted(at.memory.predictive, _load(rule, at), now=at.now)
    kept = replace(at.memory, predictive=memory)
    hours = sorted({int(at.now // HOUR_S), int((at.now + rule.buffer_s) // HOUR_S)})
    forecasts = [
        (wanted, hour, load)
        for hour in hours
        if (load := forecast(memory, hour)) is not None
        for wanted in [math.ceil(load / rule.target_value - EXACT)]
    ]
    if not forecasts:
        return Ballot(memory=kept)
    wanted, hour, load = max(forecasts)
    expected = f"{rule.metric} {show(rule.metric, load)} in all expected from {hour % DAY:02}:00 UTC"
    text = f"{expected} / {rule.target_value:g} -> {wanted}"
    if rule.forecast_only:
        return Ballot(told=(Hold(key=f"forecast {hour}", text=f"forecast only: {text}"),), memory=kept)
    floor = Floor(capacity=wanted, why=text)
    out = (Proposal(desired=wanted, text=text),) if min(wanted, at.max) > at.counts.desired else ()
    return Ballot(out=out, floor=floor, memory=kept)


def _load(rule: PredictiveScaling, at: Situation) -> float | None:
    value = at.windows.last(rule.metric)
    return None if value is None else value * at.windows.instances


def counted(memory: PredictiveMemory, load: float | None, *, now: float) -> PredictiveMemory:
    """The memory with one more datapoint; hours that are over are closed, also those without any."""
    hour = int(now // HOUR_S)
    if memory.hour is not None and hour > memory.hour:
        mean = memory.total / memory.weight if memory.weight else None
        gap = min(hour - memory.hour - 1, KEPT)
        memory = PredictiveMemory(hour=hour, loads=(*memory.loads, mean, *(None,) * gap)[-KEPT:])
    if load is None:
        return memory
    return replace(memory, hour=hour, total=memory.total + load, weight=memory.weight + 1)


def forecast(memory: PredictiveMemory, hour: int) -> float | None:
    """The load to expect in an hour; None with less than a day of history or nothing like it in it."""
    if memory.hour is None or len(memory.loads) < DAY:
        return None
    total = weight = 0.0
    for days in range(1, KEPT // DAY + 1):
        index = len(memory.loads) - (memory.hour - (hour - days * DAY))
        load = memory.loads[index] if 0 <= index < len(memory.loads) else None
        if load is not None:
            share = (1.0 if days % WEEK else 3.0) / days
            total, weight = total + share * load, weight + share
    return total / weight if weight else None
