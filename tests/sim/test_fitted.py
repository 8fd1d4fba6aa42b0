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


def logged(cores: float, *, count: int, wait: float) -> list[Row]:
    """What the log of an instance says that gets so many cores."""
    draw, at, times, ends = Random(2), 0.0, [], []
    for _ in range(count):
        at += draw.expovariate(40.0)
        times.append(at)
    kinds = [Kind(work=NUMBERS.work, wait=constant(wait))]
    engine = PlainEngine(Given(times, [draw.random() for _ in times]), kinds, Rules(), log=ends)
    engine.route(engine.add(station(NUMBERS, SIZE, 0.3), now=0.0), open=True, weight=1.0, now=0.0)
    engine.machine(cores, 0.0, now=0.0)
    engine.run(at + 60)
    return [Row(times[end.number], end.at - times[end.number], "/") for end in ends]


@pytest.mark.parametrize(("cores", "wait"), [(2.0, 0.006), (0.5, 0.0), (0.35, 0.006)])
def test_the_cores_that_instances_got_are_found(cores, wait):
    numbers, found = fitted(NUMBERS, SIZE, [logged(cores, count=3_000, wait=wait)])

    assert found == cores
    assert numbers.wait == (constant(0.006) if wait else (0.0, 0.0))


def test_a_few_requests_tell_nothing():
    assert fitted(NUMBERS, SIZE, [logged(0.35, count=200, wait=0.0)]) == (NUMBERS, None)
