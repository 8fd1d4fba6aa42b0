"""What a visitor waits beside the balancer and the instance: the last `flyball load` against what the balancer saw.

The load generator counts from when a request was due, the balancer from when it came. The difference of their medians
is the way there and back; how much later than due the generator was is part of it.
"""

from __future__ import annotations

import json
from itertools import pairwise
from statistics import median

from .numbers import NOTHING, POINTS, Table

LEAST = 100
KNOWN = ((0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99"), (1.0, "max"))


def window(load: str | None) -> tuple[float, float] | None:
    """When the load ran; None when there was none, or its numbers are not valid."""
    try:
        told = json.loads(load or "null")
        return (float(told["began"]), float(told["ended"])) if told["valid"] else None
    except (ValueError, KeyError, TypeError):
        return None


def way(load: str | None, took_s: list[float]) -> Table:
    """Quantiles of the way, in seconds. `took_s`: how long the balancer had the requests of the load."""
    if load is None or window(load) is None or len(took_s) < LEAST:
        return NOTHING
    told = json.loads(load)
    lag = [(0.0, 0.0)] + [(share, float(told["send_lag_ms"][name] or 0.0) / 1000) for share, name in KNOWN]
    whole_s = float(told["latency_ms"]["p50"]) / 1000 - median(took_s)
    always_s = max(whole_s - lag[1][1], 0.0)
    return tuple(always_s + _between(lag, index / (POINTS - 1)) for index in range(POINTS))


def _between(points: list[tuple[float, float]], share: float) -> float:
    for (left, low), (right, high) in pairwise(points):
        if share <= right:
            return low + (high - low) * (share - left) / (right - left)
    raise AssertionError("a share is at most 1")
