"""Rules of health checks, sizes, capacity, balancing and commands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

from flyball.aws.sizes import MEMORY_MIB, MIB, UNITS
from flyball.core.model import Aws, BalancingAlgorithm, Compute, Service

LOOPBACK = re.compile(r"(^|[=@ ])(127\.\d+\.\d+\.\d+|localhost|\[?::1\]?)(:|$| )")
OURS = frozenset({"PORT", "HOST"})


def of_health(aws: Aws, service: Service) -> Iterator[str]:
    """The target group's ranges, in whole seconds."""
    health, where = service.health, f"services.{service.name}.health"
    interval_s, every = aws.health_interval_s, "aws.health_every"
    if interval_s is None:
        interval_s, every = health.interval_s, f"{where}.every"
    if not health.path.startswith("/"):
        yield f"{where}.path: {health.path!r} does not start with /; CreateTargetGroup would fail"
    if not 5 <= interval_s <= 300 or interval_s % 1:
        yield f"{every}: {interval_s:g} s; a target group accepts whole seconds from 5 to 300"
    if not 2 <= health.timeout_s <= 120 or health.timeout_s % 1:
        yield f"{where}.timeout: {health.timeout_s:g} s; a target group accepts whole seconds from 2 to 120"
    if health.timeout_s >= interval_s:
        yield f"{where}.timeout: {health.timeout_s:g} s is not below `every`; CreateTargetGroup would fail"
    for key, value in (("healthy_after", health.healthy_threshold), ("unhealthy_after", health.unhealthy_threshold)):
        if not 2 <= value <= 10:
            yield f"{where}.{key}: {value}; a target group accepts 2 to 10"
    if not 200 <= health.status_min <= health.status_max <= 499:
        yield f"{where}.status: {health.status_min}-{health.status_max}; a target group accepts 200 to 499"
    if not 0 <= health.grace_s <= 7200:
        yield f"{where}.grace: {health.grace_s:g} s; a grace period is 0 to 7200 s"


def of_size(aws: Aws, service: Service) -> Iterator[str]:
    """Pairs of CPU and memory that Fargate has."""
    if aws.compute is not Compute.FARGATE:
        return
    units, memory = service.size.cpu * UNITS, service.size.memory_bytes / MIB
    allowed = MEMORY_MIB.get(round(units)) if units == round(units) else None
    where = f"services.{service.name}.size"
    if allowed is None:
        sizes = ", ".join(f"{each / UNITS:g}" for each in MEMORY_MIB)
        yield f"{where}.cpu: {service.size.cpu:g}; Fargate has {sizes}; RegisterTaskDefinition would fail"
    elif memory not in allowed:
        yield (
            f"{where}.memory: {memory:g} MB with {service.size.cpu:g} cpu; Fargate has {allowed[0]} to {allowed[-1]} "
            "MB there; RegisterTaskDefinition would fail"
        )


def of_capacity(service: Service) -> Iterator[str]:
    """Consistent bounds."""
    capacity, where = service.capacity, f"services.{service.name}.instances"
    if capacity.min < 0 or capacity.min > capacity.max:
        yield f"{where}: min {capacity.min} above max {capacity.max}; RegisterScalableTarget would fail"
    elif capacity.desired is not None and not capacity.min <= capacity.desired <= capacity.max:
        yield f"{where}.start: {capacity.desired} outside {capacity.min} to {capacity.max}; no group would be created"


def of_balancing(service: Service) -> Iterator[str]:
    """Drain, slow start and stickiness in the target group's ranges."""
    balancing, where = service.balancing, f"services.{service.name}"
    delay = service.deployment.deregistration_delay_s
    if not 0 <= delay <= 3600:
        yield f"{where}.deploy.drain: {delay:g} s; a deregistration delay is 0 to 3600 s"
    slow = balancing.slow_start_s
    if slow and not 30 <= slow <= 900:
        yield f"{where}.slow_start: {slow:g} s; a target group accepts 30 to 900 s, or 0"
    if slow and balancing.algorithm is BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS:
        yield f"{where}.slow_start: not with least_outstanding_requests; ModifyTargetGroupAttributes would fail"
    sticky = balancing.stickiness
    if sticky is not None and not 1 <= sticky.duration_s <= 604800:
        yield f"{where}.sticky: {sticky.duration_s:g} s; the balancer's cookie lives 1 to 604800 s"


def of_commands(service: Service) -> Iterator[str]:
    """A command that the start script can run and the balancer can reach."""
    where = f"services.{service.name}"
    try:
        words = shlex.split(service.run)
    except ValueError as unclosed:
        yield f"{where}.run: {unclosed}; no instance would start"
        words = []
    if any(LOOPBACK.search(word) for word in words):
        yield (
            f"{where}.run: listens on the loopback address; on AWS the balancer could not reach it, and every instance "
            "would be replaced for ever; omit the address or use $HOST"
        )
    source = PurePosixPath(service.source)
    if source.is_absolute() or ".." in source.parts:
        yield f"{where}.source: {service.source!r} is outside the file's directory; the build would not find it"
    for name, value in service.environment:
        if name in OURS or name.startswith(("FLYBALL_", "AWS_")):
            yield f"{where}.env.{name}: Flyball or AWS sets this variable; the instance would get another value"
        if "\n" in value:
            yield f"{where}.env.{name}: a multi-line value would break systemd's environment file"
