"""A service's last datapoint in CloudWatch: the metrics that its policies see there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flyball.aws.metrics import AWS_PERIOD_S, Source, Watched, of_balancer, source
from flyball.core.model import Metric, Service
from flyball.core.view.shapes import MetricsJson
from flyball.core.view.views import short

from .place import There

BACK_S = 600.0
"""CloudWatch is minutes behind; of what it has of the last ten, the newest counts."""


def last(region: There, service: Service, groups: list[str], *, now: float) -> MetricsJson:
    """The newest complete datapoint of each metric; null where CloudWatch has none."""
    asked = _queries(region, service, groups)
    found: dict[str, float | None] = dict.fromkeys(asked)
    told = region.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": name, "MetricStat": _stat(metric)} for name, metric in asked.items()],
        StartTime=datetime.fromtimestamp(now - BACK_S, UTC),
        EndTime=datetime.fromtimestamp(now, UTC),
        ScanBy="TimestampDescending",
    )["MetricDataResults"]
    found |= {each["Id"]: each["Values"][0] for each in told if each["Values"]}

    def of(name: str, scale: float = 1.0) -> float | None:
        value = found.get(name)
        return None if value is None else short(value * scale)

    requests, errors = found.get("requests"), found.get("errors")
    share = None if not requests else short(100.0 * (errors or 0.0) / requests)
    return {
        "requests_per_second": of("requests", 1 / AWS_PERIOD_S),
        "errors_per_second": None if requests is None else short((errors or 0.0) / AWS_PERIOD_S),
        "cpu_percent": of("cpu"),
        "memory_percent": of("memory"),
        "requests": of("each"),
        "errors_percent": share,
        "latency_ms": {"p50": of("p50", 1000.0), "p95": of("p95", 1000.0), "p99": of("p99", 1000.0)},
        "waiting": 0,
        "waited_ms": {"p50": None, "p99": None},
        "turned_away": 0,
    }


def _queries(region: There, service: Service, groups: list[str]) -> dict[str, Source]:
    """What is asked for; without a target group, only what instances use."""
    told = region.client("elbv2").describe_target_groups(TargetGroupArns=groups[:1])["TargetGroups"] if groups else []
    balancers = [arn.split(":loadbalancer/", 1)[-1] for each in told for arn in each["LoadBalancerArns"]]
    watched = Watched(
        service=service,
        cluster=region.app.name,
        ecs_service=service.name,
        group=None if region.on_fargate else region.group(service),
        target_group=groups[0].rsplit(":", 1)[-1] if groups else "",
        standby_group=None,
        balancer=balancers[0] if balancers else "",
    )
    asked = {"cpu": Metric.CPU, "memory": Metric.MEMORY}
    if not groups:
        return {name: source(watched, metric) for name, metric in asked.items()}
    asked |= {"each": Metric.REQUESTS, "p50": Metric.P50, "p95": Metric.P95, "p99": Metric.P99}
    return {
        **{name: source(watched, metric) for name, metric in asked.items()},
        "requests": of_balancer(watched, "RequestCount", "Sum"),
        "errors": of_balancer(watched, "HTTPCode_Target_5XX_Count", "Sum"),
    }


def _stat(found: Source) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in found.dimensions.items() if value]
    metric = {"Namespace": found.namespace, "MetricName": found.name, "Dimensions": dimensions}
    return {"Metric": metric, "Period": AWS_PERIOD_S, "Stat": found.statistic}
