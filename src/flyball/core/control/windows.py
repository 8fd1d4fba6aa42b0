"""What was measured lately? Datapoints of each metric of a service.

Rule: datapoint i covers [origin + i x period, origin + (i + 1) x period). A sampled observation describes the time
since the one before; its middle says which datapoint it belongs to, so a tick that comes a little late changes nothing.
A datapoint is closed by the first tick at or after its end. One without samples is missing (None), never zero.

cpu, memory: average over the samples of measured instances. requests: per measured instance and minute; zero is a real
value. errors: percent of all requests; latency: average of the samples' percentiles; both are missing without requests.

AWS: CloudWatch metrics of ECS and ALB, one datapoint a minute.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-default-instance-warmup.html
Ours: `measured` are the instances that were in service for the whole of the sample, so the burst of a starting program
is not counted; the caller leaves out warming ones. One that gave no sample counts as an average one.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from flyball.core.model import Metric

from .observation import InstanceSample, LatencySample

ROUNDING = 1e-6
"""Wall-clock seconds since the epoch are exact to about 2e-7 s as floats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One metric: the open datapoint as `total` / `weight`, and the closed ones, oldest first, None for missing."""

    metric: Metric
    total: float = 0.0
    weight: float = 0.0
    values: tuple[float | None, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """All series of a service; they share the number of the open datapoint and its ticks.

    `sampled_at`: time of the last sample. `ticks`, `measured`: how many ticks of the open datapoint found measured
    instances, and their sum over these ticks. `instances`: their average in the last closed datapoint that had any.
    `most`: the most instances in service in the open datapoint; `in_service`: the same of each closed one.
    """

    period_s: float = 0.0
    open: int = 0
    sampled_at: float | None = None
    ticks: int = 0
    measured: int = 0
    instances: float = 0.0
    most: int = 0
    in_service: tuple[int, ...] = ()
    series: tuple[Series, ...] = ()

    def values(self, metric: Metric) -> tuple[float | None, ...]:
        """The closed datapoints of a metric, oldest first; empty when it is not watched."""
        return next((series.values for series in self.series if series.metric is metric), ())

    def latest(self, metric: Metric, count: int = 1) -> float | None:
        """The largest of the newest `count` real datapoints, None without any."""
        real = [value for value in self.values(metric) if value is not None]
        return max(real[-count:], default=None)

    def heaviest(self, metric: Metric, count: int, *, least: int) -> tuple[float, int] | None:
        """Value and instances of the datapoint with the largest load among the newest `count` real ones.

        The load is the value times the instances in service then, which are never taken for fewer than `least`: new,
        dead or unsampled instances make the measured ones few, and the load does not vanish with them. 40 % on 4
        instances of which 1 was sampled is a load of 160 %, not of 40 %. None without a real datapoint.
        """
        newest_first = zip(reversed(self.values(metric)), reversed(self.in_service), strict=False)
        real = [(value, max(instances, least)) for value, instances in newest_first if value is not None]
        return max(real[:count], key=lambda point: point[0] * point[1], default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One tick of one service: samples of its instances, which of them are `measured`, its latency.

    `in_service`: how many take requests. `wanted`: whether any instance is wanted at all.
    """

    instances: tuple[InstanceSample, ...]
    measured: Collection[str]
    in_service: int
    wanted: bool
    latency: LatencySample | None


def shaped(windows: Windows, metrics: Iterable[Metric], *, period_s: float, origin: float) -> Windows:
    """The windows for these metrics and this period; a changed period begins anew, since datapoints change meaning."""
    if windows.period_s != period_s:
        since = origin if windows.sampled_at is None else windows.sampled_at
        index = math.floor((since - origin) / period_s + ROUNDING)
        windows = Windows(period_s=period_s, open=index, sampled_at=windows.sampled_at)
    wanted = tuple(sorted(set(metrics)))
    if tuple(series.metric for series in windows.series) == wanted:
        return windows
    known = {series.metric: series for series in windows.series}
    return replace(windows, series=tuple(known.get(metric, Series(metric=metric)) for metric in wanted))


def emptied(windows: Windows) -> Windows:
    """The windows without closed datapoints: what was measured at another capacity says nothing of this one."""
    series = tuple(Series(metric=series.metric) for series in windows.series)
    return replace(windows, series=series, ticks=0, measured=0, most=0, in_service=())


def record(windows: Windows, sample: Sample, *, keep: int, origin: float, now: float) -> tuple[Windows, bool]:
    """The windows after a tick, holding `keep` datapoints, and whether at least one datapoint was closed."""
    since = origin if windows.sampled_at is None else windows.sampled_at
    middle = ((since - origin) + (now - origin)) / 2
    index = max(windows.open, math.floor(middle / windows.period_s))
    first = windows.open
    windows = _closed(windows, index, keep)
    minutes = max(now - since, 0.0) / 60
    series = tuple(_added(series, sample, minutes) for series in windows.series)
    measured = len(sample.measured)
    windows = replace(
        windows,
        series=series,
        measured=windows.measured + measured,
        ticks=windows.ticks + (measured > 0),
        most=max(windows.most, sample.in_service),
        sampled_at=now,
    )
    if (now - origin) / windows.period_s + ROUNDING >= windows.open + 1:
        windows = _closed(windows, windows.open + 1, keep)
    return windows, windows.open > first


def _closed(windows: Windows, index: int, keep: int) -> Windows:
    gap = index - windows.open
    if gap <= 0:
        return windows
    missing = min(gap - 1, keep)
    series = tuple(
        Series(metric=series.metric, values=(*series.values, _value(series), *(None,) * missing)[-keep:])
        for series in windows.series
    )
    instances = windows.measured / windows.ticks if windows.ticks else windows.instances
    in_service = (*windows.in_service, windows.most, *(0,) * missing)[-keep:]
    return replace(
        windows, open=index, series=series, ticks=0, measured=0, instances=instances, most=0, in_service=in_service
    )


def _value(series: Series) -> float | None:
    return series.total / series.weight if series.weight > 0 else None


def _added(series: Series, sample: Sample, minutes: float) -> Series:
    total, weight = _amount(series.metric, sample, minutes)
    if weight == 0:
        return series
    return replace(series, total=series.total + total, weight=series.weight + weight)


def _amount(metric: Metric, sample: Sample, minutes: float) -> tuple[float, float]:
    match metric:
        case Metric.CPU:
            return _average(one.cpu_percent for one in sample.instances if one.id in sample.measured)
        case Metric.MEMORY:
            return _average(one.memory_percent for one in sample.instances if one.id in sample.measured)
        case Metric.REQUESTS:
            return _requests(sample, minutes)
        case Metric.ERRORS:
            requests = sum(one.requests for one in sample.instances)
            return 100.0 * sum(one.errors for one in sample.instances), float(requests)
        case _:
            return _latency(metric, sample.latency)


def _average(values: Iterable[float | None]) -> tuple[float, float]:
    real = [value for value in values if value is not None]
    return sum(real), float(len(real))


def _requests(sample: Sample, minutes: float) -> tuple[float, float]:
    if not sample.wanted and sample.latency is not None:
        return 1.0, minutes  # requests arrive and nobody is there to take them: more than zero, which is all we know
    counts = [one.requests for one in sample.instances if one.id in sample.measured]
    return float(sum(counts)), len(counts) * minutes


def _latency(metric: Metric, latency: LatencySample | None) -> tuple[float, float]:
    if latency is None:
        return 0.0, 0.0
    by_metric = {Metric.P50: latency.p50_ms, Metric.P95: latency.p95_ms, Metric.P99: latency.p99_ms}
    return by_metric[metric], 1.0
