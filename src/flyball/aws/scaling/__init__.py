"""When AWS changes the number of instances, by its own loop: the file's policies as its two services have them.

An Auto Scaling group (EC2) knows warm-up and the metric ASGAverageCPUUtilization; ECS is scaled by Application Auto
Scaling, which knows cooldowns. Target tracking makes its own alarms there: 3 of 3 datapoints above the target, 15 of
15 below 0.7 (EC2) or 0.9 (ECS) of it. Step policies get the alarms that the file describes.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html
https://docs.aws.amazon.com/autoscaling/application/userguide/application-auto-scaling-target-tracking.html
"""

from __future__ import annotations

from datetime import UTC, datetime

from flyball.aws.metrics import AWS_PERIOD_S, Watched, alarm, resolution_s
from flyball.aws.site import Site
from flyball.core.model import ScheduledAction, Service, StepScaling

COOLDOWN_DATAPOINTS = 5
"""AWS's 300 s are five datapoints of 60 s; the file's defaults follow that."""


def seconds(written: float | None, service: Service) -> int:
    """A cooldown or warm-up in seconds: as written, or five datapoints."""
    return COOLDOWN_DATAPOINTS * resolution_s(service) if written is None else round(written)


def resource_label(watched: Watched) -> str:
    """How ALBRequestCountPerTarget names its balancer and target group."""
    return f"{watched.balancer}/{watched.target_group}"


def moment(action: ScheduledAction) -> str:
    """The one time of an action that does not repeat, in UTC."""
    assert action.at is not None, "an action has a cron or a moment"
    return datetime.fromtimestamp(action.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def step_alarm(site: Site, watched: Watched, policy: StepScaling, index: int, action: str) -> None:
    """The alarm that the file describes; while it is in alarm, the policy `action` acts."""
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
