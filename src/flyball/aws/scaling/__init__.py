"""The file's scaling policies in AWS's two services, which scale in their own control loops.

An Auto Scaling group (EC2) has warm-up and the metric ASGAverageCPUUtilization; Application Auto Scaling (ECS) has
cooldowns. Target tracking creates its own alarms: 3 of 3 datapoints above the target, 15 of 15 below 0.7 (EC2) or
0.9 (ECS) of it. Step policies get the alarms in the file.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html
https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flyball.aws.alarms import alarm
from flyball.aws.metrics import AWS_PERIOD_S, Watched, resolution_s
from flyball.aws.site import Site
from flyball.core.model import Metric, PredictiveScaling, ScheduledAction, Service, StepScaling

COOLDOWN_DATAPOINTS = 5
"""AWS's default of 300 s is five 60 s datapoints; so are the file's defaults."""


def seconds(written: float | None, service: Service) -> int:
    """A cooldown or warm-up in seconds: as written, or five datapoints."""
    return COOLDOWN_DATAPOINTS * resolution_s(service) if written is None else round(written)


def resource_label(watched: Watched, metric: Metric) -> str | None:
    """The balancer and target group, as ALBRequestCountPerTarget names them; other metrics have none."""
    return f"{watched.balancer}/{watched.target_group}" if metric is Metric.REQUESTS else None


def steps(made: Any, policy: StepScaling) -> list[Any]:
    """The adjustments of a step policy; each of the two services has its own class `made` for them."""
    return [
        made(
            metric_interval_lower_bound=step.lower_bound,
            metric_interval_upper_bound=step.upper_bound,
            scaling_adjustment=step.amount,
        )
        for step in policy.steps
    ]


def forecast(made: Any, policy: PredictiveScaling, pair: str, label: str | None) -> dict[str, Any]:
    """A predictive policy; `made` holds the classes of the AWS service that it is for."""
    metrics = made.PredictiveScalingPredefinedMetricPairProperty(predefined_metric_type=pair, resource_label=label)
    return {
        "max_capacity_breach_behavior": "HonorMaxCapacity",
        "mode": "ForecastOnly" if policy.forecast_only else "ForecastAndScale",
        "scheduling_buffer_time": round(policy.buffer_s),
        "metric_specifications": [
            made.PredictiveScalingMetricSpecificationProperty(
                target_value=policy.target_value, predefined_metric_pair_specification=metrics
            )
        ],
    }


def moment(action: ScheduledAction) -> str:
    """The time of a one-off action, in UTC."""
    assert action.at is not None, "an action has cron or at"
    return datetime.fromtimestamp(action.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def step_alarm(site: Site, watched: Watched, policy: StepScaling, index: int, action: str) -> None:
    """The alarm in the file; while it is in alarm, the policy `action` acts."""
    alarm(
        site,
        f"Step{index}Alarm",
        watched,
        metric=policy.metric,
        comparison=policy.comparison,
        threshold=policy.threshold,
        duration_s=policy.duration_s,
        period_s=AWS_PERIOD_S,
        actions=[action],
        description=(
            f"{watched.service.name}: {policy.metric} {policy.comparison} {policy.threshold:g} "
            f"for {policy.duration_s:g} s"
        ),
    )
