"""What is seen of a service between two samples? Just enough to tell that too much comes for its instances.

Rule: services that scale by `adaptive` are glanced at every quarter of a second (`cadence.py`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """A service between two samples: `requests` came in the `over_s` since the last look at it."""

    service: str
    requests: int
    over_s: float
    in_flight: int
    waiting: int = 0
