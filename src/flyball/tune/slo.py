"""What is promised to users: "p99 < 200ms" means that at most one request of a hundred is slower, or fails."""

from __future__ import annotations

from dataclasses import dataclass

from flyball.core.errors import FileError
from flyball.core.manifest import units
from flyball.core.model import Metric

SHARES = {Metric.P50: 0.50, Metric.P95: 0.05, Metric.P99: 0.01}
"""The share of the requests that may be bad."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slo:
    """`limit_ms`: what is slower is bad, None when only failures are; `allowed`: the share that may be bad."""

    text: str
    limit_ms: float | None
    allowed: float


def parse_slo(text: str) -> Slo:
    """The SLO of a text such as "p99 < 200ms" or "errors < 1%". Raises FileError."""
    try:
        metric, comparison, value = units.condition(text.strip())
    except ValueError:
        raise FileError(f'--slo: "{text}" is no SLO; write "p99 < 200ms", p50 or p95, or "errors < 1%"') from None
    if comparison.upward:
        raise FileError(f'--slo: "{text}" promises that it is bad; write < instead of >')
    if metric is Metric.ERRORS:
        return Slo(text=text.strip(), limit_ms=None, allowed=value / 100)
    if metric not in SHARES:
        raise FileError(f"--slo: {metric} is nothing that a user feels; an SLO is about p50, p95, p99 or errors")
    if value <= 0:
        raise FileError(f'--slo: "{text}" promises what nothing can keep; write more than 0')
    return Slo(text=text.strip(), limit_ms=value, allowed=SHARES[metric])
