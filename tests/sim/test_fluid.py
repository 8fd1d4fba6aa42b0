"""The fluid against what must be, and against the engines that it stands for."""

from __future__ import annotations

import pytest

from builders import application, service, tracking
from flyball.core.arrivals import RateCurve, Stage
from flyball.sim import ASSUMED, Plan, Rehearsal
from flyball.sim.fluid import fluid
from flyball.sim.numbers import constant
from flyball.sim.parts import Kind, Rules, Station


def engine(*stages: tuple[float, float], rules: Rules | None = None, failing: float = 0.0):
    """One open instance that serves 100 requests a second."""
    curve = RateCurve(stages=tuple(Stage(rate=rate, duration_s=lasts) for rate, lasts in stages))
    made = fluid(curve, 0, "", [Kind(work=constant(0.01), failing=failing)], rules or Rules(timeout_s=60.0))
    made.route(made.add(Station(), now=0.0), open=True, weight=1.0, now=0.0)
    return made


def test_what_comes_is_served_and_uses_the_processor():
    one = engine((50.0, 10.0))
    one.run(10.0)
    use = one.use(0)

    assert one.totals() == (500, 500, 0)
    assert (use.sent, use.answered, use.errors) == (500, 500, 0)
    assert use.cpu_s == pytest.approx(5.0)
    assert one.use(0).cpu_s == 0


def test_what_is_too_much_waits_and_is_served_later():
    one = engine((150.0, 10.0), (0.0, 10.0))
    one.run(10.0)

    assert one.totals()[1] == pytest.approx(1_000, abs=1)
    assert one.backlog_s(0) == pytest.approx(5.0)
    one.run(16.0)
    assert one.totals() == (1_500, 1_500, 0)
    assert one.backlog_s(0) == 0


def test_nobody_waits_longer_than_the_balancer_lets_it():
    one = engine((200.0, 20.0), rules=Rules(timeout_s=5.0))
    one.run(20.0)
    came, well, failed = one.totals()

    assert came == 4_000
    assert well == pytest.approx(2_000, abs=1)
    assert failed == pytest.approx(1_500, abs=1)
    assert one.backlog_s(0) == pytest.approx(5.0)


def test_a_queue_takes_so_many():
    one = engine((200.0, 20.0), rules=Rules(timeout_s=60.0, concurrency=10, queue=100))
    one.run(20.0)

    assert one.queued() == 100
    assert one.totals()[2] == pytest.approx(4_000 - 2_000 - 110, abs=1)


def test_without_an_instance_everything_fails():
    one = engine((50.0, 10.0))
    one.run(2.0)
    one.remove(0, now=2.0)
    one.run(10.0)

    assert one.totals() == (500, 100, 400)


def test_an_instance_that_is_slowed_down_or_answers_wrongly():
    slow, wrong = engine((80.0, 10.0)), engine((50.0, 10.0), failing=0.1)
    slow.pace(0, 0.5, now=0.0)
    slow.run(10.0)
    wrong.run(10.0)
    wrong.fail(0, 1.0)

    assert slow.totals()[1] == pytest.approx(500, abs=1)
    assert wrong.totals() == (500, 450, 50)
    assert wrong.use(0).errors == pytest.approx(50, abs=1)


def test_a_machine_has_only_so_many_cores():
    one = engine((100.0, 10.0))
    one.machine(0.5, 0.0, now=0.0)
    one.run(5.0)
    alone = one.totals()[1]
    one.machine(0.5, 1.0, now=5.0)
    one.run(10.0)

    assert alone == pytest.approx(250, abs=1)
    assert one.totals()[1] - alone == pytest.approx(125, abs=1)  # a quarter of what it wants


def test_it_counts_the_same_in_both_histograms():
    one = engine((90.0, 50.0))
    one.run(50.0)

    assert sum(one.fine()) == pytest.approx(4_500, abs=10)
    assert sum(one.coarse()) == pytest.approx(4_500, abs=10)
    assert one.load(0) == pytest.approx(9, abs=1)  # M/M/1 with 0.9 in use: 9 on average
    assert sum(one.fine()) < 10


def test_scaled_by_it_a_service_uses_the_hours_that_it_uses_with_requests():
    """The loop, the starts and the checks are the same; but chance, which a fluid has not, keeps some in service."""
    app = application(service(scaling=tracking(), low=1, high=10))
    curve = RateCurve(stages=tuple(Stage(rate=rate, duration_s=60.0) for rate in (40.0, 160.0, 240.0, 80.0, 40.0)))
    plan = Plan(app=app, curve=curve, seed=1, numbers={"web": ASSUMED}, shares={"web": 1.0})
    amounts, requests = Rehearsal(plan, make=fluid).run(), Rehearsal(plan).run()

    assert 0.75 * requests.hours["web"] <= amounts.hours["web"] <= 1.02 * requests.hours["web"]
    assert amounts.requests == pytest.approx(requests.requests, rel=0.02)
