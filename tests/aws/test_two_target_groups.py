"""A service whose rollout moves traffic by weight has two target groups that change roles: both are looked at."""

from __future__ import annotations

from typing import Any

import pytest

from aws import applications
from aws.conftest import Synth
from aws.template import Stack, text

pytestmark = pytest.mark.synth
BOTH = ["<CanaryTargetGroup.TargetGroupFullName>", "<CanaryTargetGroupStandby.TargetGroupFullName>"]


@pytest.fixture
def everything(synth: Synth) -> Stack:
    return synth(applications.everything_on_fargate())["everything-eu-north-1"]


def looked_at(alarm: dict[str, Any]) -> list[str]:
    """The target groups of an alarm's queries."""
    return [
        text(dimension["Value"])
        for query in alarm["Metrics"]
        for dimension in query.get("MetricStat", {}).get("Metric", {}).get("Dimensions", ())
        if dimension["Name"] == "TargetGroup"
    ]


def expression(alarm: dict[str, Any]) -> str:
    (returned,) = [query for query in alarm["Metrics"] if query["ReturnData"]]
    return str(returned["Expression"])


def test_errors_of_both_groups_take_a_canary_back(everything: Stack):
    alarm = everything.named("CanaryRolloutAlarm1")
    assert looked_at(alarm) == BOTH * 2
    assert expression(alarm) == (
        "100 * (FILL(errors1, 0) + FILL(errors2, 0)) / (FILL(requests1, 0) + FILL(requests2, 0))"
    )


def test_the_slower_group_takes_a_canary_back(everything: Stack):
    alarm = everything.named("CanaryRolloutAlarm2")
    assert looked_at(alarm) == BOTH
    assert expression(alarm) == "MAX([FILL(group1, 0), FILL(group2, 0)])"
    assert {query["MetricStat"]["Stat"] for query in alarm["Metrics"][:2]} == {"p99"}
    assert alarm["Threshold"] == 0.5


@pytest.mark.parametrize("name", ["CanaryUnhealthyAlarm", "CanaryErrorsAlarm"])
def test_somebody_hears_of_either_group(everything: Stack, name: str):
    assert set(looked_at(everything.named(name))) == set(BOTH)


def test_the_dashboard_shows_both(everything: Stack):
    body = text(everything.named("Dashboard")["DashboardBody"])
    for group in BOTH:
        assert group in body
    assert "canary p99, second group" in body
    assert "front, second group" not in body


def test_a_rolling_service_has_one_group_and_plain_alarms(forum: Stack):
    alarm = forum.named("PostsUnhealthyAlarm")
    assert alarm["MetricName"] == "UnHealthyHostCount"
    assert "second group" not in text(forum.named("Dashboard")["DashboardBody"])
