"""The file's metrics as CloudWatch has them.

CPU and memory come from ECS, or from EC2 and the CloudWatch agent; requests, errors and latencies from the balancer's
target group. CloudWatch counts latency in seconds, the file in milliseconds.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from aws_cdk import aws_cloudwatch as cloudwatch

from flyball.core.model import Comparison, Metric, Service

from .site import Site, logical

COMPARISONS = {
    Comparison.ABOVE: "GreaterThanThreshold",
    Comparison.AT_LEAST: "GreaterThanOrEqualToThreshold",
    Comparison.BELOW: "LessThanThreshold",
    Comparison.AT_MOST: "LessThanOrEqualToThreshold",
}
MEMORY_NAMESPACE = "Flyball/Machines"
AWS_PERIOD_S = 60
ECS_FAST_PERIOD_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What identifies a running service in CloudWatch: ECS's names or the group's, and its target group."""

    service: Service
    cluster: str | None
    ecs_service: str | None
    group: str | None
    target_group: str
    balancer: str

    @property
    def machine_dimensions(self) -> dict[str, str]:
        """The dimensions of CPU and memory."""
        if self.group is not None:
            return {"AutoScalingGroupName": self.group}
        assert self.cluster is not None
        assert self.ecs_service is not None
        return {"ClusterName": self.cluster, "ServiceName": self.ecs_service}

    @property
    def traffic_dimensions(self) -> dict[str, str]:
        """The dimensions of what the balancer measures of this service."""
        return {"LoadBalancer": self.balancer, "TargetGroup": self.target_group}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One CloudWatch metric. `scale`: CloudWatch's unit = ours x scale."""

    namespace: str
    name: str
    statistic: str
    dimensions: dict[str, str]
    scale: float = 1.0


def source(watched: Watched, metric: Metric) -> Source:
    """Where CloudWatch keeps `metric`. Not for errors, which is a quotient of two."""
    traffic = watched.traffic_dimensions
    match metric:
        case Metric.CPU:
            namespace = "AWS/EC2" if watched.group is not None else "AWS/ECS"
            return Source(
                namespace=namespace,
                name="CPUUtilization",
                statistic="Average",
                dimensions=watched.machine_dimensions,
            )
        case Metric.MEMORY:
            on_machine = watched.group is not None
            return Source(
                namespace=MEMORY_NAMESPACE if on_machine else "AWS/ECS",
                name="mem_used_percent" if on_machine else "MemoryUtilization",
                statistic="Average",
                dimensions=watched.machine_dimensions,
            )
        case Metric.REQUESTS:
            only_group = {"TargetGroup": watched.target_group}
            return Source(
                namespace="AWS/ApplicationELB", name="RequestCountPerTarget", statistic="Sum", dimensions=only_group
            )
        case Metric.P50 | Metric.P95 | Metric.P99:
            return Source(
                namespace="AWS/ApplicationELB",
                name="TargetResponseTime",
                statistic=str(metric),
                dimensions=traffic,
                scale=0.001,
            )
        case Metric.ERRORS:
            raise ValueError("errors are a quotient of two metrics")


def resolution_s(service: Service) -> int:
    """The length of a datapoint on AWS: 20 s where the file asks for just that and ECS has it, else 60 s."""
    return ECS_FAST_PERIOD_S if service.scaling.period_s == ECS_FAST_PERIOD_S else AWS_PERIOD_S


def datapoints(duration_s: float, period_s: int) -> int:
    """How many datapoints make the file's duration."""
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
    fields = _error_fields(watched, period_s) if metric is Metric.ERRORS else _fields(watched, metric, period_s)
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


def _fields(watched: Watched, metric: Metric, period_s: int) -> dict[str, object]:
    found = source(watched, metric)
    made = cloudwatch.CfnAlarm.DimensionProperty
    kind = "statistic" if found.statistic in {"Average", "Sum"} else "extended_statistic"
    return {
        "namespace": found.namespace,
        "metric_name": found.name,
        "dimensions": [made(name=name, value=value) for name, value in found.dimensions.items()],
        "period": period_s,
        kind: found.statistic,
    }


def _error_fields(watched: Watched, period_s: int) -> dict[str, object]:
    """Errors in percent: answers 5xx of the instances, of all requests."""
    made = cloudwatch.CfnAlarm

    def query(identity: str, name: str) -> cloudwatch.CfnAlarm.MetricDataQueryProperty:
        return made.MetricDataQueryProperty(
            id=identity,
            return_data=False,
            metric_stat=made.MetricStatProperty(
                stat="Sum",
                period=period_s,
                metric=made.MetricProperty(
                    namespace="AWS/ApplicationELB",
                    metric_name=name,
                    dimensions=[
                        made.DimensionProperty(name=key, value=value)
                        for key, value in watched.traffic_dimensions.items()
                    ],
                ),
            ),
        )

    percent = made.MetricDataQueryProperty(
        id="percent",
        expression="100 * FILL(errors, 0) / requests",
        label="errors in percent",
        return_data=True,
    )
    return {"metrics": [query("errors", "HTTPCode_Target_5XX_Count"), query("requests", "RequestCount"), percent]}
