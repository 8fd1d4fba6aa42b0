"""Which bursts come again after some minutes, an hour, a day or a week?

Rule: a burst begins when the requests per second are well above their slow average, and ends when they no longer are,
or after `LONGEST_S`. It may come again after each of `CYCLES_S`. After an hour, a day and a week it is expected from
the first time on; after minutes only when it has come `SURE` times, because many match once by chance. If it comes near
its time, its size is averaged; if it does not, it is missed, and it is forgotten once it has been missed as often as it
came. The service is ready for it from a start delay before its time until `RELEASE_S` after it.

Ours. AWS's forecast knows hours and cannot see such bursts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from flyball.core.control.memory import AdaptiveMemory, Burst

HOUR_S, DAY_S, WEEK_S = 3600.0, 86_400.0, 604_800.0
CYCLES_S = (60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, HOUR_S, DAY_S, WEEK_S)
LEVEL_S = 120.0
"""Time constant of the slow average."""
BEGINS, ENDS = 1.3, 1.15
"""A burst has begun above this many times the slow average, and is over below that many."""
SIGMAS = 4.0
"""How many standard deviations of a Poisson count it must be above the average as well."""
LONGEST_S = 180.0
NEAR, NEAREST_S, NEAR_S = 1 / 60, 3.0, 20.0
"""How far from its time a burst may come: this share of its cycle, within these bounds."""
RELEASE_S = 15.0
EARLY_S = 2.0
SURE = 2
MOST = 200
"""How many bursts are remembered; the newest ones stay."""


def counted(memory: AdaptiveMemory, rate: float, *, over_s: float, period_s: float, now: float) -> AdaptiveMemory:
    """The memory after a datapoint: `rate` is the newest average, over `over_s`."""
    if memory.level is None:
        return replace(memory, level=rate)
    level = memory.level
    if memory.began_at is None:
        above = level + SIGMAS * math.sqrt(max(level, 1.0) / over_s)
        if rate > max(BEGINS * level, above):
            return replace(memory, began_at=now - over_s / 2, peak=rate)
        level += (rate - level) * (1 - math.exp(-period_s / LEVEL_S))
        return _overdue(replace(memory, level=level), now)
    if rate > ENDS * level and now - memory.began_at < LONGEST_S:
        return replace(memory, peak=max(memory.peak, rate))
    learned = _learned(memory.bursts, memory.began_at, max(memory.peak / max(level, 1.0), BEGINS))
    longest = now - memory.began_at >= LONGEST_S
    return _overdue(replace(memory, bursts=learned, began_at=None, peak=0.0, level=rate if longest else level), now)


def _learned(bursts: tuple[Burst, ...], began_at: float, times: float) -> tuple[Burst, ...]:
    near = [burst for burst in bursts if abs(burst.next_at - began_at) <= _near_s(burst)]
    others, known = (burst for burst in bursts if burst not in near), {burst.cycle_s for burst in near}
    new = (Burst(cycle_s=one, next_at=began_at + one, times=times) for one in CYCLES_S if one not in known)
    return tuple([*others, *(_again(burst, began_at, times) for burst in near), *new][-MOST:])


def _near_s(burst: Burst) -> float:
    return min(max(burst.cycle_s * NEAR, NEAREST_S), NEAR_S)


def _again(burst: Burst, began_at: float, times: float) -> Burst:
    next_at, size = min(burst.next_at, began_at) + burst.cycle_s, (burst.times + times) / 2
    return replace(burst, next_at=next_at, times=size, came=burst.came + 1, missed=0)


def _overdue(memory: AdaptiveMemory, now: float) -> AdaptiveMemory:
    """The memory without what was missed too often; all that was missed waits for its next time."""
    if all(now - burst.next_at <= _near_s(burst) for burst in memory.bursts):
        return memory
    return replace(memory, bursts=tuple(_still_expected(memory.bursts, now)))


def _still_expected(bursts: tuple[Burst, ...], now: float) -> Iterator[Burst]:
    for burst in bursts:
        if now - burst.next_at <= _near_s(burst):
            yield burst
        elif burst.missed + 1 < burst.came:
            cycles = math.floor((now - _near_s(burst) - burst.next_at) / burst.cycle_s) + 1
            yield replace(burst, next_at=burst.next_at + cycles * burst.cycle_s, missed=burst.missed + 1)


def expected(memory: AdaptiveMemory, *, start_s: float, now: float) -> tuple[float, float]:
    """Rate and time of the largest burst that the service must be ready for now; 0 without one."""
    due = (one for one in memory.bursts if one.next_at - start_s - EARLY_S <= now < one.next_at + RELEASE_S)
    sure = (one for one in due if one.came >= SURE or one.cycle_s >= HOUR_S)
    largest = max(sure, key=lambda burst: (burst.times, -burst.next_at), default=None)
    return (0.0, 0.0) if largest is None else ((memory.level or 0.0) * largest.times, largest.next_at)
