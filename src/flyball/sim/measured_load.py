"""How long a visitor waits outside of the queue and the instance: in the balancer itself, and on the way to it.

The balancer's log says how long it had each request, and how long the instance had it: the rest is the balancer's own.
The load generator counts from when a request was due and from when it was sent, the balancer from when it came. The
difference of the medians of the last two is the way there and back; that of the first two, quantile by quantile, is
what being sent late adds.
"""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import Any

from .measured_log import Had, less_rest, price_of_rest
from .numbers import NOTHING, POINTS, Table, drawn, of_samples
from .parts import BALANCER_COOLS_S

LEAST = 100
KNOWN = ((0.5, "p50"), (0.9, "p90"), (0.95, "p95"), (0.99, "p99"))
"""The longest is a single request, which says nothing about the last percent."""


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
    ordered = sorted(had, key=lambda one: one.at)
    rested = _rested(ordered)
    cold_s = price_of_rest((paid, one.own_s) for paid, one in zip(rested, ordered, strict=True))
    own = _added(
        [replace(one, own_s=less_rest(one.own_s, cold_s * paid)) for paid, one in zip(rested, ordered, strict=True)]
    )
    if load is None or window(load) is None:
        return own, cold_s
    told = json.loads(load)
    lag, sent_s = _late(told)
    always_s = max(sent_s - median(one.whole_s for one in had), 0.0)
    shares = [index / (POINTS - 1) for index in range(POINTS)]  # the same of both: a slow moment is slow for all
    return tuple(always_s + drawn(own, share) + _between(lag, share) for share in shares), cold_s


def _added(had: list[Had]) -> Table:
    """What the balancer adds to each quantile of the time in instances.

    Its own quantiles would be too much: a request that is slow in the balancer need not be slow in its instance.
    """
    lone = [one for one in had if one.lone]
    told = lone if len(lone) >= LEAST else had
    took, both = of_samples([one.took_s for one in told]), of_samples([one.took_s + one.own_s for one in told])
    return tuple(max(more - less, 0.0) for more, less in zip(both, took, strict=True))


def _late(told: dict[str, Any]) -> tuple[list[tuple[float, float]], float]:
    """What late sending adds to each quantile that the load knows, and the median counted from the sending.

    It is at most the lateness at that quantile, which is all that an older load records.
    """
    lag_s = {name: (told["send_lag_ms"][name] or 0.0) / 1000 for _, name in KNOWN}
    sent_ms: dict[str, float | None] | None = told.get("service_ms")
    added = dict(lag_s)
    if sent_ms is not None:
        more_s = {name: ((told["latency_ms"][name] or 0.0) - (sent_ms[name] or 0.0)) / 1000 for name in lag_s}
        added = {name: min(max(more_s[name], 0.0), lag_s[name]) for name in lag_s}
    points = [(0.0, 0.0), *((share, added[name]) for share, name in KNOWN)]
    return [*points, (1.0, points[-1][1])], max(float(told["latency_ms"]["p50"]) / 1000 - added["p50"], 0.0)


def _rested(ordered: list[Had]) -> list[float]:
    """How much of the cost of a rest each request paid, from 0 to 1."""
    gaps = [BALANCER_COOLS_S, *(later.at - one.at for one, later in pairwise(ordered))]
    return [min(gap / BALANCER_COOLS_S, 1.0) for gap in gaps]


def _between(points: list[tuple[float, float]], share: float) -> float:
    for (left, low), (right, high) in pairwise(points):
        if share <= right:
            return low + (high - low) * (share - left) / (right - left)
    raise AssertionError("a share is at most 1")
