"""Rules of rollouts: percentages that leave room, strategies that the compute supports."""

from __future__ import annotations

from collections.abc import Iterator

from flyball.core.model import Aws, Compute, Service, Strategy


def of_deployment(aws: Aws, service: Service) -> Iterator[str]:
    """A rollout that can proceed, with values that ECS or EC2 Auto Scaling accepts."""
    where, deployment = f"services.{service.name}.deploy", service.deployment
    low, high = deployment.minimum_healthy_percent, deployment.maximum_percent
    if not 0 <= low <= 100:
        yield f"{where}.minimum_healthy: {low} %; AWS accepts 0 to 100 %"
    if not 100 <= high <= 200:
        yield f"{where}.maximum: {high} %; AWS accepts 100 to 200 %"
    if not 1 <= deployment.stop_timeout_s <= 120 and aws.compute is Compute.FARGATE:
        yield f"{where}.stop_timeout: {deployment.stop_timeout_s:g} s; Fargate accepts 2 to 120 s"
    if aws.compute is Compute.FARGATE:
        yield from _of_fargate(service, where)
    elif deployment.strategy is not Strategy.ROLLING:
        yield f'{where}.strategy: {deployment.strategy}; an Auto Scaling group can only roll; use compute = "fargate"'


def _of_fargate(service: Service, where: str) -> Iterator[str]:
    deployment = service.deployment
    rolling = deployment.strategy is Strategy.ROLLING
    wish = max(service.capacity.min, 1)
    room = deployment.most(wish) - deployment.fewest(wish)
    if rolling and room < 1:
        yield (
            f"{where}: minimum_healthy {deployment.minimum_healthy_percent} % and maximum {deployment.maximum_percent} "
            f"% of {wish} leave no room; ECS could neither start nor stop a task, and the rollout would hang"
        )
    breaker = deployment.circuit_breaker
    if breaker is not None and not 1 <= breaker.value <= (100 if "PERCENT" in breaker.threshold_type else 10000):
        yield f"{where}.circuit_breaker: {breaker.value}; UpdateService would fail"
    if rolling:
        return
    if len(service.routes) != 1:
        yield f"{where}.strategy: {deployment.strategy} with {len(service.routes)} routes; ECS shifts exactly one rule"
    if not 0 <= deployment.bake_s <= 86400:
        yield f"{where}.bake: {deployment.bake_s:g} s; ECS accepts up to 1440 minutes"
    if deployment.strategy is Strategy.CANARY and not 0.1 <= deployment.step_percent < 100:
        yield f"{where}.step: {deployment.step_percent:g} %; a canary is 0.1 % to just below 100 %"
    if deployment.strategy is Strategy.LINEAR and not 3 <= deployment.step_percent < 100:
        yield f"{where}.step: {deployment.step_percent:g} %; a linear step is 3 % to just below 100 %"
