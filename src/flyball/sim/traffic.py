"""Where a simulated service's requests come from: the arrivals of `core.arrivals`, with the draws for each.

The arrivals of a seed are those that `flyball load` sends with it. `FastTraffic` draws the same numbers in bulk.
"""

from __future__ import annotations

from itertools import islice
from random import Random

from flyball.core.arrivals import RateCurve, arrivals

from .parts import DRAWS, Batch

CHUNK = 8192


class Traffic:
    """The requests of one service, a chunk at a time. `seed` gives the arrivals, `draws` the rest."""

    def __init__(self, curve: RateCurve, *, seed: int | str, draws: int | str) -> None:
        self._times = arrivals(curve, Random(seed).random)  # noqa: S311 - repeatable, not secret
        self._draw = Random(draws).random  # noqa: S311

    def more(self) -> Batch:
        """See `Arrivals`."""
        times = list(islice(self._times, CHUNK))
        return times, [self._draw() for _ in range(DRAWS * len(times))]
