"""What a visitor waits beside the queue and the instance: what the balancer itself takes, and the way to it.

The balancer's log says how long it had each request, and how long the instance had it: the rest is the balancer's own.
The load generator counts from when a request was due, the balancer from when it came. The difference of their medians
is the way there and back; how much later than due the generator was is part of it.
"""

from __future__ import annotations

import json
from itertools import pairwise
from statistics import median

from .measured_log import Had, less_rest, price_of_rest
from .numbers import NOTHING, POINTS, Table, drawn, of_samples
from .parts import BALANCER_COOLS_S

LEAST = 100
KNOWN = ((0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99"), (1.0, "max"))


def window(load: str | None) -> tuple[float, float] | None:
    """When the load ran; None when there was none. One that sent late tells the way, too: how late is part of it."""
    try:
        told = json.loads(load or "null")
        return float(told["began"]), float(told["ended"])
    except (ValueError, KeyError, TypeError):
        return None


def way(load: str | None, had: list[Had]) -> tuple[Table, float]:
    """Quantiles of the way, in seconds, and what it costs more when the balancer was at rest.

    `had`: what the balancer did with the requests of the load, or with all.
    """
    if len(had) < LEAST:
        return NOTHING, 0.0
    rested = _rested(had)
    cold_s = price_of_rest(rested)
    own = of_samples([less_rest(own_s, cold_s * paid) for paid, own_s in rested])
    if load is None or window(load) is None:
        return own, cold_s
    told = json.loads(load)
    lag = [(0.0, 0.0)] + [(share, float(told["send_lag_ms"][name] or 0.0) / 1000) for share, name in KNOWN]
    whole_s = float(told["latency_ms"]["p50"]) / 1000 - median(one.whole_s for one in had)
    always_s = max(whole_s - lag[1][1], 0.0)
    shares = [index / (POINTS - 1) for index in range(POINTS)]  # the same of both: a slow moment is slow for all
    return tuple(always_s + drawn(own, share) + _between(lag, share) for share in shares), cold_s


def _rested(had: list[Had]) -> list[tuple[float, float]]:
    """What of the price of a rest each paid, and what the balancer took."""
    ordered = sorted(had, key=lambda one: one.at)
    gaps = [BALANCER_COOLS_S, *(later.at - one.at for one, later in pairwise(ordered))]
    return [(min(gap / BALANCER_COOLS_S, 1.0), one.own_s) for gap, one in zip(gaps, ordered, strict=True)]


def _between(points: list[tuple[float, float]], share: float) -> float:
    for (left, low), (right, high) in pairwise(points):
        if share <= right:
            return low + (high - low) * (share - left) / (right - left)
    raise AssertionError("a share is at most 1")
