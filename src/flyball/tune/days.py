"""Which traffic is learned from, and which one says whether it was learned: never the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flyball.core.arrivals import RateCurve, Stage

HOUR_S = 3_600.0
LONG_S = 4 * HOUR_S
"""Of longer traffic, the wide search plays the most telling hours only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """`wide`: what the wide search plays; `train`: what finalists are chosen by; `check`: what nobody learned from."""

    wide: tuple[RateCurve, ...]
    train: tuple[RateCurve, ...]
    check: tuple[RateCurve, ...]


def days_of(traces: Sequence[RateCurve]) -> Days:
    """The last trace checks what the others taught; of a single one, the second half."""
    if len(traces) > 1:
        train, check = tuple(traces[:-1]), (traces[-1],)
    else:
        first, second = halves(traces[0])
        train, check = (first,), (second,)
    return Days(wide=tuple(telling(one) for one in train), train=train, check=check)


def halves(curve: RateCurve) -> tuple[RateCurve, RateCurve]:
    """The first and the second half of the time."""
    half = curve.duration_s / 2
    return part(curve, 0.0, half), part(curve, half, curve.duration_s)


def part(curve: RateCurve, begins: float, ends: float) -> RateCurve:
    """What comes between two times."""
    kept, at = [], 0.0
    for stage in curve.stages:
        first, last = max(at, begins), min(at + stage.duration_s, ends)
        if last - first > 1e-9:
            kept.append(Stage(rate=stage.rate, duration_s=last - first))
        at += stage.duration_s
    return RateCurve(stages=tuple(kept))


def telling(curve: RateCurve) -> RateCurve:
    """The quietest hour, the busiest, two between them, and the one that is most unlike the hour before."""
    if curve.duration_s <= LONG_S:
        return curve
    count = int(curve.duration_s // HOUR_S)
    hours = [part(curve, index * HOUR_S, (index + 1) * HOUR_S) for index in range(count)]
    busy = [hour.expected_requests for hour in hours]
    ranked = sorted(range(count), key=lambda index: busy[index])
    jump = max(range(1, count), key=lambda index: abs(busy[index] - busy[index - 1]))
    chosen = {ranked[0], ranked[count // 3], ranked[2 * count // 3], ranked[-1], jump}
    return RateCurve(stages=tuple(stage for index in sorted(chosen) for stage in hours[index].stages))
