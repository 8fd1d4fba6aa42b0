"""Rules of scaling: suitable metrics, steps without gaps, schedules that AWS can express."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from flyball.aws.cron import aws_cron
from flyball.core.model import Aws, Compute, Metric, Service, StepScaling, Strategy

TRACKABLE = (Metric.CPU, Metric.MEMORY, Metric.REQUESTS)


def of_scaling(aws: Aws, service: Service) -> Iterator[str]:
    """All policies of a service."""
    where = f"services.{service.name}.scale"
    yield from _of_tracking(aws, service, where)
    for index, policy in enumerate(service.scaling.steps, start=1):
        yield from _of_steps(policy, f"{where} rule {index}")
        if policy.metric is Metric.REQUESTS and not service.routes:
            yield f"{where}: the service has no routes; an alarm on requests would never have data"
    yield from _of_schedule(aws, service, where)
    yield from _of_predictive(aws, service, where)
    yield from _of_autoscalers(service, where)


def _of_tracking(aws: Aws, service: Service, where: str) -> Iterator[str]:
    for policy in service.scaling.target_tracking:
        if policy.metric not in TRACKABLE:
            yield f"{where}.target.{policy.metric}: it need not fall as capacity grows; AWS calls it unsuitable"
        if policy.target_value <= 0:
            yield f"{where}.target.{policy.metric}: {policy.target_value:g}; PutScalingPolicy accepts more than 0"
        if policy.metric is Metric.REQUESTS and not service.routes:
            yield f"{where}.target.requests: the service has no routes; its target group would never count a request"
        moved = aws.compute is Compute.FARGATE and service.deployment.strategy is not Strategy.ROLLING
        if policy.metric is Metric.REQUESTS and moved:
            yield f"{where}.target.requests: ECS does not support it with strategy {service.deployment.strategy}"
    metrics = [policy.metric for policy in service.scaling.target_tracking]
    for metric in sorted(set(metrics)):
        if metrics.count(metric) > 1:
            yield f"{where}.target.{metric}: twice; PutScalingPolicy would fail"


def _of_steps(policy: StepScaling, where: str) -> Iterator[str]:
    if policy.duration_s <= 0 or policy.duration_s > 86400:
        yield f"{where}: {policy.duration_s:g} s; an alarm covers at most one day"
    upward = policy.comparison.upward
    bounds = [
        (
            float("-inf") if step.lower_bound is None else step.lower_bound,
            float("inf") if step.upper_bound is None else step.upper_bound,
        )
        for step in policy.steps
    ]
    if not bounds:
        yield f"{where}: no step; PutScalingPolicy would fail"
        return
    bounds.sort()
    if any(low >= high for low, high in bounds):
        yield f"{where}: a step's lower bound is not below its upper bound; PutScalingPolicy would fail"
    for (_, end), (start, _) in pairwise(bounds):
        if end < start:
            yield f"{where}: a gap between {end:g} and {start:g}; PutScalingPolicy would fail"
        elif end > start:
            yield f"{where}: steps overlap between {start:g} and {end:g}; PutScalingPolicy would fail"
    if bounds[0][0] > 0 if upward else bounds[-1][1] < 0:
        yield f"{where}: no step starts at the threshold; the alarm would fire without effect"


def _of_schedule(aws: Aws, service: Service, where: str) -> Iterator[str]:
    for index, action in enumerate(service.scaling.schedule, start=1):
        place = f"{where}.schedule {index}"
        if (action.cron is None) == (action.at is None):
            yield f"{place}: needs exactly one of cron and at; PutScheduledAction would fail"
            continue
        if action.min is None and action.max is None and action.desired is None:
            yield f"{place}: sets none of min, max and desired; PutScheduledAction would fail"
        if aws.compute is Compute.FARGATE:
            if action.desired is not None:
                yield f"{place}.desired: Application Auto Scaling schedules set only min and max"
            if action.cron is not None:
                yield from _of_cron(action.cron, place)


def _of_cron(cron: str, place: str) -> Iterator[str]:
    try:
        aws_cron(cron)
    except ValueError as impossible:
        yield f"{place}.cron: {impossible}"


def _of_predictive(aws: Aws, service: Service, where: str) -> Iterator[str]:
    policy = service.scaling.predictive
    if policy is None:
        return
    known = TRACKABLE if aws.compute is Compute.FARGATE else (Metric.CPU, Metric.REQUESTS)
    if policy.metric not in known:
        yield f"{where}.predictive.{policy.metric}: AWS predicts only {', '.join(known)}"
    if not 0 <= policy.buffer_s <= 3600:
        yield f"{where}.predictive.buffer: {policy.buffer_s:g} s; AWS accepts 0 to 3600 s"


def _of_autoscalers(service: Service, where: str) -> Iterator[str]:
    """Policies that AWS has not: without another one beside them the capacity would stay as it is."""
    scaling = service.scaling
    foreign = [name for name in ("hpa", "kpa", "adaptive") if getattr(scaling, name) is not None]
    if foreign and not (scaling.target_tracking or scaling.steps or scaling.schedule or scaling.predictive):
        yield f"{where}.{foreign[0]}: AWS has no such policy and nothing would scale; add a target for it beside"
