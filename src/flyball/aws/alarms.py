"""Alarms on the file's metrics.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from aws_cdk import aws_cloudwatch as cloudwatch

from flyball.core.model import Comparison, Metric

from .metrics import Source, Watched, of_balancer, source
from .site import Site, logical

COMPARISONS = {
    Comparison.ABOVE: "GreaterThanThreshold",
    Comparison.AT_LEAST: "GreaterThanOrEqualToThreshold",
    Comparison.BELOW: "LessThanThreshold",
    Comparison.AT_MOST: "LessThanOrEqualToThreshold",
}
STATISTICS = frozenset(("Average", "Maximum", "Sum"))
"""All others, such as p99, are extended statistics in CloudWatch."""


def datapoints(duration_s: float, period_s: int) -> int:
    """How many datapoints cover the file's duration."""
    return max(1, math.ceil(duration_s / period_s))


def alarm(
    site: Site,
    name: str,
    watched: Watched,
    *,
    metric: Metric,
    comparison: Comparison,
    threshold: float,
    duration_s: float,
    period_s: int,
    actions: list[str],
    description: str,
    missing: str = "missing",
) -> cloudwatch.CfnAlarm:
    """An alarm on a metric of a service: all datapoints of the duration must breach."""
    count = datapoints(duration_s, period_s)
    failing = metric is Metric.ERRORS
    fields = _errors(watched, period_s) if failing else measure(watched, source(watched, metric), period_s)
    scale = 1.0 if metric is Metric.ERRORS else source(watched, metric).scale
    return cloudwatch.CfnAlarm(
        site.stack,
        logical(watched.service.name, name),
        actions_enabled=True,
        alarm_description=description,
        alarm_actions=actions,
        comparison_operator=COMPARISONS[comparison],
        threshold=threshold * scale,
        evaluation_periods=count,
        datapoints_to_alarm=count,
        treat_missing_data=missing,
        **fields,
    )


def measure(watched: Watched, found: Source, period_s: int) -> dict[str, object]:
    """What an alarm watches: the metric, or the larger one where the service has two target groups."""
    sources = watched.of_all_groups(found)
    if len(sources) > 1:
        named = {f"group{index}": each for index, each in enumerate(sources, start=1)}
        filled = ", ".join(f"FILL({name}, 0)" for name in named)
        return {"metrics": [*_queries(named, period_s), _result(f"MAX([{filled}])", found.name)]}
    kind = "statistic" if found.statistic in STATISTICS else "extended_statistic"
    return {
        "namespace": found.namespace,
        "metric_name": found.name,
        "dimensions": _dimensions(found),
        "period": period_s,
        kind: found.statistic,
    }


def _errors(watched: Watched, period_s: int) -> dict[str, object]:
    """Errors in percent: the instances' 5xx responses out of all requests."""
    errors = watched.of_all_groups(of_balancer(watched, "HTTPCode_Target_5XX_Count", "Sum"))
    requests = watched.of_all_groups(of_balancer(watched, "RequestCount", "Sum"))
    if len(requests) == 1:
        named = {"errors": errors[0], "requests": requests[0]}
        share = "100 * FILL(errors, 0) / requests"
    else:
        named = {f"errors{index}": each for index, each in enumerate(errors, start=1)}
        named |= {f"requests{index}": each for index, each in enumerate(requests, start=1)}
        share = "100 * (FILL(errors1, 0) + FILL(errors2, 0)) / (FILL(requests1, 0) + FILL(requests2, 0))"
    return {"metrics": [*_queries(named, period_s), _result(share, "errors in percent")]}


def _queries(named: Mapping[str, Source], period_s: int) -> list[cloudwatch.CfnAlarm.MetricDataQueryProperty]:
    made = cloudwatch.CfnAlarm
    return [
        made.MetricDataQueryProperty(
            id=identity,
            return_data=False,
            metric_stat=made.MetricStatProperty(
                stat=found.statistic,
                period=period_s,
                metric=made.MetricProperty(
                    namespace=found.namespace, metric_name=found.name, dimensions=_dimensions(found)
                ),
            ),
        )
        for identity, found in named.items()
    ]


def _result(expression: str, label: str) -> cloudwatch.CfnAlarm.MetricDataQueryProperty:
    return cloudwatch.CfnAlarm.MetricDataQueryProperty(
        id="result", expression=expression, label=label, return_data=True
    )


def _dimensions(found: Source) -> list[cloudwatch.CfnAlarm.DimensionProperty]:
    made = cloudwatch.CfnAlarm.DimensionProperty
    return [made(name=name, value=value) for name, value in found.dimensions.items()]
