"""The three reference applications as values, and the same with what their seeds draw beyond the plain file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flyball.core.manifest import parse
from flyball.core.model import (
    AdjustmentType,
    Application,
    Aws,
    Balancing,
    BalancingAlgorithm,
    Capacity,
    CircuitBreaker,
    Comparison,
    Compute,
    Condition,
    CoreRules,
    Deployment,
    Edge,
    EdgeRouting,
    Firewall,
    FirewallAction,
    FixedResponse,
    HealthCheck,
    KeyField,
    KeyType,
    Listener,
    Metric,
    Nat,
    Network,
    Observe,
    Pipeline,
    PredictiveScaling,
    RateLimit,
    Redirect,
    Region,
    RegionHealth,
    RolloutAlarm,
    Route,
    Scaling,
    ScalingShape,
    ScheduledAction,
    Service,
    Size,
    StepAdjustment,
    StepScaling,
    Stickiness,
    Store,
    StoreKind,
    Strategy,
    TargetTracking,
    ThresholdType,
    Tls,
)

APPS = Path(__file__).parents[2] / "apps"


def shipped(name: str, file: str = "flyball.toml") -> Application:
    """What a file of a reference application says."""
    return parse((APPS / name / file).read_text(encoding="utf-8"))


def visitor_board() -> Application:
    """Seed 000: one service on EC2, 1 to 10, target tracking at 50 % CPU, a table."""
    return shipped("visitor-board")


def session_app() -> Application:
    """Seed 003: one service on EC2, 2 to 10, the seed's two alarms, Redis and a bucket."""
    return shipped("session-app")


def session_app_in_two_regions() -> Application:
    """Seed 003's optional advanced picture: Route 53 before us-east-1 and eu-west-1, TLS, rate limit."""
    app = session_app()
    assert app.aws is not None
    aws = replace(
        app.aws,
        domain="session.example.com",
        spot_percent=50,
        monthly_budget_usd=200.0,
        alarm_email="ops@example.com",
    )
    return replace(
        app,
        aws=aws,
        stores=tuple(replace(one, replicate=one.kind is StoreKind.BUCKET) for one in app.stores),
        regions=(Region(name="us-east-1"), Region(name="eu-west-1")),
        listener=Listener(tls=Tls(), firewall=Firewall(rates=(RateLimit(requests=600, per_s=60.0),))),
    )


def session_app_of_the_shipped_file() -> Application:
    """What the Session app's own file with two regions says."""
    return shipped("session-app", "two-regions.toml")


def forum() -> Application:
    """Seed 004: three services on Fargate behind path rules, 2 to 10, CPU 70 and memory 80."""
    return shipped("forum")


def forum_with_certificate() -> Application:
    """Seed 004's HTTPS: the certificate is given by its ARN."""
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
    return replace(forum(), listener=Listener(tls=Tls(certificate_arn=arn)))


def node_on_machines() -> Application:
    """A Node application on machines, whose releases are archives; beside it an image of a Dockerfile of its own."""
    web = Service(
        name="web",
        build="npm ci --omit=dev",
        run="node server.js",
        runtime="node@22",
        routes=(Route(condition=Condition(path="/")),),
        health=HealthCheck(path="/health"),
    )
    api = replace(
        web,
        name="api",
        build=None,
        run="./server",
        runtime=None,
        dockerfile="Dockerfile",
        source="api",
        stores=("sessions",),
        routes=(Route(condition=Condition(path="/api")),),
    )
    return Application(
        name="node",
        services=(web, api),
        stores=(Store(name="sessions", kind=StoreKind.REDIS),),
        aws=Aws(region="eu-north-1", compute=Compute.EC2, machine="t4g.small", network=Network(nat=Nat.ONE)),
    )


def images_on_fargate() -> Application:
    """The same as tasks: an image of ours with Node, and one of a Dockerfile; without a NAT gateway."""
    app = node_on_machines()
    return replace(
        app,
        name="images",
        stores=(),
        services=tuple(replace(each, stores=()) for each in app.services),
        aws=Aws(region="us-east-1", compute=Compute.FARGATE, network=Network(nat=Nat.NONE)),
    )


def _all_scaling(shape: ScalingShape) -> Scaling:
    """Every kind of policy at once."""
    out = StepScaling(
        metric=Metric.P95,
        comparison=Comparison.AT_LEAST,
        threshold=250.0,
        duration_s=90.0,
        adjustment_type=AdjustmentType.PERCENT_CHANGE_IN_CAPACITY,
        min_adjustment_magnitude=2,
        steps=(
            StepAdjustment(lower_bound=0.0, upper_bound=100.0, amount=10),
            StepAdjustment(lower_bound=100.0, amount=30),
        ),
        cooldown_s=120.0,
    )
    errors = StepScaling(
        metric=Metric.ERRORS,
        comparison=Comparison.ABOVE,
        threshold=5.0,
        duration_s=60.0,
        steps=(StepAdjustment(lower_bound=0.0, amount=1),),
    )
    return Scaling(
        target_tracking=tuple(
            TargetTracking(metric=metric, target_value=value, disable_scale_in=metric is Metric.MEMORY)
            for metric, value in ((Metric.CPU, 55.0), (Metric.MEMORY, 75.0), (Metric.REQUESTS, 900.0))
        ),
        steps=(out, errors),
        schedule=(
            ScheduledAction(cron="0 8 * * 1-5", timezone="Europe/Stockholm", min=4, max=9),
            ScheduledAction(at=1_900_000_000.0, min=3, max=8),
        ),
        predictive=PredictiveScaling(metric=Metric.CPU, target_value=60.0, forecast_only=False, buffer_s=600.0),
        shape=shape,
        period_s=60.0 if shape is ScalingShape.ASG else 20.0,
        scale_out_cooldown_s=40.0 if shape is ScalingShape.ECS else None,
        scale_in_cooldown_s=240.0 if shape is ScalingShape.ECS else None,
        warmup_s=150.0 if shape is ScalingShape.ASG else None,
        disable_scale_in=True,
    )


def _everything(compute: Compute) -> Application:
    shape = ScalingShape.ASG if compute is Compute.EC2 else ScalingShape.ECS
    alarms = (
        RolloutAlarm(metric=Metric.P99, threshold=900.0, duration_s=120.0),
        RolloutAlarm(metric=Metric.ERRORS, threshold=2.0, duration_s=60.0),
    )
    first = Service(
        name="front",
        run="serve --port $PORT",
        test="true",
        source="front",
        tls=True,
        environment=(("MODE", 'a "quoted" value'),),
        routes=(
            Route(condition=Condition(path="/shop", host="*.example.com", headers=(("x-beta", "yes"),)), priority=40),
            Route(condition=Condition(path="/"), weight=3),
        ),
        health=HealthCheck(
            path="/ok",
            interval_s=12.0,
            timeout_s=7.0,
            healthy_threshold=3,
            unhealthy_threshold=4,
            grace_s=77.0,
            status_min=200,
            status_max=399,
        ),
        stores=("things", "files", "cache"),
        size=Size(cpu=1.0, memory_bytes=3 * 1024**3),
        capacity=Capacity(min=2, max=9, desired=3),
        scaling=_all_scaling(shape),
        deployment=Deployment(
            minimum_healthy_percent=50,
            maximum_percent=150,
            circuit_breaker=CircuitBreaker(threshold_type=ThresholdType.COUNT, value=7, reset_on_healthy=True),
            alarms=alarms,
            deregistration_delay_s=45.0,
            stop_timeout_s=50.0,
        ),
        balancing=Balancing(slow_start_s=60.0, stickiness=Stickiness(duration_s=1234.0)),
    )
    second = Service(
        name="back",
        run="serve",
        routes=(Route(condition=Condition(path="/"), weight=1),),
        balancing=Balancing(algorithm=BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS),
        deployment=Deployment(circuit_breaker=None, rollback=False),
    )
    connection = "arn:aws:codestar-connections:eu-north-1:123456789012:connection/12345678-1234-1234-1234-123456789012"
    return Application(
        name="everything",
        services=(first, second),
        stores=(
            Store(
                name="things",
                kind=StoreKind.TABLE,
                replicate=True,
                key=(KeyField(name="n", type=KeyType.NUMBER),),
                ttl="until",
            ),
            Store(name="files", kind=StoreKind.BUCKET, archive_after_s=86400.0),
            Store(name="cache", kind=StoreKind.REDIS, replicas=0),
        ),
        listener=Listener(
            idle_timeout_s=75.0,
            tls=Tls(hsts_s=86400.0),
            firewall=Firewall(
                deny=("203.0.113.0/24", "2001:db8::/32"),
                allow=("198.51.100.0/24",),
                methods=("GET", "POST"),
                max_url_bytes=2048,
                max_headers_bytes=4096,
                max_body_bytes=1000,
                bad_input=FirewallAction.COUNT,
                rates=(RateLimit(requests=10, per_s=1.0, path="/api", action=FirewallAction.COUNT),),
                managed=False,
                core_rules=CoreRules(fail_open=True, action=FirewallAction.COUNT, skip_paths=("/raw",)),
                uploads=("/files",),
            ),
            redirects=(Redirect(condition=Condition(path="/old"), location="https://new.example.com/x?y=1"),),
            fixed_responses=(
                FixedResponse(
                    condition=Condition(path="/teapot"), status=418, body="{}", content_type="application/json"
                ),
            ),
        ),
        pipeline=Pipeline(branch="release", connection_arn=connection, repository="owner/everything"),
        observe=Observe(log_retention_days=90),
        regions=(Region(name="eu-north-1"), Region(name="eu-west-1")),
        edge=Edge(
            routing=EdgeRouting.FAILOVER,
            health=RegionHealth(path="/region", interval_s=30.0, unhealthy_threshold=4),
            pause_s=60.0,
        ),
        aws=Aws(
            region="eu-north-1",
            compute=compute,
            machine="t4g.small",
            domain="all.example.com",
            spot_percent=30,
            monthly_budget_usd=99.0,
            alarm_email="ops@example.com",
            network=Network(
                cidr="10.9.0.0/16",
                public_subnets=("10.9.0.0/24", "10.9.1.0/24"),
                private_subnets=("10.9.2.0/24", "10.9.3.0/24"),
                endpoints=True,
                flow_log=True,
            ),
        ),
    )


def everything_on_machines() -> Application:
    """Every field of the model that EC2 honours, set to something that is no default."""
    return _everything(Compute.EC2)


def everything_on_fargate() -> Application:
    """Every field of the model that Fargate honours, set to something that is no default; a canary beside it."""
    app = _everything(Compute.FARGATE)
    canary = Service(
        name="canary",
        run="serve",
        routes=(Route(condition=Condition(path="/canary")),),
        deployment=Deployment(
            strategy=Strategy.CANARY,
            step_percent=12.0,
            step_interval_s=300.0,
            bake_s=600.0,
            alarms=(
                RolloutAlarm(metric=Metric.ERRORS, comparison=Comparison.ABOVE, threshold=1.0, duration_s=60.0),
                RolloutAlarm(metric=Metric.P99, comparison=Comparison.ABOVE, threshold=500.0, duration_s=60.0),
            ),
        ),
    )
    linear = replace(
        canary,
        name="linear",
        routes=(Route(condition=Condition(path="/linear")),),
        deployment=Deployment(strategy=Strategy.LINEAR, step_percent=25.0, step_interval_s=61.0),
    )
    return replace(app, services=(*app.services, canary, linear))
