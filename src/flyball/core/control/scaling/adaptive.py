"""How few instances keep the latency that the file promises?

Rule: on every datapoint the offered requests per second (those refused too) are turned into instances by what one
request takes (`staffing.py`). The largest of three rates counts: the last seconds, the forecast for one start delay
from now with its reserve (`ahead.py`), and an expected burst (`bursts.py`). Waiting requests are added, to be done
within about a start delay. While the latency is above the objective with enough instances, the need rises step by step.
A scale-out goes to the need at once, a scale-in to the largest need of about one start delay, never below what the last
seconds need. Between datapoints, every quarter of a second, a crowd of requests scales out at once.

Ours: AWS has no such policy. Its target tracking sees a saturated processor, which does not show how much load comes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from flyball.core.control.glance import Glance
from flyball.core.control.memory import AdaptiveMemory, Wish
from flyball.core.control.windows import Windows
from flyball.core.model import Adaptive, Metric

from . import ahead, bursts, staffing
from .proposal import Ballot, Hold, Proposal, wanting
from .situation import Situation

SHORTEST_HOLD_S, LONGEST_HOLD_S = 4.0, 60.0
CROWD = 8
"""Requests in flight at one instance without a limit from which on it is crowded."""
LATE_POINTS = 3
IDLE = 0.3
"""Below this share of busy instances more of them do not make a request faster."""
TELLING = 1.1
"""How much more must be forecast for its sentence to say so."""
MOST_STRAIN, STRAINS, RELAXES = 2.0, 1.05, 0.995


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Requests per second: on average over the last seconds, where they will be soon, and the burst expected next."""

    now: float
    soon: float
    expected: float = 0.0
    at: float = 0.0


def vote(at: Situation) -> Ballot:
    """What the policy says at one datapoint."""
    rule, windows, counts = at.scaling.adaptive, at.windows, at.counts
    assert rule is not None
    memory = staffing.counted(at.memory.adaptive, windows, at.places)
    seen, takes = ahead.averages(windows), staffing.takes_s(memory)
    if seen is None or takes is None:
        starts = counts.desired == 0 and seen is not None and seen.fast > 0
        text = "requests arrive and no instance runs" if starts else "nothing is known of the load yet"
        return wanting(1 if starts else counts.desired, text, counts, replace(at.memory, adaptive=memory))
    memory = bursts.counted(memory, seen.fast, over_s=ahead.FAST_S, period_s=windows.period_s, now=at.now)
    due, due_at = bursts.expected(memory, start_s=at.start_s, now=at.now)
    memory = ahead.learned(memory, windows, seen, start_s=at.start_s, due=due)
    rates = Rates(now=seen.now, soon=ahead.reserved(memory, ahead.forecast(memory, seen)), expected=due, at=due_at)
    busy = rates.now * takes / max(counts.running, 1)
    memory = _strained(rule, memory, at, busy=busy)
    queue = _crowd(at, windows.latest(Metric.CONCURRENCY) or 0.0, windows.waiting)
    rate = max(rates.now, rates.soon, rates.expected)
    most = math.ceil(staffing.needed(rule, rate + queue / (at.start_s + 1.0), takes) * memory.strain)
    memory = _wishing(memory, most, at)
    wanted = max(wish.count for wish in memory.wished)
    wanted = min(wanted, counts.desired) if most <= counts.desired else most
    text, after = _text(wanted, rates, takes, queue), replace(at.memory, adaptive=memory)
    return replace(wanting(max(wanted, at.min), text, counts, after), told=_unreachable(rule, at, busy=busy))


def at_once(at: Situation, glance: Glance) -> Ballot:
    """What the policy says between two datapoints: out, if more requests wait than can be worked off in time."""
    rule, takes = at.scaling.adaptive, staffing.takes_s(at.memory.adaptive)
    assert rule is not None
    queue = _crowd(at, glance.in_flight + glance.waiting, glance.waiting)
    if not queue or not glance.over_s:
        return Ballot()
    rate = glance.requests / glance.over_s
    if takes is None:
        text = f"{queue:.0f} requests wait and nothing is known about them yet: twice the instances"
        return Ballot(out=(Proposal(desired=2 * at.counts.running, text=text),))
    wanted = staffing.needed(rule, rate + queue / (at.start_s + 1.0), takes)
    in_time = queue * takes <= at.counts.running * rule.threshold / 2000.0  # in half of the objective
    if in_time or min(wanted, at.max) <= at.counts.desired:
        return Ballot()
    text = _text(wanted, Rates(now=rate, soon=rate), takes, queue)
    memory = _wishing(at.memory.adaptive, wanted, at)
    return Ballot(out=(Proposal(desired=wanted, text=text),), memory=replace(at.memory, adaptive=memory))


def _crowd(at: Situation, in_flight: float, waiting: int) -> float:
    """Requests beyond those that the instances in service are meant to have."""
    return max(float(waiting), in_flight - (at.places or CROWD) * max(at.counts.running, 1), 0.0)


def _strained(rule: Adaptive, memory: AdaptiveMemory, at: Situation, *, busy: float) -> AdaptiveMemory:
    if _is_late(rule, at.windows) and busy >= IDLE and at.counts.running >= at.counts.desired:
        return replace(memory, strain=min(memory.strain * STRAINS, MOST_STRAIN))
    return replace(memory, strain=1.0 + (memory.strain - 1.0) * RELAXES)


def _is_late(rule: Adaptive, windows: Windows) -> bool:
    newest = windows.values(rule.metric)[-LATE_POINTS:]
    return len(newest) == LATE_POINTS and all(value is not None and value > rule.threshold for value in newest)


def _unreachable(rule: Adaptive, at: Situation, *, busy: float) -> tuple[Hold, ...]:
    if not _is_late(rule, at.windows) or busy >= IDLE or at.windows.waiting:
        return ()
    found = f"{rule.metric} is {at.windows.latest(rule.metric) or 0.0:.0f} ms, not < {rule.threshold:.0f} ms"
    return (Hold(key="slo", text=f"scale-out held: {found}, with {busy:.0%} in use: more instances do not help"),)


def _wishing(memory: AdaptiveMemory, wanted: int, at: Situation) -> AdaptiveMemory:
    hold_s = min(max(at.start_s, SHORTEST_HOLD_S), LONGEST_HOLD_S)
    kept = [wish for wish in memory.wished if at.now - wish.at < hold_s and wish.count > wanted]
    return replace(memory, wished=(*kept, Wish(at=at.now, count=wanted)))


def _text(wanted: int, rates: Rates, takes: float, queue: float) -> str:
    parts = [f"{rates.now:.4g}/s now"]
    if rates.expected > max(rates.now, rates.soon):
        parts.append(f"{rates.expected:.4g}/s expected at {datetime.fromtimestamp(rates.at, UTC):%H:%M}")
    elif rates.soon > TELLING * rates.now:
        parts.append(f"{rates.soon:.4g}/s soon")
    if queue >= 1:
        parts.append(f"{queue:.0f} wait")
    return f"{wanted}: {', '.join(parts)}, one request takes {takes * 1000:.3g} ms"
