"""What runs here, but not as one may think, and what would AWS do with it? Each with the page that says so.

Errors stop a file; these warnings do not. Where `[aws]` is absent, only what concerns this machine too is said.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator

from flyball.core.model import Application, Compute, Metric, ScalingShape, Service, StoreKind, Strategy

from . import units
from .complaints import ParityWarning
from .fargate import fargate_size

_DOCS = "https://docs.aws.amazon.com/"
_ALB = _DOCS + "elasticloadbalancing/latest/application/"
_ECS = _DOCS + "AmazonECS/latest/developerguide/"
_ECS_API = _DOCS + "AmazonECS/latest/APIReference/"
_EC2AS = _DOCS + "autoscaling/ec2/userguide/"

# How long these servers keep an idle connection by default, and the option that changes it.
_KEEP_ALIVE = {
    "gunicorn": ("--keep-alive", 2.0),
    "uvicorn": ("--timeout-keep-alive", 5.0),
    "hypercorn": ("--keep-alive", 5.0),
}


def warnings(app: Application) -> tuple[ParityWarning, ...]:
    """Every warning, services in the order of the file."""
    found: list[ParityWarning] = []
    for service in app.services:
        at = f"services.{service.name}"
        for source in (_capacity, _steps, _rollout):
            found += source(at, service)
        if app.aws is not None:
            for on_aws in (_health, _metrics, _balancing):
                found += on_aws(at, service)
            found += _keep_alive(at, service, app.listener.idle_timeout_s)
            if app.aws.compute is Compute.FARGATE:
                found += _stopping(at, service)
                found += _size(at, service)
    found += _application(app)
    return tuple(found)


def _capacity(at: str, service: Service) -> Iterator[ParityWarning]:
    capacity, scaling = service.capacity, service.scaling
    policies = scaling.target_tracking or scaling.steps
    if policies and capacity.min == capacity.max and not scaling.schedule:
        yield ParityWarning(
            path=f"{at}.instances",
            message=f"min and max are both {capacity.min}: the scaling policies can change nothing",
            url=_EC2AS + "asg-capacity-limits.html",
        )
    if not policies and capacity.min < capacity.max and not scaling.schedule and scaling.predictive is None:
        yield ParityWarning(
            path=f"{at}.scale",
            message=f"no policy: nothing scales between {capacity.min} and {capacity.max} but by hand",
        )
    if capacity.min == 0:
        yield ParityWarning(
            path=f"{at}.instances.min",
            message="without an instance requests are answered 503: nothing holds them back until one is there",
            url=_ECS + "service-auto-scaling.html",
        )


def _steps(at: str, service: Service) -> Iterator[ParityWarning]:
    out = [rule for rule in service.scaling.steps if rule.comparison.upward]
    if out and len(out) == len(service.scaling.steps) and not service.scaling.target_tracking:
        yield ParityWarning(
            path=f"{at}.scale.out",
            message="no `in` rule: what is added stays",
            url=_EC2AS + "as-scaling-simple-step.html",
        )


def _rollout(at: str, service: Service) -> Iterator[ParityWarning]:
    rules, count = service.deployment, max(1, service.capacity.min)
    floor, ceiling = rules.fewest(count), rules.most(count)
    if rules.strategy is Strategy.ROLLING and floor >= count >= ceiling:
        yield ParityWarning(
            path=f"{at}.deploy",
            message=f"at {count} instance{'s' * (count > 1)} the percentages round to {floor} and {ceiling}: "
            "a rollout can neither start nor stop one and waits until more are running",
            url=_ECS_API + "API_DeploymentConfiguration.html",
        )


def _keep_alive(at: str, service: Service, idle: float) -> Iterator[ParityWarning]:
    words = shlex.split(service.run)
    server = next((word.rsplit("/", 1)[-1] for word in words if word.rsplit("/", 1)[-1] in _KEEP_ALIVE), None)
    if server is None or not service.routes:
        return
    option, default = _KEEP_ALIVE[server]
    kept = _option(words, option, default)
    if kept <= idle:
        yield ParityWarning(
            path=f"{at}.run",
            message=f"{server} closes idle connections after {units.duration_text(kept)}, the balancer after "
            f"{units.duration_text(idle)}: AWS answers 502 when a request meets a closed one; add "
            f"{option} {math.ceil(idle) + 15}",
            url=_ALB + "load-balancer-troubleshooting.html",
        )


def _option(words: list[str], option: str, default: float) -> float:
    """The number behind `--option N` or `--option=N`; what cannot be read is taken for the default."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name == option:
            text = value if equals else following
            return float(text) if text.isdecimal() and text.isascii() else default
    return default


def _health(at: str, service: Service) -> Iterator[ParityWarning]:
    check, url = service.health, _ALB + "target-group-health-checks.html"
    if not service.routes:
        return
    if check.interval_s < 5 or check.interval_s != int(check.interval_s):
        every = units.duration_text(check.interval_s)
        yield ParityWarning(
            path=f"{at}.health.every", message=f"{every} here; AWS takes whole seconds from 5s to 300s", url=url
        )
    if check.timeout_s < 2 or check.timeout_s != int(check.timeout_s):
        timeout = units.duration_text(check.timeout_s)
        yield ParityWarning(
            path=f"{at}.health.timeout", message=f"{timeout} here; AWS takes whole seconds from 2s to 120s", url=url
        )
    for key, threshold in (("healthy_after", check.healthy_threshold), ("unhealthy_after", check.unhealthy_threshold)):
        if threshold < 2:
            yield ParityWarning(path=f"{at}.health.{key}", message=f"{threshold} here; AWS takes 2 to 10", url=url)
    if check.status_min < 200 or check.status_max > 499:
        yield ParityWarning(path=f"{at}.health.status", message="AWS takes statuses from 200 to 499 only", url=url)


def _stopping(at: str, service: Service) -> Iterator[ParityWarning]:
    rules = service.deployment
    if not 2 <= rules.stop_timeout_s <= 120:
        yield ParityWarning(
            path=f"{at}.deploy.stop_timeout",
            message=f"{units.duration_text(rules.stop_timeout_s)} here; Fargate takes 2s to 120s, then it kills",
            url=_ECS_API + "API_ContainerDefinition.html",
        )
    if service.routes and rules.deregistration_delay_s > 120:
        yield ParityWarning(
            path=f"{at}.deploy.drain",
            message=f"{units.duration_text(rules.deregistration_delay_s)} is longer than "
            "Fargate's longest stop timeout, 120s: on a Spot interruption requests are cut off sooner",
            url=_ECS + "fargate-capacity-providers.html",
        )


def _metrics(at: str, service: Service) -> Iterator[ParityWarning]:
    scaling = service.scaling
    on_machines = scaling.shape is ScalingShape.ASG
    for target in scaling.target_tracking:
        if target.metric is Metric.MEMORY and on_machines:
            yield ParityWarning(
                path=f"{at}.scale.target.memory",
                message="EC2 machines report no memory by themselves: AWS needs the CloudWatch agent for it",
                url=_EC2AS + "as-scaling-target-tracking.html",
            )
        if target.metric is Metric.REQUESTS and not on_machines and service.deployment.strategy is not Strategy.ROLLING:
            yield ParityWarning(
                path=f"{at}.scale.target.requests",
                message="ECS does not scale on requests with any strategy but rolling",
                url=_ECS + "service-autoscaling-targettracking.html",
            )
    possible = (1.0, 10.0, 30.0, 60.0) if on_machines else (1.0, 20.0, 60.0)
    if scaling.period_s not in possible and (scaling.target_tracking or scaling.steps):
        yield ParityWarning(
            path=f"{at}.scale.period",
            message=f"AWS has no datapoints of {units.duration_text(scaling.period_s)}: there it is 60s, "
            "so target tracking scales out after 3m and in after 15m",
            url=_ECS + "target-tracking-faster-auto-scaling.html",
        )
    for rule in scaling.steps:
        if rule.duration_s % 60:
            counted = units.duration_text(60.0 * math.ceil(rule.duration_s / 60))
            yield ParityWarning(
                path=f"{at}.scale.{'out' if rule.comparison.upward else 'in'}",
                message=f"holds for {units.duration_text(rule.duration_s)} here; "
                f"AWS counts whole datapoints of 60s, that is {counted}",
                url=_DOCS + "AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html",
            )


def _balancing(at: str, service: Service) -> Iterator[ParityWarning]:
    slow_start = service.balancing.slow_start_s
    if 0 < slow_start < 30:
        yield ParityWarning(
            path=f"{at}.slow_start",
            message=f"{units.duration_text(slow_start)} here; AWS takes 30s to 15m",
            url=_ALB + "load-balancer-target-groups.html",
        )
    if service.deployment.strategy is not Strategy.ROLLING and service.deployment.circuit_breaker is not None:
        yield ParityWarning(
            path=f"{at}.deploy.circuit_breaker",
            message="ECS has the circuit breaker for the rolling strategy only; there alarms take a rollout back",
            url=_ECS + "deployment-circuit-breaker.html",
        )


def _size(at: str, service: Service) -> Iterator[ParityWarning]:
    written = (service.size.cpu, service.size.memory_bytes)
    given = fargate_size(*written)
    if given != written:
        had, has = (f"{units.number_text(cpu)} cpu with {units.size_text(memory)}" for cpu, memory in (written, given))
        yield ParityWarning(
            path=f"{at}.size",
            message=f"Fargate has no {had}; the nearest that holds it is {has}",
            url=_ECS + "fargate-tasks-services.html",
        )


def _application(app: Application) -> Iterator[ParityWarning]:
    used = {store for service in app.services for store in service.stores}
    for store in app.stores:
        if store.name not in used:
            yield ParityWarning(path=f"stores.{store.name}", message="no service uses this store")
        if app.aws is not None and store.kind is StoreKind.REDIS and store.replicas == 0:
            yield ParityWarning(
                path=f"stores.{store.name}.replicas",
                message="without a replica AWS has nothing to fail over to: data and service are gone with the node",
                url=_DOCS + "AmazonElastiCache/latest/dg/AutoFailover.html",
            )
    if app.aws is None:
        return
    if len(app.zones) < 2:
        yield ParityWarning(
            path="zones",
            message="an Application Load Balancer needs two zones",
            url=_ALB + "application-load-balancers.html",
        )
    limit = app.listener.rate_limit
    if limit is not None and (limit.requests < 10 or limit.per_s not in {60.0, 120.0, 300.0, 600.0}):
        yield ParityWarning(
            path="listener.rate_limit",
            message="AWS WAF counts at least 10 requests, per 1m, 2m, 5m or 10m",
            url=_DOCS + "waf/latest/developerguide/waf-rule-statement-type-rate-based.html",
        )
