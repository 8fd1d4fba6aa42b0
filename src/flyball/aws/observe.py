"""What an operator sees: alarms, and a dashboard with the seed's tiles.

In the seed's order: active instances, request count, CPU utilisation, request latency (p50, p95, p99), health
check status, scaling activity; then memory and network, and what scaling and rollouts did.
"""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns

from flyball.core.model import Comparison, Metric

from . import activities
from .alarms import alarm, measure
from .machine import needs_memory_metric
from .metrics import AWS_PERIOD_S, Source, Watched, of_balancer, own, source
from .site import Site, logical, statement


def topic(site: Site) -> sns.CfnTopic:
    """The topic for alarms; it sends mail when the file has an address."""
    made = sns.CfnTopic(
        site.stack,
        "Alarms",
        display_name=f"{site.app.name} alarms",
        kms_master_key_id=site.key.ref,
        subscription=[sns.CfnTopic.SubscriptionProperty(protocol="email", endpoint=site.aws.alarm_email)]
        if site.aws.alarm_email
        else [],
    )
    ours = {"StringEquals": {"aws:SourceAccount": site.stack.account}}
    publish = statement(["sns:Publish"], [made.ref], ours, to="cloudwatch", sid="AlarmsMayPublish")
    tls = iam.PolicyStatement(
        sid="OnlyEncrypted",
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=["sns:Publish"],
        resources=[made.ref],
        conditions={"Bool": {"aws:SecureTransport": "false"}},
    )
    sns.CfnTopicPolicy(
        site.stack,
        "AlarmsPolicy",
        topics=[made.ref],
        policy_document=iam.PolicyDocument(statements=[publish, tls]),
    )
    return made


def rollout_alarms(site: Site, watched: Watched) -> list[str]:
    """Creates the alarms that roll back a rollout; returns their names."""
    service = watched.service
    return [
        str(
            alarm(
                site,
                f"RolloutAlarm{index}",
                watched,
                metric=each.metric,
                comparison=each.comparison,
                threshold=each.threshold,
                duration_s=each.duration_s,
                period_s=AWS_PERIOD_S,
                actions=[],
                description=f"{service.name}: rolls back a rollout",
                missing="notBreaching",
            ).ref
        )
        for index, each in enumerate(service.deployment.alarms, start=1)
    ]


def alarms(site: Site, watched: Watched, notify: sns.CfnTopic) -> None:
    """The alarms that notify somebody: failing health checks, error responses."""
    name = watched.service.name
    made = cloudwatch.CfnAlarm
    made(
        site.stack,
        logical(name, "UnhealthyAlarm"),
        actions_enabled=True,
        alarm_actions=[notify.ref],
        alarm_description=f"{name}: instances fail their health check",
        evaluation_periods=5,
        datapoints_to_alarm=5,
        threshold=0,
        comparison_operator="GreaterThanThreshold",
        treat_missing_data="notBreaching",
        **measure(watched, of_balancer(watched, "UnHealthyHostCount", "Maximum"), AWS_PERIOD_S),
    )
    alarm(
        site,
        "ErrorsAlarm",
        watched,
        metric=Metric.ERRORS,
        comparison=Comparison.ABOVE,
        threshold=5.0,
        duration_s=300.0,
        period_s=AWS_PERIOD_S,
        actions=[notify.ref],
        description=f"{name}: more than 5 % of responses are errors",
        missing="notBreaching",
    )


def dashboard(site: Site, services: list[Watched]) -> None:
    """The seed's tiles, for all services of this region."""
    tiles = [
        _number("Active instances", site, _counted(services, "HealthyHostCount", "Average"), x=0),
        _number("Request count per minute", site, _counted(services, "RequestCount", "Sum"), x=12),
        _graph("CPU utilization (%)", site, _cpu(services), y=3),
        _graph("Request latency (s)", site, _latencies(services), y=9),
        _graph("Health check status", site, _health(services), y=15),
        _graph("Scaling activity", site, _own(services, CAPACITY), y=21),
        _graph("Memory and network", site, [*_memory(services), *_own(services, NETWORK)], y=27),
        activities.tile(site, activities.build(site), y=33),
    ]
    cloudwatch.CfnDashboard(
        site.stack,
        "Dashboard",
        dashboard_name=site.name(site.region),
        dashboard_body=site.stack.to_json_string({"widgets": tiles}),
    )


def _counted(services: list[Watched], name: str, statistic: str) -> list[list[Any]]:
    return [line for each in services for line in _lines(each, of_balancer(each, name, statistic), each.service.name)]


def _cpu(services: list[Watched]) -> list[list[Any]]:
    return [_line(source(each, Metric.CPU), each.service.name) for each in services]


def _latencies(services: list[Watched]) -> list[list[Any]]:
    return [
        line
        for each in services
        for metric in (Metric.P50, Metric.P95, Metric.P99)
        for line in _lines(each, source(each, metric), f"{each.service.name} {metric}")
    ]


def _health(services: list[Watched]) -> list[list[Any]]:
    return [
        line
        for each in services
        for name, word in (("HealthyHostCount", "healthy"), ("UnHealthyHostCount", "unhealthy"))
        for line in _lines(each, of_balancer(each, name, "Maximum"), f"{each.service.name} {word}")
    ]


CAPACITY = (
    ("desired", "DesiredTaskCount", "GroupDesiredCapacity"),
    ("in service", "RunningTaskCount", "GroupInServiceInstances"),
)
"""What scaling wants, and what serves: word, metric of tasks, of machines."""
NETWORK = (("in (bytes)", "NetworkRxBytes", "NetworkIn"), ("out (bytes)", "NetworkTxBytes", "NetworkOut"))


def _own(services: list[Watched], metrics: tuple[tuple[str, str, str], ...]) -> list[list[Any]]:
    return [
        _line(own(each, tasks=tasks, machines=machines), f"{each.service.name} {word}")
        for each in services
        for word, tasks, machines in metrics
    ]


def _memory(services: list[Watched]) -> list[list[Any]]:
    """Memory where it is measured: of tasks always, of machines if a policy or alarm uses it."""
    measured = [each for each in services if each.group is None or needs_memory_metric(each.service)]
    return [_line(source(each, Metric.MEMORY), f"{each.service.name} memory (%)") for each in measured]


def _lines(watched: Watched, found: Source, label: str) -> list[list[Any]]:
    """One line per target group of the service; the second is labelled as such."""
    return [
        _line(each, label if index == 0 else f"{label}, second group")
        for index, each in enumerate(watched.of_all_groups(found))
    ]


def _line(found: Source, label: str) -> list[Any]:
    flat = [text for pair in found.dimensions.items() for text in pair]
    return [found.namespace, found.name, *flat, {"stat": found.statistic, "label": label}]


def _number(title: str, site: Site, lines: list[list[Any]], *, x: int) -> dict[str, object]:
    return _tile(title, site, lines, "singleValue", x=x, y=0, width=12, height=3)


def _graph(title: str, site: Site, lines: list[list[Any]], *, y: int) -> dict[str, object]:
    return _tile(title, site, lines, "timeSeries", x=0, y=y, width=24, height=6)


def _tile(title: str, site: Site, lines: list[list[Any]], view: str, **place: int) -> dict[str, object]:
    properties = {"title": title, "view": view, "region": site.region, "period": AWS_PERIOD_S, "metrics": lines}
    return {"type": "metric", **place, "properties": properties}
