"""The engine against what queueing theory knows exactly: fixed seeds, five standard errors of batch means."""

from __future__ import annotations

from math import sqrt
from random import Random
from statistics import fmean, stdev

import pytest

from flyball.core.model import BalancingAlgorithm
from flyball.sim.parts import Kind, Rules, Station
from flyball.sim.plain_engine import PlainEngine
from sim.stations import AS_IT_IS, Given, served

REQUESTS = 60_000
BATCHES = 30
WARM_UP = 3_000


def poisson(rate: float, seed: int) -> list[float]:
    draw, at, times = Random(seed), 0.0, []
    for _ in range(REQUESTS):
        at += draw.expovariate(rate)
        times.append(at)
    return times


def exponential(mean: float, seed: int) -> list[float]:
    draw = Random(seed)
    return [draw.expovariate(1 / mean) for _ in range(REQUESTS)]


def two_point(mean: float, seed: int) -> list[float]:
    """Nine in ten are short, one is long: the coefficient of variation is 2.1."""
    draw = Random(seed)
    return [mean * (7.3 if draw.random() < 0.1 else 0.3) for _ in range(REQUESTS)]


def agrees(values: list[float], exact: float) -> bool:
    """Whether the mean over batches lies within five standard errors of what is exact; and they are small."""
    size = (len(values) - WARM_UP) // BATCHES
    means = [fmean(values[WARM_UP + size * batch :][:size]) for batch in range(BATCHES)]
    error = stdev(means) / sqrt(BATCHES)
    assert error < 0.1 * exact, "too few requests to tell"
    return abs(fmean(means) - exact) < 5 * error


def erlang_c(offered: float, servers: int) -> float:
    """The share of requests that wait, of M/M/c."""
    blocked = 1.0
    for count in range(1, servers + 1):
        blocked = offered * blocked / (count + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


def latencies(times, ends) -> list[float]:
    return [end.at - time for time, end in zip(times, ends, strict=True)]


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_one_worker_is_m_m_1(load):
    times, works = poisson(load, 1), exponential(1.0, 2)
    _, ends = served(times, works, Station(workers=1))

    assert agrees(latencies(times, ends), 1 / (1 - load))


@pytest.mark.parametrize(("servers", "load"), [(2, 0.7), (8, 0.85)])
def test_several_workers_are_m_m_c(servers, load):
    times, works = poisson(load * servers, 3), exponential(1.0, 4)
    _, ends = served(times, works, Station(workers=servers, peak=servers, cores=servers))
    waits = [latency - work for latency, work in zip(latencies(times, ends), works, strict=True)]

    waiting = erlang_c(load * servers, servers)
    assert agrees(waits, waiting / (servers - load * servers))
    assert agrees([float(wait > 1e-9) for wait in waits], waiting)


def test_least_outstanding_over_single_workers_lies_between_one_line_and_chance():
    """Joining the shortest of four lines is worse than one common line (M/M/4), far better than four of M/M/1."""
    times, works = poisson(0.8 * 4, 5), exponential(1.0, 6)
    least = BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS
    _, ends = served(times, works, *[Station(workers=1)] * 4, algorithm=least)

    common = 1 + erlang_c(3.2, 4) / (4 - 3.2)
    assert common < fmean(latencies(times, ends)) < 0.6 * (1 / (1 - 0.8))


@pytest.mark.parametrize("works", [exponential, two_point])
@pytest.mark.parametrize("load", [0.5, 0.8])
def test_sharing_is_m_g_1_ps_which_knows_only_the_mean(works, load):
    times, sizes = poisson(load, 7), works(1.0, 8)
    _, ends = served(times, sizes, Station())

    assert agrees(latencies(times, ends), 1 / (1 - load))


def test_a_small_share_is_a_slow_processor():
    """A quarter of a core that saves nothing serves as a whole one with four times the work."""
    times, works = poisson(0.15, 9), exponential(1.0, 10)
    _, ends = served(times, works, Station(cores=0.25, saved_s=0.0))

    assert agrees(latencies(times, ends), 4 / (1 - 0.6))


def test_what_is_saved_is_spent_at_full_speed():
    """One core second saved: a request of 0.8 s takes 0.8 s, the next one gets what is left and then the share."""
    _, ends = served([0.0, 0.8], [0.8, 1.0], Station(cores=0.25, saved_s=0.6))

    # 0.8 s at full speed spend 0.6 of the saved 0.6 (a quarter comes in beside): nothing is left at 0.8 s.
    assert ends[0].at == pytest.approx(0.8)
    assert ends[1].at == pytest.approx(0.8 + 1.0 / 0.25)


def test_a_slice_that_is_spent_stands_still_until_the_next():
    """A quarter of a core in slices of 100 ms: 25 ms at full speed, then 75 ms of nothing; twice that after a rest."""
    station = Station(cores=0.25, saved_s=0.05, slice_s=0.1, slice_at=0.1)
    _, ends = served([0.0, 1.02], [0.12, 0.06], station)

    # 50 ms are saved; 25 more come at 100 and 200 ms, the rest of 20 ms at 300 ms.
    assert ends[0].at == pytest.approx(0.32)
    # A rest has saved 50 ms again; the other 10 wait for 1.1 s.
    assert ends[1].at == pytest.approx(1.11)


def test_a_machine_shares_its_cores_evenly():
    """Three stations and a starting program want four cores of two: each gets half of one."""
    engine = PlainEngine(Given([0.0] * 3, [1.0] * 3), [Kind(work=AS_IT_IS)], Rules(), log=(log := []))
    for _ in range(3):
        engine.route(engine.add(Station(), now=0.0), open=True, weight=1.0, now=0.0)
    engine.machine(2.0, 1.0, now=0.0)
    engine.run(1.0)
    engine.machine(2.0, 0.0, now=1.0)
    engine.run(10.0)

    assert [end.at for end in log] == pytest.approx([1.0 + 0.5 / (2 / 3)] * 3)


def test_round_robin_makes_erlang_arrivals():
    """Of two instances each gets every second request: E2/M/1, whose root is known in closed form."""
    load = 0.7
    times, works = poisson(2 * load, 11), exponential(1.0, 12)
    _, ends = served(times, works, Station(workers=1), Station(workers=1))

    # sigma = ((2 load)/(2 load + 1 - sigma))^2, by fixed-point iteration.
    sigma, rate = 0.5, 2 * load
    for _ in range(200):
        sigma = (rate / (rate + 1 - sigma)) ** 2
    assert agrees(latencies(times, ends), 1 / (1 - sigma))


def test_littles_law():
    """The mean number inside, over time, is the rate times the mean latency: exactly, once the system is empty."""
    times, works = poisson(0.8, 13), exponential(1.0, 14)
    _, ends = served(times, works, Station(workers=1))
    changes = sorted([(time, 1) for time in times] + [(end.at, -1) for end in ends])
    inside, area, before = 0, 0.0, 0.0
    for at, change in changes:
        area += inside * (at - before)
        inside, before = inside + change, at

    assert area / before == pytest.approx(len(times) / before * fmean(latencies(times, ends)))


def test_the_processor_time_is_the_work():
    times, works = poisson(0.6, 15), exponential(1.0, 16)
    engine, _ = served(times, works, Station(), Station(cores=0.5, saved_s=0.1))

    assert engine.use(0).cpu_s + engine.use(1).cpu_s == pytest.approx(sum(works))
