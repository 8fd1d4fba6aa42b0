"""The policy `adaptive`: what one request takes, how many instances that needs, bursts that come again, and panic."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from builders import application, instance, launching, seen, service, state
from core.control.situations import decision, situation, why
from flyball.core.control.glance import Glance
from flyball.core.control.memory import AdaptiveMemory, Burst, Memory, Wish
from flyball.core.control.observation import InstanceSample
from flyball.core.control.reasons import ReasonKind
from flyball.core.control.scaling import ahead, bursts, staffing
from flyball.core.control.scaling.decide import Decision, at_once
from flyball.core.control.step import step
from flyball.core.control.windows import Rates, Windows
from flyball.core.model import Adaptive, Hpa, Metric, Scaling

RULE = Adaptive(metric=Metric.P99, threshold=200.0)
SCALING = Scaling(adaptive=RULE)
KNOWN = AdaptiveMemory(busy=10.0, requests=1000.0)  # 10 ms of an instance each


def decided(rate: float | list[float | None], desired: int, memory: AdaptiveMemory = KNOWN, **rest) -> Decision:
    offered = rate if isinstance(rate, list) else [rate] * 60
    measured = {Metric.OFFERED: offered, Metric.CONCURRENCY: rest.pop("in_flight", 1.0)}
    measured[Metric.P99] = rest.pop("p99", 20.0)
    return decision(SCALING, measured, desired=desired, memory=Memory(adaptive=memory), **rest)


def windows(cpu: float, in_flight: float, rate: float, count: int = 2, **rest) -> Windows:
    series = situation(SCALING, {Metric.CPU: cpu, Metric.CONCURRENCY: in_flight}, desired=count).windows
    return replace(series, rates=Rates(requests_per_s=rate, errors_per_s=0.0), **rest)


def test_what_a_request_takes_is_the_processor_time_of_one():
    memory = staffing.counted(AdaptiveMemory(), windows(50.0, 2.0, 100.0), None)
    assert staffing.takes_s(memory) == pytest.approx(0.01)
    assert staffing.takes_s(AdaptiveMemory(busy=1.0, requests=1.0)) is None


def test_what_waits_for_others_takes_its_place():
    memory = staffing.counted(AdaptiveMemory(), windows(2.0, 12.0, 100.0, waiting=4), 8)
    assert staffing.takes_s(memory) == pytest.approx(8 / 8 / 100)


def test_a_datapoint_with_instances_that_nobody_measured_does_not_count():
    assert staffing.counted(KNOWN, windows(50.0, 2.0, 100.0, instances=1.0), None) is KNOWN
    assert staffing.counted(KNOWN, Windows(), None) is KNOWN


@pytest.mark.parametrize(
    ("rate", "takes", "count"), [(0.0, 0.01, 1), (10.0, 0.01, 1), (50.0, 0.01, 1), (400.0, 0.01, 5)]
)
def test_quick_requests_fill_instances(rate: float, takes: float, count: int):
    assert staffing.needed(RULE, rate, takes) == count


def test_long_requests_need_more_than_they_fill():
    assert staffing.needed(RULE, 40.0, 0.1) > 5
    assert staffing.needed(replace(RULE, metric=Metric.P50), 40.0, 0.1) == 5


def test_it_goes_to_what_is_offered_at_once_and_says_so():
    made = decided(400.0, 1)
    assert (made.desired, made.kind, made.text) == (5, ReasonKind.SCALE_OUT, "5: 400/s now, one request takes 10 ms")


def test_a_jump_is_followed_at_once_and_noise_is_not():
    assert decided([100.0] * 59 + [400.0], 2).text.startswith("5: 400/s now")
    seen = ahead.averages(situation(SCALING, {Metric.OFFERED: [100.0] * 56 + [105.0] * 4}, desired=1).windows)
    assert seen is not None
    assert (seen.fast, seen.now) == (105.0, seen.slow)


def test_what_waits_is_worked_off_too():
    made = decided(400.0, 5, in_flight=640.0)
    assert (made.desired, made.text) == (7, "7: 400/s now, 600 wait, one request takes 10 ms")


def test_it_goes_where_the_load_will_be_when_an_instance_has_started():
    climbs = replace(KNOWN, together=20_000.0, deviation=10_000.0, spread=1.1, highest=500.0)
    made = decided([100.0] * 50 + [100.0 + 25 * second for second in range(10)], 3, climbs, start_s=4.0)
    assert (made.desired, made.text) == (5, "5: 287.5/s now, 419.6/s soon, one request takes 10 ms")


def test_the_forecast_learns_how_much_of_a_deviation_stays():
    points = [100.0] * 40 + [140.0] * 4 + [100.0] * 4 + [140.0] * 4
    windows = situation(SCALING, {Metric.OFFERED: points}, desired=1).windows
    now = ahead.averages(windows)
    assert now is not None
    memory = ahead.learned(KNOWN, windows, now, start_s=2.0, due=0.0)
    assert (memory.deviation > 0, memory.together < 0, memory.spread > 1.0) == (True, True, True)
    assert now.slow < ahead.forecast(memory, now) < now.fast
    assert ahead.forecast(replace(memory, together=-1e9), now) == now.slow
    assert ahead.forecast(replace(memory, together=1e9), now) > now.fast
    assert ahead.learned(memory, replace(windows, series=()), now, start_s=2.0, due=0.0) is memory
    below = ahead.Averages(newest=50.0, fast=50.0, slow=90.0)
    calm = ahead.learned(replace(KNOWN, spread=1.5, highest=190.0), windows, below, start_s=2.0, due=0.0)
    assert (1.49 < calm.spread < 1.5, 189.0 < calm.highest < 190.0) == (True, True)
    due = ahead.learned(KNOWN, windows, now, start_s=2.0, due=140.0)
    assert due.highest == 140.0
    assert due.spread < KNOWN.spread < memory.spread


def test_no_reserve_reaches_above_what_came_lately():
    swings = AdaptiveMemory(spread=2.0, highest=150.0)
    assert ahead.reserved(swings, 100.0) == 150.0 + 2 * 5.0
    assert ahead.reserved(swings, 50.0) == pytest.approx(100.0 + 2 * math.sqrt(12.5))
    assert ahead.reserved(swings, 196.0) == 196.0 + 2 * 7.0


def test_it_scales_in_to_the_largest_need_of_one_start_delay():
    wished = (Wish(at=85.0, count=8), Wish(at=97.0, count=4))
    made = decided(100.0, 9, replace(KNOWN, wished=wished))
    assert (made.desired, made.kind, made.text) == (4, ReasonKind.SCALE_IN, "4: 100/s now, one request takes 10 ms")
    slow = decided(100.0, 9, replace(KNOWN, wished=wished), start_s=30.0)
    assert slow.desired == 8


def test_it_never_goes_below_what_the_last_seconds_need():
    made = decided(400.0, 5)
    assert (made.desired, made.kind, made.holds) == (5, None, ())


def test_another_policy_cannot_go_below_it():
    both = replace(SCALING, hpa=Hpa(metric=Metric.CPU, target_value=50))
    series = {Metric.OFFERED: [400.0] * 60, Metric.CONCURRENCY: 1.0, Metric.CPU: 1.0}
    held = decision(both, series, desired=5, memory=Memory(adaptive=KNOWN))
    assert why(held) == "scale-in held: 5 are needed (5: 400/s now, one request takes 10 ms)"


def test_with_nothing_known_it_waits():
    unknown = decided(400.0, 2, AdaptiveMemory())
    assert (unknown.desired, unknown.kind) == (2, None)
    assert decided([None], 2).kind is None
    first = decided(1.0, 0, AdaptiveMemory(), low=0)
    assert (first.desired, first.text) == (1, "requests arrive and no instance runs")


def test_a_latency_that_is_late_without_reason_raises_the_need():
    late = decided(400.0, 5, p99=300.0)
    assert late.memory is not None
    assert late.memory.adaptive.strain == pytest.approx(1.05)
    assert late.desired == 6
    calm = decided(400.0, 6, late.memory.adaptive)
    assert calm.memory is not None
    assert 1.0 < calm.memory.adaptive.strain < 1.05


def test_an_objective_that_nothing_meets_is_said():
    made = decided(20.0, 1, p99=300.0)
    (hold,) = made.holds
    assert hold.text == "scale-out held: p99 is 300 ms, not < 200 ms, with 20% in use: more instances do not help"


def glanced(requests: int, in_flight: int, memory: AdaptiveMemory = KNOWN, desired: int = 1, **rest) -> Decision:
    at = situation(SCALING, {}, desired=desired, memory=Memory(adaptive=memory), **rest)
    return at_once(at, Glance(service="web", requests=requests, over_s=0.25, in_flight=in_flight))


def test_between_datapoints_a_crowd_scales_out_at_once():
    made = glanced(100, 50)
    assert (made.desired, made.text) == (5, "5: 400/s now, 42 wait, one request takes 10 ms")
    assert glanced(100, 8).kind is None
    assert glanced(60, 17).kind is None, "what is worked off in half of the objective is noise"
    assert glanced(60, 20).desired == 3
    assert glanced(100, 50, desired=5, running=1).kind is None
    unknown = glanced(100, 50, AdaptiveMemory())
    assert (unknown.desired, unknown.text) == (
        2,
        "42 requests wait and nothing is known about them yet: twice the instances",
    )


def test_what_was_wanted_at_once_is_kept_by_the_next_sample():
    made = glanced(100, 50)
    assert made.memory is not None
    kept = decided([100.0] * 59 + [150.0], 5, made.memory.adaptive)
    assert (kept.desired, kept.kind) == (5, None)


def test_a_step_between_two_samples_scales_out():
    app, one = application(service(scaling=SCALING)), replace(instance(), in_flight=60)
    before = state(one, memory=Memory(adaptive=KNOWN))
    glance = Glance(service="web", requests=100, over_s=0.25, in_flight=60)
    after = step(app, before, seen(one, glances=(glance,)), now=0.25)
    assert after.state.services[0].desired == 6
    assert step(app, before, seen(one), now=0.25).state.services[0].desired == 1
    started = replace(launching(2), launched_at=0.0, in_service_at=None)
    again = step(app, after.state, seen(one, started, glances=(glance,)), now=0.5)
    assert again.state.services[0].desired == 6


def test_a_sample_is_turned_into_instances():
    app, one = application(service(scaling=SCALING)), replace(instance(), in_flight=1)
    now, used = state(one), InstanceSample(id="web-1", cpu_percent=100.0, requests=100, answered=100)
    for second in range(1, 4):
        now = step(app, now, seen(one, sampled=True, samples=(used,)), now=float(second)).state
    assert now.services[0].desired == 2
    assert now.services[0].memory.adaptive.requests > 0


# Bursts


def flow(memory: AdaptiveMemory, rates: list[float], began: float) -> AdaptiveMemory:
    for second, rate in enumerate(rates):
        memory = bursts.counted(memory, rate, over_s=4.0, period_s=1.0, now=began + second)
    return memory


BURST = [100.0] * 60 + [400.0] * 30 + [100.0] * 60


def test_a_burst_is_expected_again_an_hour_a_day_and_a_week_later():
    memory = flow(AdaptiveMemory(), BURST, 0.0)
    assert [(one.cycle_s, one.next_at, one.times) for one in memory.bursts] == [
        (cycle_s, 58.0 + cycle_s, 4.0) for cycle_s in bursts.CYCLES_S[1:]
    ]
    assert bursts.expected(memory, start_s=5.0, now=3600.0) == (0.0, 0.0)
    rate, at = bursts.expected(memory, start_s=5.0, now=3655.0)
    assert (rate, at) == (pytest.approx(400.0), 3658.0)
    assert bursts.expected(memory, start_s=5.0, now=3675.0) == (0.0, 0.0)
    made = decided(100.0, 2, replace(memory, busy=10.0, requests=1000.0), now=3655.0)
    assert (made.desired, made.text) == (5, "5: 100/s now, 400/s expected at 01:00, one request takes 10 ms")


def test_one_that_comes_again_is_kept_and_one_that_does_not_is_forgotten():
    memory = flow(AdaptiveMemory(), BURST, 0.0)
    again = flow(memory, BURST, 3600.0)
    hour = next(one for one in again.bursts if one.cycle_s == bursts.HOUR_S)
    assert (hour.came, hour.missed, hour.next_at) == (2, 0, 58.0 + 2 * 3600.0)
    silent = flow(again, [100.0] * 200, 2 * 3600.0)
    hour = next(one for one in silent.bursts if one.cycle_s == bursts.HOUR_S)
    assert (hour.came, hour.missed, hour.next_at) == (2, 1, 58.0 + 3 * 3600.0)
    gone = flow(silent, [100.0] * 200, 3 * 3600.0)
    assert not [one for one in gone.bursts if one.cycle_s == bursts.HOUR_S and one.came > 1]


def test_the_largest_of_those_that_are_due_counts():
    due = (Burst(cycle_s=3600.0, next_at=100.0, times=2.0), Burst(cycle_s=3600.0, next_at=101.0, times=3.0))
    assert bursts.expected(AdaptiveMemory(level=10.0, bursts=due), start_s=2.0, now=100.0) == (30.0, 101.0)
    assert bursts.expected(AdaptiveMemory(), start_s=2.0, now=100.0) == (0.0, 0.0)


def test_one_of_a_timer_of_minutes_is_expected_when_it_came_twice():
    every_minute = [400.0] * 12 + [100.0] * 48
    memory = flow(AdaptiveMemory(), [100.0] * 60 + every_minute, 0.0)
    assert bursts.expected(memory, start_s=2.0, now=118.0) == (0.0, 0.0)
    memory = flow(memory, every_minute, 120.0)
    rate, at = bursts.expected(memory, start_s=2.0, now=178.0)
    assert (rate, at) == (pytest.approx(400.0), 178.0)
    for minute in range(3, 200):
        memory = flow(memory, every_minute, minute * 60.0)
    assert len(memory.bursts) == bursts.MOST
    assert next(one for one in memory.bursts if one.cycle_s == 60.0 and one.came > 1).came == 199


def test_what_stays_is_no_burst():
    memory = flow(AdaptiveMemory(), [100.0] * 60 + [400.0] * 200, 0.0)
    assert memory.began_at is None
    assert memory.level == pytest.approx(400.0, rel=0.01)


def test_noise_is_no_burst():
    memory = flow(AdaptiveMemory(), [2.0, 3.0, 1.0, 4.0] * 50, 0.0)
    assert memory.bursts == ()
