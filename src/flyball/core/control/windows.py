"""What was measured lately? Datapoints of each metric of a service.

Rule: datapoint i covers [origin + i x period, origin + (i + 1) x period). A sampled observation describes the time
since the one before; its middle says which datapoint it belongs to, so a tick that comes a little late changes nothing.
A datapoint is closed by the first tick at or after its end. One without samples is missing (None), never zero.

With origin 100 and period 10, datapoint 2 covers [120, 130). The tick at 130.4 after one at 121.0 brings a sample with
its middle at 125.7: it belongs to datapoint 2, and that tick closes it. cpu of 40 % on two instances in one tick and of
60 % on one in the next is (2 x 40 + 60) / 3 = 46.7 %: every measured instance counts once in every tick.

What a sample adds to a metric is said in `samples.py`. Most are recorded also when no policy watches them: people are
shown the datapoints that decide. Beside them, `rates` count what all instances together answered.

AWS: CloudWatch metrics of ECS and ALB, one datapoint a minute.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from flyball.core.model import Metric

from .samples import NOTHING, Amount, Sample

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
class Rates:
    """Requests and errors per second of all instances of a service in one datapoint."""

    requests_per_s: float
    errors_per_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """All series of a service; they share the number of the open datapoint and its ticks.

    `sampled_at`: time of the last sample, which covers `sample_s`. `ticks`, `measured`: how many ticks of the open
    datapoint found measured instances, and their sum over these ticks. `instances`: their average in the last closed
    datapoint that had any. `most`: the most instances in service in the open datapoint; `in_service`: the same of each
    closed one. `sampled_s`, `requests`, `errors`: sums of the open one; `rates`: the last closed one's, None when it is
    missing. `waiting` in the balancer at the last sample.
    """

    period_s: float = 0.0
    open: int = 0
    sampled_at: float | None = None
    sample_s: float = 0.0
    ticks: int = 0
    measured: int = 0
    sampled_s: float = 0.0
    requests: int = 0
    errors: int = 0
    waiting: int = 0
    instances: float = 0.0
    rates: Rates | None = None
    most: int = 0
    in_service: tuple[int, ...] = ()
    series: tuple[Series, ...] = ()

    def values(self, metric: Metric) -> tuple[float | None, ...]:
        """The closed datapoints of a metric, oldest first; empty when it is not recorded."""
        return next((series.values for series in self.series if series.metric is metric), ())

    def last(self, metric: Metric) -> float | None:
        """The last closed datapoint of a metric, None when it is missing or there is none yet."""
        return next(reversed(self.values(metric)), None)

    def latest(self, metric: Metric) -> float | None:
        """The newest real datapoint, None without any."""
        return next((value for value in reversed(self.values(metric)) if value is not None), None)

    def heaviest(self, metric: Metric, count: int, *, least: int) -> tuple[float, int] | None:
        """Value and instances of the datapoint with the largest load among the newest `count` real ones.

        The load is the value times the instances in service then, which are never taken for fewer than `least`: new,
        dead or unsampled instances make the measured ones few, and the load does not vanish with them. 40 % on 4
        instances of which 1 was sampled is a load of 160 %, not of 40 %. None without a real datapoint.
        """
        newest_first = zip(reversed(self.values(metric)), reversed(self.in_service), strict=False)
        real = [(value, max(instances, least)) for value, instances in newest_first if value is not None]
        return max(real[:count], key=lambda point: point[0] * point[1], default=None)


def shaped(windows: Windows, metrics: Iterable[Metric], *, period_s: float, origin: float) -> Windows:
    """The windows for these metrics and this period; a changed period begins anew, since datapoints change meaning."""
    if windows.period_s != period_s:
        since = origin if windows.sampled_at is None else windows.sampled_at
        index = math.floor((since - origin) / period_s + ROUNDING)
        windows = Windows(period_s=period_s, open=index, sampled_at=windows.sampled_at)
    recorded = tuple(series.metric for series in windows.series)
    if recorded == tuple(metrics) or recorded == (wanted := tuple(sorted(set(metrics)))):
        return windows
    known = {series.metric: series for series in windows.series}
    return replace(windows, series=tuple(known.get(metric, Series(metric=metric)) for metric in wanted))


def emptied(windows: Windows) -> Windows:
    """The windows without closed datapoints: what was measured at another capacity says nothing of this one."""
    series = tuple(Series(metric=series.metric) for series in windows.series)
    opened = Windows(period_s=windows.period_s, open=windows.open, sampled_at=windows.sampled_at, series=series)
    return replace(opened, sample_s=windows.sample_s, instances=windows.instances, waiting=windows.waiting)


def record(
    windows: Windows,
    sample: Sample,
    *,
    keep: int,
    watched: Collection[Metric] = tuple(Metric),
    origin: float,
    now: float,
) -> tuple[Windows, bool]:
    """The windows after a tick, and whether at least one datapoint was closed.

    They hold `keep` datapoints of the `watched` metrics and the last one of the others.
    """
    since = origin if windows.sampled_at is None else windows.sampled_at
    middle = ((since - origin) + (now - origin)) / 2
    index = max(windows.open, math.floor(middle / windows.period_s))
    first, waited = windows.open, windows.waiting
    windows = _counted(_closed(windows, index, keep, watched, {}), sample, max(now - since, 0.0), now)
    amounts = sample.amounts(windows.sample_s, waited)
    if (now - origin) / windows.period_s + ROUNDING >= windows.open + 1:
        windows = _closed(windows, windows.open + 1, keep, watched, amounts)
    else:
        windows = replace(windows, series=tuple(_more(one, *amounts[one.metric]) for one in windows.series))
    return windows, windows.open > first


def _closed(
    windows: Windows, index: int, keep: int, watched: Collection[Metric], amounts: Mapping[Metric, Amount]
) -> Windows:
    """The windows whose open datapoint, with these amounts, and all others before `index` are closed."""
    gap = index - windows.open
    if gap <= 0:
        return windows
    missing, sampled_s, rates = min(gap - 1, keep), windows.sampled_s, None
    if sampled_s > 0 and not missing:
        rates = Rates(requests_per_s=windows.requests / sampled_s, errors_per_s=windows.errors / sampled_s)
    return replace(
        windows,
        open=index,
        series=tuple(
            _shut(one, *amounts.get(one.metric, NOTHING), missing, keep if one.metric in watched else 1)
            for one in windows.series
        ),
        instances=windows.measured / windows.ticks if windows.ticks else windows.instances,
        in_service=(*windows.in_service, windows.most, *(0,) * missing)[-keep:],
        rates=rates,
        ticks=0,
        measured=0,
        most=0,
        sampled_s=0.0,
        requests=0,
        errors=0,
    )


def _shut(series: Series, total: float, weight: float, missing: int, keep: int) -> Series:
    total, weight = series.total + total, series.weight + weight
    value = total / weight if weight > 0 else None
    return Series(metric=series.metric, values=(*series.values, value, *(None,) * missing)[-keep:])


def _counted(windows: Windows, sample: Sample, sample_s: float, now: float) -> Windows:
    return replace(
        windows,
        ticks=windows.ticks + (sample.measured > 0),
        measured=windows.measured + sample.measured,
        most=max(windows.most, sample.in_service),
        sampled_at=now,
        sample_s=sample_s,
        sampled_s=windows.sampled_s + (sample_s if sample.known else 0.0),
        requests=windows.requests + sample.requests,
        errors=windows.errors + sample.errors,
        waiting=sample.waiting,
    )


def _more(series: Series, total: float, weight: float) -> Series:
    if weight == 0:
        return series
    return replace(series, total=series.total + total, weight=series.weight + weight)
