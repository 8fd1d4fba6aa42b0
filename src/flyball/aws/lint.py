"""Valid settings that AWS treats differently from this machine; each warning links to the AWS page that says so.

Needs no CDK: `flyball check` uses it without the extra.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator

from flyball.core.manifest import LintWarning, units
from flyball.core.model import Application, Compute, Metric, ScalingShape, Service, StoreKind, Strategy

from .sizes import fargate_size

_DOCS = "https://docs.aws.amazon.com/"
_ALB = _DOCS + "elasticloadbalancing/latest/application/"
_ECS = _DOCS + "AmazonECS/latest/developerguide/"

# How long these servers keep an idle connection by default, and the option that changes it.
_KEEP_ALIVE = {
    "gunicorn": ("--keep-alive", 2.0),
    "uvicorn": ("--timeout-keep-alive", 5.0),
    "hypercorn": ("--keep-alive", 5.0),
}


def warnings(app: Application) -> tuple[LintWarning, ...]:
    """All warnings, services in file order; none without `[aws]`."""
    if app.aws is None:
        return ()
    found: list[LintWarning] = []
    for service in app.services:
        at = f"services.{service.name}"
        found += _health(at, service, app.aws.health_interval_s)
        for source in (_metrics, _balancing):
            found += source(at, service)
        found += _keep_alive(at, service, app.listener.idle_timeout_s)
        if app.aws.compute is Compute.FARGATE:
            found += _stopping(at, service)
            found += _size(at, service)
    return (*found, *_application(app))


def _keep_alive(at: str, service: Service, idle: float) -> Iterator[LintWarning]:
    words = shlex.split(service.run)
    server = next((word.rsplit("/", 1)[-1] for word in words if word.rsplit("/", 1)[-1] in _KEEP_ALIVE), None)
    if server is None or not service.routes:
        return
    option, default = _KEEP_ALIVE[server]
    given = re.search(rf"{option}(?:=| +)([0-9]+)(?!\S)", service.run)
    kept = float(given[1]) if given else default
    if kept <= idle:
        yield LintWarning(
            path=f"{at}.run",
            message=f"{server} closes idle connections after {units.duration_text(kept)}, the balancer after "
            f"{units.duration_text(idle)}: AWS answers 502 when it reuses a closed one; "
            f"add {option} {math.ceil(idle) + 15}",
            url=_ALB + "load-balancer-troubleshooting.html",
        )


def _health(at: str, service: Service, own_interval_s: float | None) -> Iterator[LintWarning]:
    check, url = service.health, _ALB + "target-group-health-checks.html"
    if not service.routes:
        return
    interval_s = check.interval_s if own_interval_s is None else 5.0  # the file says what it is there
    for key, length_s, low, high in (("every", interval_s, 5, 300), ("timeout", check.timeout_s, 2, 120)):
        if length_s < low or length_s % 1:
            said = f"{units.duration_text(length_s)} here; AWS accepts whole seconds from {low}s to {high}s"
            yield LintWarning(path=f"{at}.health.{key}", message=said, url=url)
    for key, threshold in (("healthy_after", check.healthy_threshold), ("unhealthy_after", check.unhealthy_threshold)):
        if threshold < 2:
            yield LintWarning(path=f"{at}.health.{key}", message=f"{threshold} here; AWS accepts 2 to 10", url=url)
    if check.status_min < 200 or check.status_max > 499:
        yield LintWarning(path=f"{at}.health.status", message="AWS accepts only statuses from 200 to 499", url=url)


def _stopping(at: str, service: Service) -> Iterator[LintWarning]:
    rules = service.deployment
    if not 2 <= rules.stop_timeout_s <= 120:
        yield LintWarning(
            path=f"{at}.deploy.stop_timeout",
            message=f"{units.duration_text(rules.stop_timeout_s)} here; Fargate accepts 2s to 120s, then kills",
            url=_DOCS + "AmazonECS/latest/APIReference/API_ContainerDefinition.html",
        )
    if service.routes and rules.deregistration_delay_s > 120:
        yield LintWarning(
            path=f"{at}.deploy.drain",
            message=f"{units.duration_text(rules.deregistration_delay_s)} is longer than "
            "Fargate's longest stop timeout, 120s: a Spot interruption cuts requests off sooner",
            url=_ECS + "fargate-capacity-providers.html",
        )


def _metrics(at: str, service: Service) -> Iterator[LintWarning]:
    scaling = service.scaling
    on_machines = scaling.shape is ScalingShape.ASG
    for target in scaling.target_tracking:
        if target.metric is Metric.MEMORY and on_machines:
            yield LintWarning(
                path=f"{at}.scale.target.memory",
                message="EC2 machines do not report memory on their own: AWS needs the CloudWatch agent",
                url=_DOCS + "autoscaling/ec2/userguide/as-scaling-target-tracking.html",
            )
        if target.metric is Metric.REQUESTS and not on_machines and service.deployment.strategy is not Strategy.ROLLING:
            yield LintWarning(
                path=f"{at}.scale.target.requests",
                message="ECS scales on requests only with the rolling strategy",
                url=_ECS + "service-autoscaling-targettracking.html",
            )
    possible = (1.0, 10.0, 30.0, 60.0) if on_machines else (1.0, 20.0, 60.0)
    if scaling.period_s not in possible and (scaling.target_tracking or scaling.steps):
        yield LintWarning(
            path=f"{at}.scale.period",
            message=f"AWS has no {units.duration_text(scaling.period_s)} datapoints; it uses 60s, "
            "so target tracking scales out after 3m and in after 15m",
            url=_ECS + "target-tracking-faster-auto-scaling.html",
        )
    for rule in scaling.steps:
        if rule.duration_s % 60:
            counted = units.duration_text(60.0 * math.ceil(rule.duration_s / 60))
            yield LintWarning(
                path=f"{at}.scale.{'out' if rule.comparison.upward else 'in'}",
                message=f"holds for {units.duration_text(rule.duration_s)} here; "
                f"AWS counts whole 60s datapoints, that is {counted}",
                url=_DOCS + "AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html",
            )


def _balancing(at: str, service: Service) -> Iterator[LintWarning]:
    slow_start = service.balancing.slow_start_s
    if 0 < slow_start < 30:
        yield LintWarning(
            path=f"{at}.slow_start",
            message=f"{units.duration_text(slow_start)} here; AWS accepts 30s to 15m",
            url=_ALB + "load-balancer-target-groups.html",
        )
    if service.deployment.strategy is not Strategy.ROLLING and service.deployment.circuit_breaker is not None:
        yield LintWarning(
            path=f"{at}.deploy.circuit_breaker",
            message="ECS has a circuit breaker only for the rolling strategy; otherwise alarms roll back",
            url=_ECS + "deployment-circuit-breaker.html",
        )


def _size(at: str, service: Service) -> Iterator[LintWarning]:
    written = (service.size.cpu, service.size.memory_bytes)
    given = fargate_size(*written)
    if given != written:
        had, has = (f"{units.number_text(cpu)} cpu with {units.size_text(memory)}" for cpu, memory in (written, given))
        yield LintWarning(
            path=f"{at}.size",
            message=f"Fargate has no {had}; the smallest size that fits is {has}",
            url=_ECS + "fargate-tasks-services.html",
        )


def _application(app: Application) -> Iterator[LintWarning]:
    for store in app.stores:
        if store.kind is StoreKind.REDIS and store.replicas == 0:
            yield LintWarning(
                path=f"stores.{store.name}.replicas",
                message="without a replica AWS has nothing to fail over to: losing the node loses the data",
                url=_DOCS + "AmazonElastiCache/latest/dg/AutoFailover.html",
            )
    if len(app.zones) < 2:
        yield LintWarning(
            path="zones",
            message="an Application Load Balancer needs two zones",
            url=_ALB + "application-load-balancers.html",
        )
    if app.listener.firewall.core_rules is not None:
        yield LintWarning(
            path="listener.firewall.rules",
            message="AWS has no OWASP Core Rule Set: its managed rule groups (common, known bad inputs, SQL) stand in, "
            "which look at 8 KB of a body and refuse at the first match instead of a score",
            url=_DOCS + "waf/latest/developerguide/aws-managed-rule-groups-list.html",
        )
    rates = app.listener.firewall.rates
    if any(limit.requests < 10 or limit.per_s not in {60.0, 120.0, 300.0, 600.0} for limit in rates):
        yield LintWarning(
            path="listener.firewall.rate",
            message="AWS WAF counts at least 10 requests, per 1m, 2m, 5m or 10m",
            url=_DOCS + "waf/latest/developerguide/waf-rule-statement-type-rate-based.html",
        )
