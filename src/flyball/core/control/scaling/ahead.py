"""How many requests per second will come one start delay from now?

Rule: the forecast is the slow average plus the part of the last seconds' deviation that usually remains (or has grown)
after a start delay: a slope, learned by least squares from the past hour's pairs. Each rate is compared with its
forecast; `spread`, learned too, is the ratio that is exceeded, beyond noise, in one of forty seconds. The need is
forecast x spread, but the reserve never reaches above the highest average of the recent past: a load that swings gets
a reserve, one that climbs is followed early, a calm one gets next to none.

Ours. https://en.wikipedia.org/wiki/Stochastic_approximation (the quantile), https://en.wikipedia.org/wiki/Least_squares
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from flyball.core.control.memory import AdaptiveMemory
from flyball.core.control.windows import Windows
from flyball.core.model import Metric

FAST_S, SLOW_S = 4.0, 30.0
LONGEST_S = 60.0
"""A start delay that is longer counts as so long."""
LOOKS_BACK_S = LONGEST_S + SLOW_S + 2 * FAST_S
HALF_LIFE_S = 600.0
EXCEEDED = 0.025
LEARNS = 0.005
MOST_SPREAD, MOST_SLOPE = 3.0, 1.5
KNOWN_S = 30.0
"""The guess that a deviation just stays has as much weight as so many seconds of mere noise."""
SIGMAS = 2.0
"""Standard deviations of a Poisson count by which two averages must differ to be different."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Averages:
    """Requests per second in the newest datapoint, over the last seconds, and over half a minute."""

    newest: float
    fast: float
    slow: float

    @property
    def now(self) -> float:
        """The newest of them that differs from the next one for sure: a jump is followed at once, noise is not."""
        if self.newest > self.fast + 2 * SIGMAS * math.sqrt(max(self.fast, 1.0)):
            return self.newest
        noise = SIGMAS * math.sqrt(max(self.slow, 1.0) / FAST_S)
        return self.fast if abs(self.fast - self.slow) > noise else self.slow


def averages(windows: Windows, *, ago_s: float = 0.0) -> Averages | None:
    """The averages so long ago; None without a datapoint then."""
    points = windows.values(Metric.OFFERED)
    end = len(points) - round(ago_s / windows.period_s)
    fast, slow = (_mean(points, end, max(1, round(length_s / windows.period_s))) for length_s in (FAST_S, SLOW_S))
    if fast is None or slow is None:
        return None
    return Averages(newest=points[end - 1] or 0.0, fast=fast, slow=slow)


def _mean(points: tuple[float | None, ...], end: int, count: int) -> float | None:
    real = [value for value in points[max(end - count, 0) : max(end, 0)] if value is not None]
    return sum(real) / len(real) if real else None


def forecast(memory: AdaptiveMemory, seen: Averages) -> float:
    """What will come, without the reserve."""
    noise = KNOWN_S * max(seen.slow, 1.0) / FAST_S
    slope = min(max((memory.together + noise) / (memory.deviation + noise), 0.0), MOST_SLOPE)
    return max(seen.slow + slope * (seen.fast - seen.slow), 0.0)


def reserved(memory: AdaptiveMemory, rate: float) -> float:
    """A forecast rate with its reserve, and with what is mere noise at that rate."""
    return max(rate, min(rate * memory.spread, memory.highest)) + SIGMAS * math.sqrt(rate / FAST_S)


def learned(memory: AdaptiveMemory, windows: Windows, now: Averages, *, start_s: float, due: float) -> AdaptiveMemory:
    """The memory after comparing the newest datapoint with its forecast, or with the burst that was `due`."""
    then = averages(windows, ago_s=min(start_s, LONGEST_S) + FAST_S / 2)
    if then is None:
        return memory
    predicted, fade = forecast(memory, then), 0.5 ** (windows.period_s / HALF_LIFE_S)
    exceeded = now.fast > max(reserved(memory, predicted), due)
    step = LEARNS * windows.period_s * (1 - EXCEEDED if exceeded else -EXCEEDED)
    deviation = then.fast - then.slow
    return replace(
        memory,
        together=memory.together * fade + deviation * (now.fast - then.slow),
        deviation=memory.deviation * fade + deviation * deviation,
        spread=min(max(memory.spread + step, 1.0), MOST_SPREAD),
        highest=max(now.fast, now.slow + (memory.highest - now.slow) * fade),
    )
