"""Datapoints: which tick belongs to which, gaps, changed periods and metrics."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flyball.core.control.observation import InstanceSample, LatencySample
from flyball.core.control.samples import Sample, sample_of
from flyball.core.control.windows import Rates, Windows, emptied, record, shaped
from flyball.core.model import Metric

CPU = Metric.CPU


def fresh(*metrics: Metric, period_s: float = 1.0) -> Windows:
    return shaped(Windows(), metrics or (CPU,), period_s=period_s, origin=0.0)


def sample(value: float | None = 50.0, **rest) -> Sample:
    one = InstanceSample(id="web-1", cpu_percent=value)
    return sample_of(
        **({"instances": (one,), "measured": {"web-1"}, "in_service": 1, "wanted": True, "latency": None} | rest)
    )


def ticked(windows: Windows, *times: float, keep: int = 5, origin: float = 0.0) -> Windows:
    for now in times:
        windows, _ = record(windows, sample(now - origin), keep=keep, origin=origin, now=now)
    return windows


def test_each_tick_closes_the_datapoint_before_it():
    assert ticked(fresh(), 1.0, 2.0, 3.0).values(CPU) == (1.0, 2.0, 3.0)


def test_ticks_a_little_late_change_nothing():
    assert ticked(fresh(), 1.02, 2.3, 3.04).values(CPU) == (1.02, 2.3, 3.04)


def test_wall_clock_floats_close_on_time():
    origin = 1763650000.1
    times = [origin + tick * 0.1 for tick in range(1, 7)]
    assert (times[2] - origin) / 0.1 < 3  # some ticks fall short of their datapoint's end by a rounding
    for count in range(1, 7):
        windows = ticked(fresh(period_s=0.1), *times[:count], origin=origin, keep=10)
        assert len(windows.values(CPU)) == count


def test_a_stall_leaves_missing_points():
    assert ticked(fresh(), 1.0, 4.0, 5.0).values(CPU) == (1.0, None, 4.0, None, 5.0)
    assert len(ticked(fresh(), 1.0, 4000.0).values(CPU)) == 5


def test_a_clock_that_goes_back_is_harmless():
    assert ticked(fresh(), 1.0, 2.0, 1.5, 3.0).values(CPU)[:2] == (1.0, 2.0)


def test_a_datapoint_is_the_average_of_its_ticks():
    windows = ticked(fresh(period_s=4.0), 1.0, 2.0, 3.0, 4.0)
    assert windows.values(CPU) == (2.5,)
    assert windows.instances == 1.0


def test_unmeasured_values_are_missing():
    windows, closed = record(fresh(), sample(None), keep=5, origin=0.0, now=1.0)
    assert closed
    assert windows.values(CPU) == (None,)
    assert windows.latest(CPU) is None
    assert windows.latest(Metric.P99) is None


def test_memory_and_percentiles():
    metrics = (Metric.MEMORY, Metric.P50, Metric.P95)
    one = InstanceSample(id="web-1", memory_percent=40.0)
    latency = LatencySample(service="web", p50_ms=1.0, p95_ms=9.0, p99_ms=14.0)
    windows, _ = record(fresh(*metrics), sample(instances=(one,), latency=latency), keep=5, origin=0.0, now=1.0)
    assert [windows.latest(metric) for metric in metrics] == [40.0, 1.0, 9.0]


def test_requests_without_instances_are_more_than_zero():
    latency = LatencySample(service="web", p50_ms=1.0, p95_ms=9.0, p99_ms=14.0)
    nobody = sample(instances=(), measured=set(), in_service=0, wanted=False, latency=latency)
    windows, _ = record(fresh(Metric.REQUESTS), nobody, keep=5, origin=0.0, now=1.0)
    assert windows.latest(Metric.REQUESTS) == pytest.approx(60.0)
    nothing = sample(instances=(), measured=set(), in_service=0, wanted=False)
    windows, _ = record(fresh(Metric.REQUESTS), nothing, keep=5, origin=0.0, now=1.0)
    assert windows.latest(Metric.REQUESTS) is None


def test_a_changed_period_begins_anew_and_a_changed_metric_does_not():
    windows = ticked(fresh(), 1.0, 2.0)
    both = shaped(windows, (CPU, Metric.P99), period_s=1.0, origin=0.0)
    assert both.values(CPU) == (1.0, 2.0)
    assert both.values(Metric.P99) == ()
    longer = shaped(windows, (CPU,), period_s=2.0, origin=0.0)
    assert longer.values(CPU) == ()
    assert ticked(longer, 3.0, 4.0).values(CPU) == (3.5,)


def test_rates_are_of_all_instances_in_the_last_datapoint_and_missing_with_it():
    many = tuple(InstanceSample(id=f"web-{number}", requests=30, errors=3) for number in (1, 2))
    windows, _ = record(fresh(), sample(instances=many), keep=5, origin=0.0, now=1.5)
    assert (windows.rates, windows.sample_s) == (Rates(requests_per_s=40.0, errors_per_s=4.0), 1.5)
    later, _ = record(replace(windows, sampled_at=8.25), sample(instances=many), keep=5, origin=0.0, now=8.25)
    assert (later.rates, later.last(CPU)) == (None, None)
    assert emptied(windows).rates is None
    unsampled, _ = record(fresh(), sample(), keep=5, origin=1.0, now=1.0)
    assert record(unsampled, sample(), keep=5, origin=1.0, now=1.0)[0].rates is None


def test_what_nobody_watches_is_kept_for_one_datapoint():
    windows = fresh(CPU, Metric.MEMORY)
    for now in (1.0, 2.0, 3.0):
        one = InstanceSample(id="web-1", cpu_percent=now, memory_percent=now)
        windows, _ = record(windows, sample(instances=(one,)), keep=5, watched={CPU}, origin=0.0, now=now)
    assert windows.values(CPU) == (1.0, 2.0, 3.0)
    assert windows.values(Metric.MEMORY) == (3.0,)
    assert (windows.last(CPU), windows.last(Metric.P50)) == (3.0, None)


def test_one_who_is_measured_and_was_not_sampled_adds_nothing():
    latency = LatencySample(service="web", p50_ms=1.0, p95_ms=9.0, p99_ms=14.0)
    unsampled = sample(instances=(), latency=latency)
    windows, _ = record(fresh(Metric.REQUESTS), unsampled, keep=5, origin=0.0, now=1.0)
    assert windows.values(Metric.REQUESTS) == (None,)
    assert windows.rates is None
