"""A service's last datapoint in CloudWatch: the metrics that its policies see there."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flyball.core.model import Service
from flyball.core.view.shapes import MetricsJson
from flyball.core.view.views import short

from .place import There

PERIOD_S = 60
BACK_S = 600.0
"""CloudWatch is minutes behind; of what it has of the last ten, the newest counts."""


def last(region: There, service: Service, groups: list[str], *, now: float) -> MetricsJson:
    """The newest complete datapoint of each metric; null where CloudWatch has none."""
    asked = _queries(region, service, groups)
    found: dict[str, float | None] = dict.fromkeys(asked)
    told = region.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": name, "MetricStat": stat} for name, stat in asked.items()],
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
        "requests_per_second": of("requests", 1 / PERIOD_S),
        "errors_per_second": None if requests is None else short((errors or 0.0) / PERIOD_S),
        "cpu_percent": of("cpu"),
        "memory_percent": of("memory"),
        "requests": of("each"),
        "errors_percent": share,
        "latency_ms": {"p50": of("p50", 1000.0), "p95": of("p95", 1000.0), "p99": of("p99", 1000.0)},
        "waiting": 0,
        "waited_ms": {"p50": None, "p99": None},
        "turned_away": 0,
    }


def _queries(region: There, service: Service, groups: list[str]) -> dict[str, dict[str, Any]]:
    own = (
        {"ClusterName": region.app.name, "ServiceName": service.name}
        if region.on_fargate
        else {"AutoScalingGroupName": region.group(service)}
    )
    namespace = "AWS/ECS" if region.on_fargate else "AWS/EC2"
    memory = ("AWS/ECS", "MemoryUtilization") if region.on_fargate else ("Flyball/Machines", "mem_used_percent")
    asked = {
        "cpu": _stat(namespace, "CPUUtilization", "Average", own),
        "memory": _stat(*memory, "Average", own),
    }
    if groups:
        told = region.client("elbv2").describe_target_groups(TargetGroupArns=groups[:1])["TargetGroups"][0]
        traffic = {"TargetGroup": groups[0].rsplit(":", 1)[-1]}
        balancers = told["LoadBalancerArns"]
        if balancers:
            traffic["LoadBalancer"] = balancers[0].split(":loadbalancer/", 1)[-1]
        asked |= {
            "requests": _stat("AWS/ApplicationELB", "RequestCount", "Sum", traffic),
            "errors": _stat("AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "Sum", traffic),
            "each": _stat("AWS/ApplicationELB", "RequestCountPerTarget", "Sum", traffic),
            **{
                name: _stat("AWS/ApplicationELB", "TargetResponseTime", name, traffic) for name in ("p50", "p95", "p99")
            },
        }
    return asked


def _stat(namespace: str, name: str, statistic: str, dimensions: dict[str, str]) -> dict[str, Any]:
    return {
        "Metric": {
            "Namespace": namespace,
            "MetricName": name,
            "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        },
        "Period": PERIOD_S,
        "Stat": statistic,
    }
