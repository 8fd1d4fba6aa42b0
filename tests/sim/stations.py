"""What the tests of the simulator share."""

from __future__ import annotations

from random import Random

from flyball.core.model import BalancingAlgorithm
from flyball.sim.parts import Kind, Rules, Served, Station
from flyball.sim.plain_engine import PlainEngine

AS_IT_IS = (0.0, 1.0)
"""A table from which a draw is drawn as it is."""


class Given:
    """Arrivals whose times and works are known beforehand."""

    def __init__(self, times, works, *, seed=0):
        choose = Random(seed).random
        self._batch = (list(times), [part for work in works for part in (work, 0.5, choose())])

    def more(self):
        batch, self._batch = self._batch, ([], [])
        return batch


def served(times, works, *stations: Station, algorithm=BalancingAlgorithm.ROUND_ROBIN, engine=PlainEngine, **rest):
    """How every request ended, by its number, at such stations."""
    log: list[Served] = []
    one = engine(Given(times, works), [Kind(work=AS_IT_IS)], Rules(algorithm=algorithm, connections=1 << 30), log=log)
    for station in stations:
        slot = one.add(station, now=0.0)
        one.route(slot, open=True, weight=1.0, now=0.0)
    one.run(1e12)
    return one, sorted(log, key=lambda end: end.number)
