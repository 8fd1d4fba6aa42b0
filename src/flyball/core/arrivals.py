"""When do requests come? A rate that changes in steps, and the arrival times it gives.

A `RateCurve` is a row of stages, each with a constant rate: there are no ramps, a ramp is many short stages. A
recording (one row per bin: time, requests per second) is the same thing. `arrivals` draws an inhomogeneous Poisson
process from a curve: unit-exponential gaps, stretched by the rate in force. That is exact inside a stage and across its
edges (the unused part of a gap is carried over), so that it needs no thinning and no small time step.
https://en.wikipedia.org/wiki/Poisson_point_process#Inversion_method

The load generator and the simulator both read their traffic here: the same curve and the same seed give the same times.
AWS has no such thing; it takes the traffic that comes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf, isfinite, log

from flyball.core import durations
from flyball.core.errors import FileError


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`rate` requests per second for `duration_s` seconds. A rate of 0 is a pause."""

    rate: float
    duration_s: float

    def __post_init__(self) -> None:
        if not (isfinite(self.rate) and self.rate >= 0):
            raise FileError(f"a rate is 0 or more requests per second, not {self.rate:g}")
        if not (isfinite(self.duration_s) and self.duration_s > 0):
            raise FileError(f"a stage lasts more than 0 seconds, not {self.duration_s:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RateCurve:
    """How many requests per second are wanted, from time 0 on."""

    stages: tuple[Stage, ...]

    @property
    def duration_s(self) -> float:
        """How long the curve lasts."""
        return sum(stage.duration_s for stage in self.stages)

    @property
    def expected_requests(self) -> float:
        """The mean number of arrivals: the area under the curve."""
        return sum(stage.rate * stage.duration_s for stage in self.stages)

    @property
    def peak_rate(self) -> float:
        """The highest rate, in requests per second; 0 for an empty curve."""
        return max((stage.rate for stage in self.stages), default=0.0)

    def changed(self, *, scale: float = 1.0, speed: float = 1.0) -> RateCurve:
        """The curve with every rate times `scale`, played `speed` times as fast.

        Speed shortens time and leaves the rates as they are: an hour that peaks at 300 requests per second still peaks
        at 300 when it is played in six minutes (and holds a tenth of the requests). Raises FileError.
        """
        if not (isfinite(scale) and scale >= 0):
            raise FileError(f"scale is 0 or more, not {scale:g}")
        if not (isfinite(speed) and speed > 0):
            raise FileError(f"speed is more than 0, not {speed:g}")
        stages = (Stage(rate=s.rate * scale, duration_s=s.duration_s / speed) for s in self.stages)
        return RateCurve(stages=tuple(stages))

    def first(self, seconds: float) -> RateCurve:
        """The curve's first `seconds`; all of it when it is shorter."""
        kept: list[Stage] = []
        for stage in self.stages:
            if seconds <= 0:
                break
            kept.append(Stage(rate=stage.rate, duration_s=min(stage.duration_s, seconds)))
            seconds -= stage.duration_s
        return RateCurve(stages=tuple(kept))


def parse_duration(text: str) -> float:
    """Seconds in `"500ms"`, `"90s"`, `"1m30s"`, `"2h"`. Raises FileError."""
    stripped = text.strip()
    if not re.fullmatch(rf"({durations.PATTERN})+", stripped):
        raise FileError(f'"{text}" is not a duration; write for example "90s", "5m" or "1m30s"')
    return sum(durations.seconds(part[0]) or 0.0 for part in re.finditer(durations.PATTERN, stripped))


def parse_stages(text: str) -> RateCurve:
    """The curve in `"50:1m,400:3m,50:2m"`: 50 requests per second for a minute, and so on. Raises FileError."""
    stages: list[Stage] = []
    for part in text.split(","):
        rate, colon, duration = part.strip().partition(":")
        try:
            number = float(rate) if colon else None
        except ValueError:
            number = None
        if number is None:
            raise FileError(f'"{part.strip()}" is not a stage; write rate:duration, for example 50:1m,400:3m')
        stages.append(Stage(rate=number, duration_s=parse_duration(duration)))
    return RateCurve(stages=tuple(stages))


def parse_trace(text: str) -> RateCurve:
    """The curve of a recording: CSV lines `seconds,requests per second`, the first line may be a heading.

    Each row holds until the next row's time, the last as long as the one before it (1 s when it is alone). Time starts
    at the first row. Blank lines and lines with # are skipped. Raises FileError with the number of the bad line.
    """
    rows: list[tuple[float, float]] = []
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.split("#")[0].split(",")
        if not cells[0].strip():
            continue
        try:
            rows.append((float(cells[0]), float(cells[1])))
        except (ValueError, IndexError):
            if rows or number > 1:
                raise FileError(f'line {number}: "{line}" is not "seconds,requests per second"') from None
    if not rows:
        raise FileError("the recording has no rows")
    return _of_rows(rows)


def arrivals(curve: RateCurve, uniform: Callable[[], float]) -> Iterator[float]:
    """Poisson arrival times in seconds from the curve's start, rising. `uniform` draws from [0, 1)."""

    def gap() -> float:
        return -log(1.0 - uniform())

    return _crossings(curve.stages, gap(), gap)


def evenly(curve: RateCurve) -> Iterator[float]:
    """Arrival times without chance: at 10 requests per second every 0.1 s, the first after half a gap."""
    return _crossings(curve.stages, 0.5, lambda: 1.0)


def _of_rows(rows: list[tuple[float, float]]) -> RateCurve:
    times = [time for time, _ in rows]
    last = times[-1] - times[-2] if len(times) > 1 else 1.0
    ends = [*times[1:], times[-1] + last]
    for at, end in zip(times, ends, strict=True):
        if not end > at:
            raise FileError(f"the recording's times do not rise: {end:g} s follows {at:g} s")
    stages = (Stage(rate=rate, duration_s=end - at) for (at, rate), end in zip(rows, ends, strict=True))
    return RateCurve(stages=tuple(stages))


def _crossings(stages: Iterable[Stage], need: float, gap: Callable[[], float]) -> Iterator[float]:
    """The times at which the area under the curve has grown by each next gap."""
    start = 0.0
    for stage in stages:
        end, at, rate = start + stage.duration_s, start, stage.rate
        pace = 1.0 / rate if rate > 0 else inf
        while (due := at + need * pace) < end:
            yield due
            at = due
            need = gap()
        need = max(0.0, need - (end - at) * rate)  # rounding must not send time backwards
        start = end
