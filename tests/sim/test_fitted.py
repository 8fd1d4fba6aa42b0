"""How much of a busy machine instances get is found again from what their requests took."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from flyball.core.model import Size
from flyball.sim.fitted import fitted
from flyball.sim.measured_log import Row
from flyball.sim.numbers import ASSUMED, constant, lognormal
from flyball.sim.parts import Kind, Rules
from flyball.sim.plain_engine import PlainEngine
from flyball.sim.wards import station
from sim.stations import Given

NUMBERS = replace(ASSUMED, work=lognormal(0.004, 0.5), wait=constant(0.006))
SIZE = Size(cpu=0.25)


def logged(share: float, *, count: int, wait: float, numbers=NUMBERS) -> list[Row]:
    """What the log of an instance says that gets so much of a core."""
    draw, at, times, ends = Random(2), 0.0, [], []
    for _ in range(count):
        at += draw.expovariate(40.0)
        times.append(at)
    kinds = [Kind(work=NUMBERS.work, wait=constant(wait))]
    engine = PlainEngine(Given(times, [draw.random() for _ in times]), kinds, Rules(), log=ends)
    engine.route(engine.add(station(numbers, SIZE, 0.3), now=0.0), open=True, weight=1.0, now=0.0)
    engine.machine(0.0, 0.0, least=share, now=0.0)
    engine.run(at + 60)
    return [Row(times[end.number], end.at - times[end.number], "/") for end in ends]


@pytest.mark.parametrize(("share", "wait"), [(1.0, 0.006), (0.55, 0.0), (0.4, 0.006)])
def test_the_share_that_instances_got_is_found(share, wait):
    numbers, found = fitted(NUMBERS, SIZE, [logged(share, count=3_000, wait=wait)])

    assert found == share
    assert numbers.wait == (constant(0.006) if wait else (0.0, 0.0))
    assert numbers.workers == NUMBERS.workers


def test_a_server_that_takes_one_after_the_other_is_known_by_its_waits():
    seen = logged(1.0, count=3_000, wait=0.006, numbers=replace(NUMBERS, workers=1))

    assert fitted(NUMBERS, SIZE, [seen])[0].workers == 1


def test_a_few_requests_tell_nothing():
    assert fitted(NUMBERS, SIZE, [logged(0.35, count=200, wait=0.0)]) == (NUMBERS, None)
