"""The file's metrics in CloudWatch. Needs no CDK: what runs is read by the same names.

CPU and memory come from ECS, or from EC2 and the CloudWatch agent; requests, errors and latencies from the balancer's
target group. CloudWatch has latency in seconds, the file in milliseconds.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-cloudwatch-metrics.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from flyball.core.model import Metric, Service

from .machine import MEMORY_NAMESPACE

AWS_PERIOD_S = 60
ECS_FAST_PERIOD_S = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What identifies a running service in CloudWatch: its ECS or Auto Scaling group names, and its target group.

    `standby_group` is the second target group of a rollout that shifts traffic; the two swap with every release.
    """

    service: Service
    cluster: str | None
    ecs_service: str | None
    group: str | None
    target_group: str
    standby_group: str | None
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
        """The dimensions of the balancer's metrics of this service."""
        return {"LoadBalancer": self.balancer, "TargetGroup": self.target_group}

    def of_all_groups(self, found: Source) -> tuple[Source, ...]:
        """The metric for each of the service's target groups, if it is measured per target group."""
        if self.standby_group is None or "TargetGroup" not in found.dimensions:
            return (found,)
        return (found, replace(found, dimensions={**found.dimensions, "TargetGroup": self.standby_group}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One CloudWatch metric. `scale`: CloudWatch's unit = ours x scale."""

    namespace: str
    name: str
    statistic: str
    dimensions: dict[str, str]
    scale: float = 1.0


def source(watched: Watched, metric: Metric) -> Source:
    """The CloudWatch metric for `metric`. Not for errors, a quotient of two, and not for what it has not."""
    on_machines = watched.group is not None
    match metric:
        case Metric.CPU:
            measured = ("AWS/EC2" if on_machines else "AWS/ECS", "CPUUtilization")
        case Metric.MEMORY:
            measured = (MEMORY_NAMESPACE, "mem_used_percent") if on_machines else ("AWS/ECS", "MemoryUtilization")
        case Metric.REQUESTS:
            only_group = {"TargetGroup": watched.target_group}
            return replace(of_balancer(watched, "RequestCountPerTarget", "Sum"), dimensions=only_group)
        case Metric.P50 | Metric.P95 | Metric.P99:
            return replace(of_balancer(watched, "TargetResponseTime", str(metric)), scale=0.001)
        case Metric.ERRORS | Metric.CONCURRENCY | Metric.OFFERED:
            raise ValueError(f"CloudWatch has no one metric for {metric}")
    namespace, name = measured
    return Source(namespace=namespace, name=name, statistic="Average", dimensions=watched.machine_dimensions)


def of_balancer(watched: Watched, name: str, statistic: str) -> Source:
    """A metric of the balancer for a service's target group."""
    return Source(namespace="AWS/ApplicationELB", name=name, statistic=statistic, dimensions=watched.traffic_dimensions)


def own(watched: Watched, *, tasks: str, machines: str) -> Source:
    """A metric of a service's tasks, from Container Insights, or of its machines and their group."""
    of_machines = "AWS/AutoScaling" if machines.startswith("Group") else "AWS/EC2"
    on_machines = watched.group is not None
    return Source(
        namespace=of_machines if on_machines else "ECS/ContainerInsights",
        name=machines if on_machines else tasks,
        statistic="Average",
        dimensions=watched.machine_dimensions,
    )


def resolution_s(service: Service) -> int:
    """The datapoint length on AWS: 20 s on ECS where the file asks for exactly that, else 60 s."""
    return ECS_FAST_PERIOD_S if service.scaling.period_s == ECS_FAST_PERIOD_S else AWS_PERIOD_S
