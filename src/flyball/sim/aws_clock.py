"""`--as aws`: the same file with AWS's clock, to see before paying what it would do there.

Datapoints of 60 s, the alarm shapes of an Auto Scaling group or of ECS, whichever the file's `[aws]` chooses, and
start-up times of a machine or of a task instead of a process. These times are assumed: nobody measured them for this
application. A metric is known at the end of its minute; CloudWatch may be a minute later still.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-scaling-target-tracking.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-autoscaling-targettracking.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flyball.core.model import Application, Compute, ScalingShape, Service

from .numbers import Numbers, Source, lognormal

PERIOD_S = 60.0
FAST_CHECK_S, SLOW_CHECK_S = 10.0, 30.0
KEPT_S = 60.0
STARTS = {Compute.EC2: lognormal(90.0, 0.2), Compute.FARGATE: lognormal(45.0, 0.25)}
"""A machine boots and sets itself up; a task has its image pulled. Round figures, not measured."""


def on_aws(app: Application, numbers: Mapping[str, Numbers]) -> tuple[Application, dict[str, Numbers]]:
    """The application and its numbers as they would be there."""
    compute = Compute.FARGATE if app.aws is None else app.aws.compute
    shape = ScalingShape.ASG if compute is Compute.EC2 else ScalingShape.ECS
    every_s = None if app.aws is None else app.aws.health_interval_s
    services = tuple(_with_clock(service, shape, STARTS[compute][-1], every_s) for service in app.services)
    changed = {
        name: replace(
            one,
            start=STARTS[compute],
            sources=tuple((what, source) for what, source in one.sources if _is_kept(what, source)),
        )
        if ("start_s", Source.GIVEN) not in one.sources
        else one
        for name, one in numbers.items()
    }
    return replace(app, services=services), changed


def edge_on_aws(app: Application) -> Application:
    """Route 53 checks every 10 or 30 s, and its answers are kept for a minute: visitors come back over that time."""
    health = app.edge.health
    slower = replace(health, interval_s=SLOW_CHECK_S if health.interval_s >= SLOW_CHECK_S else FAST_CHECK_S)
    return replace(app, edge=replace(app.edge, health=slower, return_s=KEPT_S))


def _is_kept(what: str, source: Source) -> bool:
    return what != "start_s" or source is Source.GIVEN


def _with_clock(service: Service, shape: ScalingShape, longest_start_s: float, every_s: float | None) -> Service:
    """There the grace period begins when the machine or task runs, here at its launch; no queue is before it."""
    scaling = replace(service.scaling, period_s=max(service.scaling.period_s, PERIOD_S), shape=shape)
    health = service.health
    health = replace(health, grace_s=health.grace_s + longest_start_s, interval_s=every_s or health.interval_s)
    return replace(service, scaling=scaling, health=health, concurrency=0)
