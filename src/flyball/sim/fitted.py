"""How much of a busy machine do instances get? Found by trying: each instance is given the requests that it had.

How long requests took when they had their instance to themselves says what they cost at a calm moment, not how they got
in each other's way when the machine had no core to spare. So the requests of the log come to a simulated instance when
they came, with several amounts of cores, with and without the waiting that was seen of lone requests (on a busy machine
most of that is waiting for a core). What comes nearest to what was seen is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log
from random import Random

from flyball.core.model import Size

from .measured_log import Row
from .numbers import NOTHING, Numbers
from .parts import DRAWS, Batch, Kind, Rules, Served
from .plain_engine import PlainEngine
from .wards import station

CORES = (2.0, 1.0, 0.7, 0.5, 0.35, 0.25, 0.18)
SHARES = (0.5, 0.75, 0.9, 0.95)
MOST, LEAST = 6_000, 300
"""So many requests are tried; with fewer nothing is."""
WORTH = 0.9
"""Fewer cores are taken only if they come so much nearer."""


@dataclass(slots=True)
class _AsLogged:
    """The requests of one instance, at the times at which they came."""

    batch: Batch

    def more(self) -> Batch:
        batch, self.batch = self.batch, ((), ())
        return batch


def fitted(numbers: Numbers, size: Size, instances: Sequence[Sequence[Row]]) -> tuple[Numbers, float | None]:
    """The numbers, their waiting adjusted, and the cores that instances get; None where too little was seen."""
    tried = _enough(instances)
    seen = sorted(row.took_s for rows in tried for row in rows)
    if len(seen) < LEAST:
        return numbers, None
    best, chosen, found = float("inf"), numbers, CORES[0]
    for cores in CORES:
        for one in (numbers, replace(numbers, wait=NOTHING, routes=())):
            off = _off(seen, sorted(_took(one, size, tried, cores)))
            if off < WORTH * best:
                best, chosen, found = off, one, cores
    return chosen, found


def _enough(instances: Sequence[Sequence[Row]]) -> list[Sequence[Row]]:
    found: list[Sequence[Row]] = []
    left = MOST
    for rows in sorted(instances, key=len, reverse=True):
        found.append(sorted(rows[:left], key=lambda row: row.at))
        left -= len(found[-1])
    return [rows for rows in found if rows]


def _took(numbers: Numbers, size: Size, instances: Sequence[Sequence[Row]], cores: float) -> list[float]:
    draw = Random(0).random  # noqa: S311 - repeatable, not secret
    took: list[float] = []
    for rows in instances:
        begun = rows[0].at
        times = [row.at - begun for row in rows]
        ends: list[Served] = []
        draws = [draw() for _ in range(DRAWS * len(times))]
        engine = PlainEngine(_AsLogged((times, draws)), [Kind(work=numbers.work, wait=numbers.wait)], Rules(), log=ends)
        engine.route(engine.add(station(numbers, size, draw()), now=0.0), open=True, weight=1.0, now=0.0)
        engine.machine(cores, 0.0, now=0.0)
        engine.run(times[-1] + 60.0)
        took += [end.at - times[end.number] for end in ends]
    return took


def _off(seen: list[float], took: list[float]) -> float:
    """How far apart the quantiles are: the mean square of the logarithm of their ratios."""
    if not took:
        return float("inf")
    pairs = [(seen[int(share * len(seen))], took[int(share * len(took))]) for share in SHARES]
    return sum(log(max(ours, 1e-6) / max(real, 1e-6)) ** 2 for real, ours in pairs) / len(pairs)
