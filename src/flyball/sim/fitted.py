"""How much of what it wants does an instance get on a busy machine? Found by trying: it is given the requests it had.

How long requests took when they had their instance to themselves says what they cost at a calm moment, not how they got
in each other's way when the machine had no core to spare. So the requests of the log come to a simulated instance when
they came, with several shares of the core that it wants, with and without the waiting that was seen of lone requests
(on a busy machine most of that is waiting for a core), all at once or one after the other (as a program with one thread
takes them, and one whose threads share a lock nearly so). What comes nearest to what was seen is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import log
from random import Random

from flyball.core.model import Size

from .measured_log import Row
from .numbers import NOTHING, Numbers, Source
from .parts import DRAWS, UNLIMITED, Batch, Kind, Rules, Served
from .plain_engine import PlainEngine
from .wards import station

GOT = (1.0, 0.85, 0.7, 0.55, 0.4, 0.3, 0.2)
SHARES = (0.5, 0.5, 0.5, 0.75, 0.9, 0.95)
"""The median counts most: half of the requests meet nobody."""
MOST, LEAST = 3_000, 300
"""So many requests are tried; with fewer nothing is."""
WORTH = 0.9
"""What is less simple is taken only if it comes so much nearer."""


@dataclass(slots=True)
class _AsLogged:
    """The requests of one instance, at the times at which they came."""

    batch: Batch

    def more(self) -> Batch:
        batch, self.batch = self.batch, ((), ())
        return batch


def fitted(numbers: Numbers, size: Size, instances: Sequence[Sequence[Row]]) -> tuple[Numbers, float | None]:
    """The numbers, their waiting adjusted, and the share that instances get; None where too little was seen."""
    tried = _enough(instances)
    seen = sorted(row.took_s for rows in tried for row in rows)
    if len(seen) < LEAST:
        return numbers, None
    best, chosen, found = float("inf"), numbers, GOT[0]
    for share, one in product(GOT, _kinds(numbers)):
        off = _off(seen, sorted(_took(one, size, tried, share)))
        if off < WORTH * best:
            best, chosen, found = off, one, share
    return chosen, found


def _kinds(numbers: Numbers) -> list[Numbers]:
    """The simplest first."""
    one_by_one = replace(numbers, workers=1, sources=(*numbers.sources, ("workers", Source.MEASURED)))
    servers = [numbers, one_by_one] if numbers.workers >= UNLIMITED else [numbers]
    return [each for one in servers for each in (one, _without_waiting(one))]


def _without_waiting(numbers: Numbers) -> Numbers:
    releases = tuple(replace(one, wait=NOTHING, routes=()) for one in numbers.releases)
    return replace(numbers, wait=NOTHING, routes=(), releases=releases)


def _enough(instances: Sequence[Sequence[Row]]) -> list[Sequence[Row]]:
    found: list[Sequence[Row]] = []
    left = MOST
    for rows in sorted(instances, key=len, reverse=True):
        found.append(sorted(rows[:left], key=lambda row: row.at))
        left -= len(found[-1])
    return [rows for rows in found if rows]


def _took(numbers: Numbers, size: Size, instances: Sequence[Sequence[Row]], share: float) -> list[float]:
    draw = Random(0).random  # noqa: S311 - repeatable, not secret
    took: list[float] = []
    for rows in instances:
        begun = rows[0].at
        times = [row.at - begun for row in rows]
        ends: list[Served] = []
        draws = [draw() for _ in range(DRAWS * len(times))]
        engine = PlainEngine(_AsLogged((times, draws)), [Kind(work=numbers.work, wait=numbers.wait)], Rules(), log=ends)
        engine.route(engine.add(station(numbers, size, draw()), now=0.0), open=True, weight=1.0, now=0.0)
        engine.machine(0.0, 0.0, least=share, now=0.0)
        engine.run(times[-1] + 60.0)
        took += [end.at - times[end.number] for end in ends]
    return took


def _off(seen: list[float], took: list[float]) -> float:
    """How far apart the quantiles are: the mean of the logarithms of their ratios.

    Not of their squares: a few that somebody stood in the way of must not make all the others slow.
    """
    if not took:
        return float("inf")
    pairs = [(seen[int(share * len(seen))], took[int(share * len(took))]) for share in SHARES]
    return sum(abs(log(max(ours, 1e-6) / max(real, 1e-6))) for real, ours in pairs) / len(pairs)
