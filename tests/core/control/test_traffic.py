"""Shares of traffic and the weights that make them."""

from __future__ import annotations

import pytest

from builders import deployment, instance, rollout, state
from flyball.core.control.routing import targets
from flyball.core.control.state import Lifecycle, RolloutPhase
from flyball.core.control.traffic import first_percent, kept_old, next_step, wanted_new, weights
from flyball.core.model import Strategy

CANARY, LINEAR, ROLLING = Strategy.CANARY, Strategy.LINEAR, Strategy.ROLLING


@pytest.mark.parametrize("percent", [1.0, 5.0, 10.0, 33.3, 50.0, 66.0, 90.0])
@pytest.mark.parametrize(("new", "old"), [(1, 1), (1, 2), (1, 9), (3, 4), (10, 10)])
def test_weights_come_close_to_the_share(percent, new, old):
    heavy, light = weights(percent, new, old)
    assert 1 <= min(heavy, light) <= max(heavy, light) <= 128
    share = 100 * new * heavy / (new * heavy + old * light)
    assert share == pytest.approx(percent, abs=0.4)


@pytest.mark.parametrize(("percent", "new", "old"), [(0.0, 1, 1), (100.0, 1, 1), (50.0, 0, 3), (50.0, 3, 0)])
def test_no_split_no_weights(percent, new, old):
    assert weights(percent, new, old) == (1, 1)


def test_a_share_beyond_what_weights_can_is_as_close_as_they_can():
    assert weights(0.1, 1, 1) == (1, 128)
    assert weights(99.9, 1, 1) == (128, 1)


@pytest.mark.parametrize(
    ("desired", "percent", "new", "old"), [(10, 10, 1, 9), (2, 10, 1, 2), (4, 50, 2, 2), (3, 100, 3, 0)]
)
def test_instances_for_a_share(desired, percent, new, old):
    going = rollout(strategy=CANARY, percent=float(percent))
    assert (wanted_new(going, desired), kept_old(going, desired)) == (new, old)


def test_nothing_wanted_needs_no_canary():
    assert wanted_new(rollout(strategy=CANARY, percent=10.0), 0) == 0


def test_first_shares():
    rules = deployment(step_percent=10.0)
    assert [first_percent(one, rules) for one in Strategy] == [100.0, 0.0, 10.0, 10.0]


def test_a_step_waits_for_its_instances_and_its_time():
    rules = deployment(step_percent=40.0, step_interval_s=10.0)
    going = rollout(strategy=LINEAR, percent=40.0)

    def at(now: float, healthy: int):
        nonlocal going
        going = next_step(going, rules, healthy=healthy, desired=5, now=now)
        return (going.percent, going.step_reached)

    assert at(1.0, 1) == (40.0, False)
    assert at(2.0, 2) == (40.0, True)
    assert at(9.0, 1) == (40.0, False)
    assert at(10.0, 2) == (40.0, True)
    assert at(19.0, 2) == (40.0, True)
    assert at(20.0, 2) == (80.0, False)
    assert at(21.0, 4) == (80.0, True)
    assert at(31.0, 4) == (100.0, False)
    assert at(99.0, 5) == (100.0, False)


def test_a_canary_takes_all_after_its_step():
    going = rollout(strategy=CANARY, percent=10.0, step_reached=True)
    assert next_step(going, deployment(), healthy=1, desired=5, now=60.0).percent == 100.0
    rolling = rollout(strategy=ROLLING)
    assert next_step(rolling, deployment(), healthy=1, desired=5, now=60.0) is rolling


def test_weights_only_while_a_canary_runs():
    rows = [instance(1), instance(2), instance(3, release=2)]
    running = rollout(strategy=CANARY, percent=10.0)
    assert [one.weight for one in targets(state(*rows, rollout=running), "web")] == [9, 9, 2]
    back = rollout(strategy=CANARY, percent=10.0, phase=RolloutPhase.STALLED)
    assert [one.weight for one in targets(state(*rows, rollout=back), "web")] == [1, 1, 1]


def test_who_is_a_target():
    rows = [
        instance(1),
        instance(2, lifecycle=Lifecycle.DRAINING),
        instance(3, lifecycle=Lifecycle.TERMINATING),
        instance(4, shadow=True),
        instance(5, ready_at=None),
    ]
    assert [(one.instance, one.draining) for one in targets(state(*rows), "web")] == [("web-1", False), ("web-2", True)]


def test_the_old_set_is_kept_out_of_traffic_while_blue_green_bakes():
    rows = [instance(1), instance(2, release=2)]
    baking = rollout(strategy=Strategy.BLUE_GREEN, phase=RolloutPhase.BAKING)
    assert [one.draining for one in targets(state(*rows, rollout=baking), "web")] == [True, False]
