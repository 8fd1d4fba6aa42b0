"""Percentiles of what happened between two readings of the balancer's cumulative histogram, in every world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

PERCENTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


def _edges() -> tuple[float, ...]:
    """One bucket for each of the first ten milliseconds, then twenty in each power of ten up to 60 s.

    Envoy measures whole milliseconds, so the first edges lie half-way between them.
    """
    first = [0.5 + step for step in range(10)]
    rising = [float(round(10 ** (1 + step / 20))) for step in range(1, 76)]
    return (*first, *sorted({edge for edge in rising if edge < 60_000}), 60_000.0)


BUCKET_EDGES_MS = _edges()


def percentiles(before: Mapping[float, int], after: Mapping[float, int]) -> dict[str, float] | None:
    """p50, p95 and p99 in ms of the samples that `after` has and `before` has not; None when there are none.

    Both map a bucket's upper edge in ms to the number of samples at or below it; the last edge may be infinite.
    """
    edges = sorted(after)
    return percentiles_of(edges, [max(after[edge] - before.get(edge, 0), 0) for edge in edges])


def percentiles_of(edges: Sequence[float], cumulative: Sequence[int]) -> dict[str, float] | None:
    """The same of one histogram: the number of samples at or below each edge."""
    if not cumulative or cumulative[-1] == 0:
        return None
    return {name: _quantile(edges, cumulative, share) for name, share in PERCENTILES.items()}


def _quantile(edges: Sequence[float], cumulative: Sequence[int], share: float) -> float:
    """Straight-line interpolation inside the bucket; beyond the last finite edge that edge is all that is known."""
    rank = share * cumulative[-1]
    at = next(index for index, count in enumerate(cumulative) if count >= rank)
    lower_edge, below = (edges[at - 1], max(cumulative[:at])) if at else (0.0, 0)
    if edges[at] == float("inf"):
        return lower_edge
    return lower_edge + (edges[at] - lower_edge) * (rank - below) / (cumulative[at] - below)
