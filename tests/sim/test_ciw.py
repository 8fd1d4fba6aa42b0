"""Another simulator on small cases: both means lie within the other's confidence."""

from __future__ import annotations

import warnings
from math import sqrt
from random import Random
from statistics import fmean, stdev

import pytest

from flyball.core.model import BalancingAlgorithm
from flyball.sim.parts import Station
from sim.stations import served

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ciw

ARRIVALS = 2_000
RUNS = 12


def ours(rate: float, stations: list[Station], algorithm: BalancingAlgorithm) -> list[float]:
    means = []
    for seed in range(RUNS):
        draw, at, times = Random(seed), 0.0, []
        for _ in range(ARRIVALS):
            at += draw.expovariate(rate)
            times.append(at)
        works = [draw.expovariate(1.0) for _ in times]
        _, ends = served(times, works, *stations, algorithm=algorithm)
        means.append(fmean(end.at - time for time, end in zip(times, ends, strict=True)))
    return means


def theirs(rate: float, servers: list[int], router) -> list[float]:
    means, count = [], len(servers)
    for seed in range(RUNS):
        ciw.seed(seed)
        nothing = [None] * count
        network = ciw.create_network(
            arrival_distributions=[ciw.dists.Exponential(rate=rate), *nothing],
            service_distributions=[ciw.dists.Deterministic(value=0.0)] + [ciw.dists.Exponential(rate=1.0)] * count,
            number_of_servers=[float("inf"), *servers],
            routing=ciw.routing.NetworkRouting(routers=[router, *[ciw.routing.Leave()] * count]),
        )
        run = ciw.Simulation(network)
        run.simulate_until_max_customers(ARRIVALS, method="Finish")
        means.append(fmean(one.waiting_time + one.service_time for one in run.get_all_records() if one.node > 1))
    return means


CASES = {
    "two lines of one worker, in turns": (
        1.4,
        [Station(workers=1)] * 2,
        BalancingAlgorithm.ROUND_ROBIN,
        ciw.routing.Cycle(cycle=[2, 3]),
    ),
    "three lines of two workers, the shortest": (
        4.2,
        [Station(workers=2, peak=2, cores=2)] * 3,
        BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS,
        ciw.routing.JoinShortestQueue(destinations=[2, 3, 4], tie_break="random"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_ciw_agrees(case):
    rate, stations, algorithm, router = CASES[case]
    a = ours(rate, stations, algorithm)
    b = theirs(rate, [station.workers for station in stations], router)

    error = sqrt((stdev(a) ** 2 + stdev(b) ** 2) / RUNS)
    assert error < 0.1 * fmean(a)
    assert abs(fmean(a) - fmean(b)) < 4 * error
