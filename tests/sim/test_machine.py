"""One machine for all instances: what others leave of it, programs that start, and a machine that stands still."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flyball.core.arrivals import parse_stages
from flyball.core.manifest import parse
from flyball.sim import ASSUMED, Machine, Plan, Rehearsal, Result

FILE = """
name = "shop"
[services.web]
run = "serve"
routes = ["/"]
size = { cpu = 0.5, memory = "64MB" }
instances = { min = 3, max = 3 }
"""
ROOMY = Machine(cores=4.0, background=0.2, request_s=0.0002, starting=0.5)


def rehearsed(machine: Machine | None, stages="150:40s", **changes) -> Result:
    app = parse(FILE)
    return Rehearsal(
        Plan(
            app=app,
            curve=parse_stages(stages),
            seed=1,
            numbers={"web": ASSUMED},
            shares={"web": 1.0},
            machine=machine,
            **changes,
        )
    ).run()


def p99(result: Result) -> float:
    found = result.latency_ms()["p99"]
    assert found is not None
    return found


def test_a_roomy_machine_is_as_none():
    assert p99(rehearsed(ROOMY)) == pytest.approx(p99(rehearsed(None)), rel=0.05)


def test_what_others_use_makes_requests_slow():
    assert p99(rehearsed(replace(ROOMY, cores=1.0, background=0.8))) > 1.5 * p99(rehearsed(ROOMY))


def test_what_others_use_comes_in_the_order_in_which_it_was_measured():
    bursts = replace(ROOMY, cores=2.0, background=0.8, seconds=(0.0,) * 30 + (3.2,) * 10, least=0.3)

    assert p99(rehearsed(bursts)) > 1.2 * p99(rehearsed(replace(bursts, seconds=())))


def test_a_machine_that_stands_still_makes_a_few_requests_very_slow():
    still = rehearsed(replace(ROOMY, stall=(0.0,) * 9 + (0.3, 0.3)))
    usual = rehearsed(ROOMY)

    assert p99(still) > 100 > p99(usual)
    assert still.latency_ms()["p50"] == pytest.approx(usual.latency_ms()["p50"], rel=0.1)
    assert still.requests == usual.requests
    assert still.failed == 0
