"""Numbered facts of Kubernetes' and Knative's autoscalers. First line of a docstring: the fact; second: its source.

The numbers are those of worked examples in the documentation and of tables in the projects' own tests.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.control.situations import situation
from flyball.core.control.memory import HpaMemory, KpaMemory, Memory, Wish
from flyball.core.control.scaling import hpa, kpa
from flyball.core.control.scaling.decide import decide
from flyball.core.control.scaling.proposal import Counts
from flyball.core.model import ChangeRate, Hpa, Kpa, Metric, Scaling

CPU, REQUESTS, CONCURRENCY, OFFERED = Metric.CPU, Metric.REQUESTS, Metric.CONCURRENCY, Metric.OFFERED


def cpu(target: float, **rest) -> Hpa:
    return Hpa(metric=CPU, target_value=target, **rest)


def recommended(rule: Hpa, values: list[float], *, unready: int = 0, missing: int = 0, current: int = 0) -> int:
    current = current or len(values) + unready + missing
    return hpa.replicas(rule, values, unready=unready, missing=missing, current=current)


@pytest.mark.parametrize(("value", "wanted"), [(200, 8), (50, 2), (100, 4), (109, 4), (91, 4), (111, 5), (89, 4)])
def test_fact_60_desired_is_the_ratio_times_the_current(value, wanted):
    """200m at a target of 100m doubles, 50m halves; within a tolerance of 10 % nothing changes.
    https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details
    """
    assert recommended(Hpa(metric=REQUESTS, target_value=100), [value] * 4) == wanted


@pytest.mark.parametrize(
    ("target", "values", "wanted"),
    [(30, [30, 50, 70], 5), (50, [10, 30, 50, 25, 25], 3), (100, [112.2, 103, 92.7], 3)],
)
def test_fact_61_the_table_of_cpu(target, values, wanted):
    """The calculator's table: 3 pods at 50 % of a target of 30 % become 5, 5 at 28 % of 50 % become 3, 102 % stays.
    https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/podautoscaler/replica_calculator_test.go
    """
    assert recommended(cpu(target), values) == wanted


@pytest.mark.parametrize(
    ("target", "values", "unready", "wanted"),
    [(30, [50, 70], 1, 4), (30, [40], 2, 3), (50, [45], 1, 2), (50, [200], 2, 4)],
)
def test_fact_62_unready_pods_count_as_idle_before_a_scale_out(target, values, unready, wanted):
    """Pods that are not ready count as 0 % before a scale-out, and not at all before a scale-in.
    https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/podautoscaler/replica_calculator_test.go
    """
    assert recommended(cpu(target), values, unready=unready) == wanted


@pytest.mark.parametrize(("value", "wanted"), [(100, 2), (190, 2), (60, 2), (300, 3), (10, 2)])
def test_fact_63_missing_metrics_damp_the_change(value, wanted):
    """A pod without metrics counts as 0 % before a scale-out and as 100 % before a scale-in; a turn changes nothing.
    https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/podautoscaler/replica_calculator_test.go
    """
    assert recommended(cpu(100), [value], missing=1) == wanted


@pytest.mark.parametrize(
    ("target", "values", "missing", "wanted"),
    [(15000, [20000, 10000, 30000], 0, 4), (20000, [12000] * 5, 0, 3), (15000, [5000], 1, 2)],
)
def test_fact_64_other_metrics_are_averages_too(target, values, missing, wanted):
    """Requests: 60000 at a target of 15000 each need 4 pods; a missing pod counts as at its target before a scale-in.
    https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/podautoscaler/replica_calculator_test.go
    """
    assert recommended(Hpa(metric=REQUESTS, target_value=target), values, missing=missing) == wanted


def test_fact_65_the_worked_example_of_two_rates():
    """80 replicas on the way to 10, at most 4 or 10 % a minute: 72, 64, ... and 4 at a time below 40.
    https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#scaling-policies
    """
    rates = (ChangeRate(amount=4, period_s=60), ChangeRate(amount=10, percent=True, period_s=60))
    rule, current, seen, changed = cpu(50, in_rates=rates), 80, [], ()
    for minute in range(12):
        after = hpa.limited(rule, 10, current=current, changed=changed, now=60.0 * minute)
        changed = (*changed, Wish(at=60.0 * minute, count=after - current))
        current = after
        seen.append(after)
    assert seen == [72, 64, 57, 51, 45, 40, 36, 32, 28, 24, 20, 16]


def test_fact_66_by_default_four_pods_or_the_double_may_come_in_15_s():
    """The default is the larger of 4 pods and 100 % in any 15 s, whatever was added in them counts; no limit in.
    https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#default-behavior
    """
    rule = cpu(50)
    assert hpa.limited(rule, 100, current=1, changed=(), now=0.0) == 5
    assert hpa.limited(rule, 100, current=10, changed=(), now=0.0) == 20
    assert hpa.limited(rule, 100, current=20, changed=(Wish(at=0.0, count=10),), now=14.0) == 20
    assert hpa.limited(rule, 100, current=20, changed=(Wish(at=0.0, count=10),), now=15.0) == 40
    assert hpa.limited(rule, 1, current=100, changed=(), now=0.0) == 1
    assert hpa.limited(cpu(50, in_rates=()), 1, current=100, changed=(), now=0.0) == 100


def test_fact_67_the_highest_recommendation_of_five_minutes_counts():
    """Scale-in takes the highest recommendation of the last 300 s, scale-out the lowest of its own window, 0 s.
    https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#stabilization-window
    """
    before = (Wish(at=0.0, count=7), Wish(at=200.0, count=5))
    assert hpa.stabilized(cpu(50), before, 2, current=8, now=299.0) == 7
    assert hpa.stabilized(cpu(50), before, 2, current=8, now=300.0) == 5
    assert hpa.stabilized(cpu(50), before, 2, current=8, now=500.0) == 2
    assert hpa.stabilized(cpu(50), before, 9, current=8, now=300.0) == 9
    assert hpa.stabilized(cpu(50, out_window_s=300), before, 9, current=4, now=299.0) == 5


def test_fact_68_it_looks_every_15_s():
    """The controller looks every 15 s; in between its last recommendation stands.
    https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/
    """
    at = situation(Scaling(hpa=cpu(50)), {CPU: 100.0}, desired=2, now=100.0)
    first = decide(at)
    assert (first.desired, first.text) == (4, "cpu 100 % > 50 %: 100 / 50 x 2 -> 4")
    later = replace(at, memory=first.memory, counts=Counts(desired=4, running=4), now=114.0)
    assert (decide(later).desired, decide(later).holds) == (4, ())
    looked = decide(replace(later, now=115.0)).memory  # two have no sample yet, and count as idle: 4 stay
    assert looked is not None
    assert (looked.hpa.at, looked.hpa.wanted, looked.hpa.changed) == (115.0, 4, (Wish(at=100.0, count=2),))


def knative(target: float, **rest) -> Kpa:
    """As Knative's own tests have it: the target value as it is, ten times as many at most."""
    values = {"utilization_percent": 100.0, "out_rate": 10.0, "in_rate": 10.0} | rest
    return Kpa(metric=CONCURRENCY, target_value=target, **values)


def wanted(rule: Kpa, stable: float, panic: float, ready: int, *more: KpaMemory, now: float = 0.0) -> kpa.Wanted:
    (memory,) = more or (KpaMemory(),)
    return kpa.scaled(rule, memory, stable=stable, panic=panic, ready=ready, now=now)


@pytest.mark.parametrize(
    ("target", "stable", "panic", "ready", "desired"),
    [
        (10, 50, 10, 1, 5),
        (10, 100, 10, 1, 10),
        (181, 21, 26, 1, 1),
        (10, 50, 49, 1, 5),
        (10, 50, 50, 5, 5),
        (10, 50, 100, 1, 10),
        (10, 100, 100, 8, 10),
        (10, 1, 0, 1, 1),
        (10, 0, 0, 1, 0),
    ],
)
def test_fact_70_the_stable_and_the_panic_window(target, stable, panic, ready, desired):
    """Average / target, rounded up; from twice what is ready the panic window decides.
    https://github.com/knative/serving/blob/main/pkg/autoscaler/scaling/autoscaler_test.go
    """
    assert wanted(knative(target), stable, panic, ready).desired == desired


@pytest.mark.parametrize(("stable", "panic", "desired"), [(50, 30, 50), (20, 30, 30)])
def test_fact_71_in_panic_the_larger_window_counts(stable, panic, desired):
    """In panic the larger of both windows counts.
    https://github.com/knative/serving/blob/main/pkg/autoscaler/scaling/autoscaler_test.go
    """
    panicking = KpaMemory(panic_at=-5.0, most=5)
    assert wanted(knative(1), stable, panic, 5, panicking).desired == desired


def test_fact_72_nothing_is_taken_away_in_panic():
    """100 pods stay through 30 s of calm and go after a whole stable window of it.
    https://github.com/knative/serving/blob/main/pkg/autoscaler/scaling/autoscaler_test.go
    """
    rule = knative(10)
    first = wanted(rule, 100, 100, 1)
    second = wanted(rule, 100, 1000, 10, first.memory)
    third = wanted(rule, 1, 1, 10, second.memory, now=30.0)
    fourth = wanted(rule, 1, 1, 10, third.memory, now=61.0)
    assert [one.desired for one in (first, second, third, fourth)] == [10, 100, 100, 1]
    assert third.text == "panic: 1 in flight over 60 s / 10 = 0.1 -> 1, the most in it is 100"
    assert fourth.memory.panic_at is None


def test_fact_73_a_slow_increase_ends_the_panic():
    """A panic ends one stable window after the panic window last needed twice what was ready.
    https://github.com/knative/serving/blob/main/pkg/autoscaler/scaling/autoscaler_test.go
    """
    first = wanted(knative(1), 11, 25, 10)
    second = wanted(knative(1), 30, 41, 40, first.memory, now=30.0)
    third = wanted(knative(1), 50, 56, 55, second.memory, now=62.0)
    assert [one.desired for one in (first, second, third)] == [25, 41, 50]
    assert [one.memory.panic_at for one in (first, second, third)] == [0.0, 0.0, None]
    surging = wanted(knative(1), 30, 80, 40, first.memory, now=30.0)
    assert (surging.desired, surging.memory.panic_at) == (80, 30.0)


def test_fact_74_it_tracks_an_exponential_increase():
    """6, 36, 216, 1296: each look follows at once, and the panic goes on.
    https://github.com/knative/serving/blob/main/pkg/autoscaler/scaling/autoscaler_test.go
    """
    memory, ready, found = KpaMemory(), 1, []
    for load in (6, 36, 216, 1296, 1296):
        made = wanted(knative(1), load, load, ready, memory)
        memory, ready = made.memory, made.desired
        found.append(made.desired)
    assert found == [6, 36, 216, 1296, 1296]


@pytest.mark.parametrize(
    ("rule", "stable", "panic", "ready", "desired"),
    [
        (knative(10), 1000, 1001, 1, 10),
        (knative(10), 1000, 1001, 10, 100),
        (knative(10), 1000, 888, 0, 10),
        (knative(10), 1, 1, 100, 10),
        (knative(10), 1, 1, 10, 1),
        (knative(1, out_rate=1.1), 3, 3.1, 2, 3),
        (knative(10, in_rate=1.1), 1, 1, 100, 90),
    ],
)
def test_fact_75_both_directions_have_a_largest_rate(rule, stable, panic, ready, desired):
    """At most 10 times as many as are ready (at least 1 is taken to be) and at least a tenth; a rate of 1.1 adds one.
    https://github.com/knative/serving/blob/main/pkg/autoscaler/scaling/autoscaler_test.go
    """
    assert wanted(rule, stable, panic, ready).desired == desired


def test_fact_76_a_scale_in_can_be_delayed():
    """With a delay of 5 min the largest wish of 5 min counts, and scrolls out after exactly that.
    https://github.com/knative/serving/blob/main/pkg/autoscaler/scaling/autoscaler_test.go
    """
    rule, memory, found = knative(10, in_delay_s=300.0, panic_percent=10_000.0), KpaMemory(), []
    loads = {2: 40, 300: 0, 302: 0, 540: 40, 600: 30, 660: 0, 840: 0, 900: 0}
    for now, load in loads.items():
        made = wanted(rule, load, load, 0, memory, now=float(now))
        memory = made.memory
        found.append(made.desired)
    assert found == [4, 4, 0, 4, 4, 4, 3, 0]


def test_fact_77_a_target_is_used_to_70_percent():
    """Of a concurrency of 100 an instance is meant to have 70, of 200 requests per second 140.
    https://knative.dev/docs/serving/autoscaling/concurrency/#target-utilization
    """
    assert Kpa(metric=CONCURRENCY, target_value=100).per_instance == 70
    assert Kpa(metric=OFFERED, target_value=200).per_instance == 140


def test_fact_78_it_looks_every_2_s_at_averages_of_two_windows():
    """A look every 2 s: the averages of 60 s and of 6 s, of as much of them as there is.
    https://github.com/knative/serving/blob/main/pkg/autoscaler/scaling/multiscaler.go
    """
    series = {CONCURRENCY: [4.0] * 14 + [10.0] * 6, REQUESTS: 0.0}
    rule = Scaling(kpa=Kpa(metric=CONCURRENCY, target_value=10))
    at = situation(rule, series, desired=1, now=100.0)
    assert (kpa.average(at.windows, CONCURRENCY, 60.0), kpa.average(at.windows, CONCURRENCY, 6.0)) == (5.8, 10.0)
    first = decide(at)
    assert (first.desired, first.text) == (2, "panic: 10 in flight over 6 s / 7 = 1.429 -> 2, the most in it is 2")
    later = replace(at, memory=first.memory or Memory(), counts=Counts(desired=2, running=1), now=101.0)
    assert decide(later).memory is None
    assert decide(replace(later, now=102.0)).memory is not None
    assert HpaMemory() == later.memory.hpa
