"""Numbered facts of CloudWatch alarms. The first line of a docstring is the fact, the second its source."""

from __future__ import annotations

import pytest

from flyball.core.control.alarms import AlarmState, Threshold, evaluate
from flyball.core.control.observation import InstanceSample, LatencySample
from flyball.core.control.samples import sample_of
from flyball.core.control.windows import Windows, record, shaped
from flyball.core.model import Comparison, Metric


def alarm(points: int = 3, to_alarm: int = 3, **rest) -> Threshold:
    values = {"name": "a", "metric": Metric.CPU, "comparison": Comparison.ABOVE, "value": 50.0} | rest
    return Threshold(points=points, to_alarm=to_alarm, **values)


def state_of(text: str, threshold: Threshold, before: AlarmState = AlarmState.OK) -> AlarmState:
    """`X` breaches, `o` does not, `-` is missing."""
    return evaluate(threshold, [{"X": 90.0, "o": 10.0, "-": None}[one] for one in text], before)


@pytest.mark.parametrize(
    ("points", "state"), [("XoX", "ALARM"), ("oXX", "ALARM"), ("ooX", "OK"), ("XXo", "ALARM"), ("Xoo", "OK")]
)
def test_fact_01_m_of_n_need_not_be_consecutive(points, state):
    """An alarm is M of N datapoints; the breaching ones need not be consecutive.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
    """
    assert state_of(points, alarm(points=3, to_alarm=2)) == state


@pytest.mark.parametrize(
    ("points", "state"),
    [
        ("-----", AlarmState.INSUFFICIENT_DATA),
        ("o-X-X", AlarmState.OK),
        ("o----", AlarmState.OK),
        ("--X--", AlarmState.ALARM),
        ("oXX-X", AlarmState.ALARM),
        ("XX--X", AlarmState.ALARM),
    ],
)
def test_fact_02_missing_data_is_bridged(points, state):
    """Missing data: real points from further back are used first; INSUFFICIENT_DATA only if all are missing.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
    """
    assert state_of(points, alarm()) == state


@pytest.mark.parametrize("before", list(AlarmState))
def test_fact_02_a_single_new_breach_keeps_the_state(before):
    """One breaching point after missing ones is too young to alarm and contradicts nothing: the state stays.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
    """
    assert state_of("----X", alarm(), before) is before


def test_fact_03_the_length_of_a_datapoint_is_chosen():
    """ECS publishes utilisation each minute (20 s optional); here any length, 1 s by default.
    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-auto-scaling.html
    """
    for period_s in (1.0, 20.0, 60.0):
        windows = shaped(Windows(), [Metric.CPU], period_s=period_s, origin=0.0)
        closed_at = []
        for tick in range(1, 121):
            sample = sample_of(
                instances=(InstanceSample(id="w", cpu_percent=40.0),),
                measured={"w"},
                in_service=1,
                wanted=True,
                latency=None,
            )
            windows, closed = record(windows, sample, keep=5, origin=0.0, now=float(tick))
            closed_at += [tick] if closed else []
        assert closed_at[0] == period_s
        assert len(closed_at) == 120 / period_s


def test_fact_04_only_requests_are_always_reported():
    """Without requests latency and errors are missing, requests per target are a real zero.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
    """
    metrics = [Metric.REQUESTS, Metric.ERRORS, Metric.P99]
    windows = shaped(Windows(), metrics, period_s=1.0, origin=0.0)
    idle = sample_of(
        instances=(InstanceSample(id="w", requests=0),), measured={"w"}, in_service=1, wanted=True, latency=None
    )
    windows, _ = record(windows, idle, keep=5, origin=0.0, now=1.0)
    assert windows.latest(Metric.REQUESTS) == 0.0
    assert windows.latest(Metric.ERRORS) is None
    assert windows.latest(Metric.P99) is None
    busy = sample_of(
        instances=(InstanceSample(id="w", requests=20, errors=1),),
        measured={"w"},
        in_service=1,
        wanted=True,
        latency=LatencySample(service="web", p50_ms=1, p95_ms=2, p99_ms=3),
    )
    windows, _ = record(windows, busy, keep=5, origin=0.0, now=2.0)
    assert windows.latest(Metric.REQUESTS) == 1200.0
    assert windows.latest(Metric.ERRORS) == 5.0
    assert windows.latest(Metric.P99) == 3.0
