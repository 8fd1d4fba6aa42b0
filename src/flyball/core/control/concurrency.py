"""How many requests may an instance work on at a time, when neither the file nor its command says so?

Rule: 80 at first, with less than a core its part of them. What an instance has inside keeps its health
check waiting where it burns processor time, and does not where it waits for others. So, at each sample,
- while the instances have half of their processor time to spare, that is not what requests wait for: when some wait, as
  many more may come in as would use that half, at least twice and at most sixteen times as many. How long requests
  then take inside is remembered: nothing is in their way.
- with less to spare, as many may be inside as are ended in that remembered time and an eighth of the health check's
  timeout, at the rate that the processor allows. So the processor never lacks work, and a check waits an eighth of its
  timeout, with room for a burst up to a quarter.
- when an instance does not answer its check in time, half as many may be inside, and from there on one more at a time.
A program with one thread is at its end with one core, whatever it has reserved.

Beginning at 80, 50 ends a second at 100 % of the processor, 0.2 s inside and a timeout of 4 s make a limit of
50 x (0.2 + 0.5) = 35.

AWS: an Application Load Balancer has no such limit. 80 is Cloud Run's, for a core.
https://cloud.google.com/run/docs/about-concurrency
Ours: the increase and decrease are those of TCP's congestion control (RFC 5681).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from flyball.core.model import Service

from .observation import QueueSample
from .pacing import Adaptive
from .reasons import ReasonKind
from .state import Instance, Lifecycle
from .turn import Turn

MOST = 500
"""The balancer opens no more connections to one instance."""
SPARE, SPARE_IF_STARVED = 0.5, 0.2
"""On a machine without a core to spare an instance may want more than it gets."""
PART_OF_TIMEOUT = 8
AT_FIRST, FEWEST_AT_FIRST = 80, 8
MOST_TIMES = 16
FADES = 0.5
"""What was measured before counts half as much with each sample."""
SMALLEST_CHANGE = 0.2
"""What is measured varies; a limit that is so close stays."""
WORTH_SAYING = 2.0
MORE_THAN_ONE_THREAD = 1.1


def at_first(service: Service) -> Adaptive:
    """The limit before anything is measured."""
    places = max(FEWEST_AT_FIRST, round(AT_FIRST * min(service.size.cpu, 1.0)))
    return Adaptive(limit=places, said=places)


def limit(service: Service, adaptive: Adaptive) -> int | None:
    """How many requests an instance works on at a time; None without a limit."""
    return adaptive.limit if service.adapts else service.places


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a sample tells of a service: requests that ended, a second and instance, and how long these were inside.

    `share`: of the processor time that the instances can use, None when unknown. `starved`: the machine has no more.
    `waiting` requests wait; `at_work`: the most that one instance has. `late`: did not answer its check just now.
    """

    rate: float
    inside_s: float | None
    share: float | None
    starved: bool
    waiting: int
    at_work: int
    late: Instance | None = None


def adapt(turn: Turn) -> None:
    """Adapt the limit of one service to what the sample says, in worlds whose balancer measures it."""
    sample = next((one for one in turn.seen.queues if one.service == turn.state.name), None)
    if not turn.service.adapts or sample is None or sample.ended is None:
        return
    measured = _measured(turn, sample)
    if measured is None:
        return
    before = turn.state.adaptive
    after, why = adapted(before, measured, timeout_s=turn.health.timeout_s)
    if why and not 1 / WORTH_SAYING < after.limit / before.said < WORTH_SAYING:
        text = f"an instance works on at most {after.limit} requests at a time ({before.said} before): {why}"
        turn.say(ReasonKind.CONCURRENCY, text, instance=measured.late)
        after = replace(after, said=after.limit)
    turn.state = replace(turn.state, adaptive=after)


def adapted(before: Adaptive, seen: Measured, *, timeout_s: float) -> tuple[Adaptive, str]:
    """The limit after a sample, and why it is another one; "" when it is not."""
    if seen.late is not None:
        half = max(1, min(before.limit, seen.at_work) // 2)
        why = f"{seen.late.id} did not answer its health check in time with {seen.at_work} inside"
        return replace(before, limit=half, careful_from=half), why if half < before.limit else ""
    share = 0.0 if seen.share is None else seen.share
    spare = SPARE_IF_STARVED if seen.starved else SPARE
    if share < spare:
        return _with_time_to_spare(before, seen, share, spare)
    return _without(before, seen, share, timeout_s / PART_OF_TIMEOUT)


def _with_time_to_spare(before: Adaptive, seen: Measured, share: float, spare: float) -> tuple[Adaptive, str]:
    after = before
    if seen.inside_s is not None:
        known = FADES * before.measured
        inside_s = (known * (before.inside_s or 0.0) + seen.rate * seen.inside_s) / (known + seen.rate)
        after = replace(before, inside_s=inside_s, measured=known + seen.rate)
    if not seen.waiting:
        return after, ""
    if before.careful_from is not None and before.limit >= before.careful_from:
        more = before.limit + 1
    else:
        times = 2 if seen.share is None else max(2, int(spare / max(share, spare / MOST_TIMES)))
        more = min(times * before.limit, before.careful_from or MOST)
    more = min(more, MOST)
    why = f"{seen.waiting} wait while {100 * share:.0f} % of its processor time is used"
    return replace(after, limit=max(more, before.limit)), why if more > before.limit else ""


def _without(before: Adaptive, seen: Measured, share: float, wait_s: float) -> tuple[Adaptive, str]:
    rate = seen.rate if seen.starved else seen.rate / min(share, 1.0)
    if rate > 0:
        wanted = rate * ((before.inside_s or 0.0) + wait_s)
        why = f"it can end {rate:.1f} a second, and its health check is to wait {wait_s:.2g} s at most"
    else:
        wanted, why = before.limit / 2, "it has no processor time to spare, and none has ended"
    most = MOST if before.careful_from is None else max(before.careful_from, before.limit)
    chosen = max(1, min(math.ceil(wanted), most))
    close = abs(chosen - before.limit) <= SMALLEST_CHANGE * before.limit
    if close or (chosen > before.limit and not seen.waiting):
        return before, ""
    return replace(before, limit=chosen), why


def _measured(turn: Turn, sample: QueueSample) -> Measured | None:
    serving = [one for one in turn.staying() if one.lifecycle is Lifecycle.IN_SERVICE]
    sample_s = turn.state.windows.sample_s
    if not serving or sample_s <= 0:
        return None
    ended = sample.ended or 0
    late = (one for one in serving if one.unhealthy_since == turn.now and turn.by_id[one.id].unanswered)
    return Measured(
        rate=ended / sample_s / len(serving),
        inside_s=None if sample.inside_ms is None else sample.inside_ms / 1000,
        share=_share(turn, serving, sample_s),
        starved=turn.starved,
        waiting=sample.waiting,
        at_work=max(one.in_flight for one in serving),
        late=None if turn.starved else next(late, None),
    )


def _share(turn: Turn, serving: list[Instance], sample_s: float) -> float | None:
    """Of the processor time it can use, what the middle one of the instances used that served for the whole sample."""
    began = turn.now - sample_s
    served = {one.id for one in serving if one.in_service_at is not None and one.in_service_at <= began}
    used = [one.cpu_percent for one in turn.samples if one.id in served and one.cpu_percent is not None]
    if not used:
        return None
    reserved = turn.service.size.cpu
    cores = reserved * sorted(used)[len(used) // 2] / 100
    usable = reserved if cores > MORE_THAN_ONE_THREAD else min(reserved, 1.0)
    return cores / usable
