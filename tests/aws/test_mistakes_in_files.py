"""Wrong applications that AWS would refuse, or accept and never make work: each is refused here with a sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aws import applications
from flyball.aws import rules
from flyball.core.model import (
    Adaptive,
    Application,
    Aws,
    Balancing,
    BalancingAlgorithm,
    Capacity,
    CircuitBreaker,
    Comparison,
    Compute,
    Condition,
    Deployment,
    Edge,
    EdgeRouting,
    Firewall,
    FixedResponse,
    HealthCheck,
    KeyField,
    Listener,
    Metric,
    Network,
    Observe,
    Pipeline,
    PredictiveScaling,
    RateLimit,
    Region,
    Route,
    Scaling,
    ScheduledAction,
    Size,
    StepAdjustment,
    StepScaling,
    Stickiness,
    Store,
    StoreKind,
    Strategy,
    TargetTracking,
    Tls,
)

GIB = 1024**3


def on_fargate(**changes: Any) -> Application:
    app = applications.forum()
    first, *others = app.services
    return replace(app, services=(replace(first, **changes), *others))


def on_ec2(**changes: Any) -> Application:
    app = applications.session_app()
    return replace(app, services=(replace(app.services[0], **changes),))


def placed(**changes: Any) -> Application:
    app = applications.forum()
    assert app.aws is not None
    return replace(app, aws=replace(app.aws, **changes))


def spread(*names: str, **changes: Any) -> Application:
    return replace(placed(region=None, **changes), regions=tuple(Region(name=name) for name in names))


def stored(**changes: Any) -> Application:
    app = applications.session_app()
    return replace(app, stores=tuple(replace(store, **changes) for store in app.stores))


def stepped(*steps: StepAdjustment, comparison: Comparison = Comparison.ABOVE, duration_s: float = 60.0) -> Application:
    policy = StepScaling(metric=Metric.CPU, comparison=comparison, threshold=50.0, duration_s=duration_s, steps=steps)
    return on_ec2(scaling=Scaling(steps=(policy,)))


MISTAKES: tuple[tuple[str, Application, str], ...] = (
    ("no place on AWS", replace(applications.forum(), aws=None), "synthesis needs its region and compute"),
    ("a name with capitals", replace(applications.forum(), name="Forum"), "S3 would refuse"),
    ("a name too long for buckets", replace(applications.forum(), name="f" * 29), "S3 would refuse"),
    ("one zone", replace(applications.forum(), zones=("a",)), "needs subnets in two zones"),
    ("more zones than subnets", replace(applications.forum(), zones=("a", "b", "c")), "2 for 3 zones"),
    ("an address range too small", placed(network=Network(cidr="10.0.0.0/29")), "CreateVpc"),
    ("a subnet outside", placed(network=Network(cidr="10.1.0.0/16")), "CreateSubnet"),
    (
        "subnets that overlap",
        placed(network=Network(private_subnets=("10.0.0.0/24", "10.0.101.0/24"))),
        "overlap; CreateSubnet",
    ),
    ("TLS without a name", replace(applications.forum(), listener=Listener(tls=Tls())), "no name for a certificate"),
    (
        "a certificate of another region",
        replace(
            applications.forum(),
            listener=Listener(tls=Tls(certificate_arn=f"arn:aws:acm:eu-west-1:{'1' * 12}:certificate/0-0")),
        ),
        "accepts only its own region's",
    ),
    ("an idle timeout too long", replace(applications.forum(), listener=Listener(idle_timeout_s=4001)), "1 to 4000"),
    (
        "a rate of nothing",
        replace(applications.forum(), listener=Listener(firewall=Firewall(rates=(RateLimit(requests=0, per_s=60.0),)))),
        "WAF counts at least 10",
    ),
    ("several regions without a name", spread("us-east-1", "eu-west-1"), "to direct visitors"),
    ("no region at all", placed(region=None), "nothing can be anywhere"),
    ("a primary region that is none", replace(spread("eu-west-1"), aws=Aws(region="us-east-1")), "none of the regions"),
    (
        "a third region to fail over to",
        replace(
            spread("us-east-1", "eu-west-1", "eu-north-1", domain="x.example.com"),
            edge=Edge(routing=EdgeRouting.FAILOVER),
        ),
        "between a primary and one secondary",
    ),
    ("an unknown region", placed(region="stockholm"), "is not a region such as eu-north-1"),
    ("a region of AWS China", placed(region="cn-north-1"), "in AWS China"),
    ("a machine that is none", placed(machine="t3-micro"), "is not an instance type"),
    ("more spot than all", placed(spot_percent=120), "a share is 0 to 100"),
    ("a budget that tells nobody", placed(monthly_budget_usd=9.0), "nobody would be told"),
    ("a budget of nothing", placed(monthly_budget_usd=0.0), "CreateBudget"),
    (
        "logs kept an odd time",
        replace(applications.forum(), observe=Observe(log_retention_days=31)),
        "the nearest is 30",
    ),
    (
        "a connection without a repository",
        replace(applications.forum(), pipeline=Pipeline(connection_arn="arn:aws:codestar-connections:us-east-1:1")),
        "OWNER/NAME",
    ),
    ("a health path without slash", on_fargate(health=HealthCheck(path="health")), "does not start with /"),
    (
        "a health timeout as long as the interval",
        on_ec2(health=HealthCheck(interval_s=5.0, timeout_s=5.0)),
        "not below `every`",
    ),
    ("checks too often", on_ec2(health=HealthCheck(interval_s=2.0, timeout_s=2.0)), "from 5 to 300"),
    ("checks there too often", placed(health_interval_s=2.5), "aws.health_every: 2.5 s"),
    ("one passed check", on_fargate(health=HealthCheck(healthy_threshold=1)), "accepts 2 to 10"),
    ("500 is healthy", on_fargate(health=HealthCheck(status_max=500)), "accepts 200 to 499"),
    ("a third of a cpu on Fargate", on_fargate(size=Size(cpu=0.3)), "RegisterTaskDefinition"),
    ("much memory on a small task", on_fargate(size=Size(cpu=0.25, memory_bytes=4 * GIB)), "512 to 2048"),
    ("min above max", on_fargate(capacity=Capacity(min=11, max=10)), "RegisterScalableTarget"),
    ("a start outside", on_fargate(capacity=Capacity(min=2, max=10, desired=11)), "outside 2 to 10"),
    (
        "a rollout that cannot move",
        on_fargate(deployment=Deployment(minimum_healthy_percent=100, maximum_percent=100)),
        "the rollout would hang",
    ),
    (
        "room that rounding eats",
        on_fargate(
            capacity=Capacity(min=1, max=10), deployment=Deployment(minimum_healthy_percent=50, maximum_percent=150)
        ),
        "the rollout would hang",
    ),
    ("a maximum over 200 %", on_fargate(deployment=Deployment(maximum_percent=300)), "100 to 200 %"),
    ("a long farewell on Fargate", on_fargate(deployment=Deployment(stop_timeout_s=180.0)), "2 to 120 s"),
    (
        "a breaker of no failures",
        on_fargate(deployment=Deployment(circuit_breaker=CircuitBreaker(value=0))),
        "UpdateService",
    ),
    ("a drain of hours", on_fargate(deployment=Deployment(deregistration_delay_s=7200.0)), "0 to 3600"),
    ("a canary on machines", on_ec2(deployment=Deployment(strategy=Strategy.CANARY)), "can only roll"),
    (
        "a canary with two routes",
        on_fargate(
            deployment=Deployment(strategy=Strategy.CANARY),
            routes=(Route(condition=Condition(path="/a")), Route(condition=Condition(path="/b"))),
        ),
        "shifts exactly one rule",
    ),
    (
        "a linear step too small",
        on_fargate(deployment=Deployment(strategy=Strategy.LINEAR, step_percent=1.0)),
        "3 % to just below 100",
    ),
    (
        "requests tracked in a blue/green rollout",
        on_fargate(
            deployment=Deployment(strategy=Strategy.BLUE_GREEN),
            scaling=Scaling(target_tracking=(TargetTracking(metric=Metric.REQUESTS, target_value=100.0),)),
        ),
        "does not support it with strategy blue_green",
    ),
    (
        "latency as a target",
        on_fargate(scaling=Scaling(target_tracking=(TargetTracking(metric=Metric.P95, target_value=200.0),))),
        "unsuitable",
    ),
    (
        "requests of a service without a route",
        on_fargate(
            routes=(), scaling=Scaling(target_tracking=(TargetTracking(metric=Metric.REQUESTS, target_value=9.0),))
        ),
        "has no route",
    ),
    (
        "one metric tracked twice",
        on_fargate(scaling=Scaling(target_tracking=(TargetTracking(metric=Metric.CPU, target_value=50.0),) * 2)),
        "twice; PutScalingPolicy",
    ),
    (
        "steps with a gap",
        stepped(
            StepAdjustment(lower_bound=0.0, upper_bound=10.0, amount=1), StepAdjustment(lower_bound=20.0, amount=2)
        ),
        "a gap between 10 and 20",
    ),
    (
        "steps that overlap",
        stepped(
            StepAdjustment(lower_bound=0.0, upper_bound=20.0, amount=1), StepAdjustment(lower_bound=10.0, amount=2)
        ),
        "overlap between 10 and 20",
    ),
    (
        "no step at the threshold",
        stepped(StepAdjustment(lower_bound=5.0, amount=1)),
        "the alarm would fire without effect",
    ),
    ("no step at all", stepped(), "no step"),
    ("an alarm over days", stepped(StepAdjustment(lower_bound=0.0, amount=1), duration_s=90000.0), "at most one day"),
    (
        "a policy that AWS has not",
        on_fargate(scaling=Scaling(adaptive=Adaptive(metric=Metric.P99, threshold=200.0))),
        "AWS has no such policy and nothing would scale",
    ),
    (
        "a schedule with two kinds of day",
        on_fargate(scaling=Scaling(schedule=(ScheduledAction(cron="0 8 1 * 1", min=4),))),
        "cannot combine",
    ),
    (
        "a schedule that sets the start on ECS",
        on_fargate(scaling=Scaling(schedule=(ScheduledAction(cron="0 8 * * 1-5", desired=4),))),
        "set only min and max",
    ),
    (
        "a schedule that sets nothing",
        on_ec2(scaling=Scaling(schedule=(ScheduledAction(cron="0 8 * * *"),))),
        "sets none of min, max and desired",
    ),
    (
        "a forecast of errors",
        on_ec2(scaling=Scaling(predictive=PredictiveScaling(metric=Metric.ERRORS, target_value=1.0))),
        "AWS predicts only cpu, requests",
    ),
    (
        "slow start with least outstanding requests",
        on_fargate(balancing=Balancing(algorithm=BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS, slow_start_s=60.0)),
        "not with least_outstanding_requests",
    ),
    ("a slow start too short", on_fargate(balancing=Balancing(slow_start_s=10.0)), "30 to 900 s"),
    (
        "a cookie for a month",
        on_fargate(balancing=Balancing(stickiness=Stickiness(duration_s=2592000.0))),
        "1 to 604800",
    ),
    (
        "the same priority twice",
        replace(
            on_fargate(routes=(Route(condition=Condition(path="/api/posts"), priority=5),)),
            listener=Listener(
                fixed_responses=(FixedResponse(condition=Condition(path="/gone"), status=410, priority=5),)
            ),
        ),
        "PriorityInUse",
    ),
    ("a weight too high", on_fargate(routes=(Route(condition=Condition(path="/a"), weight=1000),)), "0 to 999"),
    (
        "a rule with too many conditions",
        on_fargate(routes=(Route(condition=Condition(path="/a", headers=tuple((f"x-{n}", "1") for n in range(5)))),)),
        "allows 5",
    ),
    (
        "a server that listens on this machine only",
        on_fargate(run="uvicorn posts.main:app --host 127.0.0.1 --port $PORT"),
        "the balancer could not reach it",
    ),
    ("an unclosed quotation", on_fargate(run="sh -c 'serve"), "no instance would start"),
    ("a source outside", on_fargate(source="../secrets"), "outside the file's directory"),
    ("an own PORT", on_fargate(environment=(("PORT", "9"),)), "Flyball or AWS sets this variable"),
    (
        "a table without a key",
        replace(applications.forum(), stores=(Store(name="forum", kind=StoreKind.TABLE),)),
        "CreateTable would fail",
    ),
    (
        "a key with one field twice",
        replace(
            applications.forum(),
            stores=(Store(name="forum", kind=StoreKind.TABLE, key=(KeyField(name="pk"), KeyField(name="pk"))),),
        ),
        "a field is repeated",
    ),
    ("too many copies of Redis", stored(replicas=6), "accepts 0 to 5"),
    ("an archive within the hour", stored(archive_after_s=3600.0), "whole days"),
    (
        "Redis that nobody uses",
        on_ec2(stores=("uploads",)),
        "nothing could reach it",
    ),
)


@pytest.mark.parametrize(
    ("app", "sentence"), [(app, sentence) for _, app, sentence in MISTAKES], ids=[m[0] for m in MISTAKES]
)
def test_refused(app: Application, sentence: str):
    found = rules.refusals(app)
    assert any(sentence in refusal for refusal in found), found


def test_at_least_thirty_mistakes_with_names_of_their_own():
    assert len({name for name, _, _ in MISTAKES}) == len(MISTAKES) >= 30


@pytest.mark.parametrize(
    "app",
    [
        applications.visitor_board(),
        applications.session_app(),
        applications.session_app_in_two_regions(),
        applications.forum(),
        applications.forum_with_certificate(),
    ],
    ids=lambda app: app.name,
)
def test_the_reference_applications_are_right(app: Application):
    assert rules.refusals(app) == ()


def test_all_mistakes_are_told_at_once():
    app = replace(placed(machine="big", spot_percent=-1), zones=("a",))
    assert len(rules.refusals(app)) == 3


def test_compute_decides_which_rules_hold():
    odd = replace(applications.forum().services[0], size=Size(cpu=0.3))
    machines = Aws(region="us-east-1", compute=Compute.EC2)
    app = replace(applications.forum(), services=(odd,), aws=machines)
    assert rules.refusals(app) == ()
