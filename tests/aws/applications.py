"""The three reference applications as values, and the same with what their seeds draw beyond the plain file."""

from __future__ import annotations

from dataclasses import replace

from flyball.core.model import (
    Application,
    Aws,
    Capacity,
    CircuitBreaker,
    Comparison,
    Compute,
    Condition,
    Deployment,
    HealthCheck,
    KeyField,
    Listener,
    Metric,
    RateLimit,
    Route,
    Scaling,
    ScalingShape,
    Service,
    Size,
    StepAdjustment,
    StepScaling,
    Store,
    StoreKind,
    TargetTracking,
    Tls,
)

BUILD = "uv venv && uv pip install -r requirements.txt"


def visitor_board() -> Application:
    """Seed 000: one service on EC2, 1 to 10, target tracking at 50 % CPU, a table."""
    web = Service(
        name="web",
        build=BUILD,
        run="granian --interface wsgi --port $PORT board:app",
        routes=(Route(condition=Condition(path="/")),),
        health=HealthCheck(path="/health"),
        stores=("messages",),
        size=Size(cpu=0.25, memory_bytes=512 * 1024 * 1024),
        capacity=Capacity(min=1, max=10),
        scaling=Scaling(
            target_tracking=(TargetTracking(metric=Metric.CPU, target_value=50.0),), shape=ScalingShape.ASG
        ),
    )
    return Application(
        name="visitor-board",
        services=(web,),
        stores=(Store(name="messages", kind=StoreKind.TABLE, key=(KeyField(name="board"), KeyField(name="posted"))),),
        aws=Aws(regions=("eu-north-1",), compute=Compute.EC2, machine="t3.micro"),
    )


def session_app() -> Application:
    """Seed 003: one service on EC2, 2 to 10, the seed's two alarms, Redis and a bucket."""
    out = StepScaling(
        metric=Metric.CPU,
        comparison=Comparison.ABOVE,
        threshold=50.0,
        duration_s=120.0,
        steps=(StepAdjustment(lower_bound=0.0, amount=1),),
    )
    back = StepScaling(
        metric=Metric.CPU,
        comparison=Comparison.BELOW,
        threshold=30.0,
        duration_s=300.0,
        steps=(StepAdjustment(upper_bound=0.0, amount=-1),),
    )
    app = Service(
        name="app",
        build=BUILD,
        run="uvicorn app:app --port $PORT",
        routes=(Route(condition=Condition(path="/")),),
        health=HealthCheck(path="/health"),
        stores=("sessions", "uploads"),
        capacity=Capacity(min=2, max=10),
        scaling=Scaling(steps=(out, back), shape=ScalingShape.ASG),
    )
    return Application(
        name="session-app",
        services=(app,),
        stores=(
            Store(name="sessions", kind=StoreKind.REDIS),
            Store(name="uploads", kind=StoreKind.BUCKET, archive_after_s=90 * 86400.0),
        ),
        aws=Aws(regions=("us-east-1",), compute=Compute.EC2, machine="t3.small"),
    )


def session_app_in_two_regions() -> Application:
    """Seed 003's optional advanced picture: Route 53 before us-east-1 and eu-west-1, TLS, rate limit."""
    app = session_app()
    assert app.aws is not None
    aws = replace(
        app.aws,
        regions=("us-east-1", "eu-west-1"),
        domain="session.example.com",
        spot_percent=50,
        monthly_budget_usd=200.0,
        alarm_email="ops@example.com",
    )
    return replace(app, aws=aws, listener=Listener(tls=Tls(), rate_limit=RateLimit(requests=600, per_s=60.0)))


def _forum_service(name: str) -> Service:
    return Service(
        name=name,
        build=BUILD,
        run=f"uvicorn {name}.main:app --port $PORT",
        routes=(Route(condition=Condition(path=f"/api/{name}")),),
        health=HealthCheck(path="/health", interval_s=30.0, timeout_s=5.0),
        stores=("forum",),
        size=Size(cpu=0.25, memory_bytes=512 * 1024 * 1024),
        capacity=Capacity(min=2, max=10),
        scaling=Scaling(
            target_tracking=(
                TargetTracking(metric=Metric.CPU, target_value=70.0),
                TargetTracking(metric=Metric.MEMORY, target_value=80.0),
            ),
            shape=ScalingShape.ECS,
            scale_in_cooldown_s=300.0,
        ),
        deployment=Deployment(deregistration_delay_s=30.0, circuit_breaker=CircuitBreaker(), rollback=True),
    )


def forum() -> Application:
    """Seed 004: three services on Fargate behind path rules, 2 to 10, CPU 70 and memory 80."""
    return Application(
        name="forum",
        services=tuple(_forum_service(name) for name in ("posts", "threads", "users")),
        stores=(Store(name="forum", kind=StoreKind.TABLE, key=(KeyField(name="pk"), KeyField(name="sk"))),),
        aws=Aws(regions=("us-east-1",), compute=Compute.FARGATE),
    )


def forum_with_certificate() -> Application:
    """Seed 004's HTTPS: the certificate is given by its ARN."""
    arn = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
    return replace(forum(), listener=Listener(tls=Tls(certificate_arn=arn)))
