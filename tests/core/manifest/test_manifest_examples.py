"""The files of the promises become what they say; a shorthand is its long form; defaults lie below services."""

import pytest

from flyball.core.manifest import parse
from flyball.core.model import (
    Acme,
    Adaptive,
    AdjustmentType,
    Application,
    Aws,
    Capacity,
    ChangeRate,
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
    Hpa,
    KeyField,
    KeyType,
    Kpa,
    Listener,
    Metric,
    Network,
    Observe,
    Pipeline,
    PredictiveScaling,
    RateLimit,
    Redirect,
    Region,
    RegionHealth,
    RegionService,
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
    TargetTracking,
    ThresholdType,
    Tls,
)
from flyball.core.model.firewall import UNJUDGED
from manifests import FORUM, SESSION_APP, VISITOR_BOARD, one_service


def web(lines: str, rest: str = "") -> Service:
    return parse(one_service(lines, rest)).services[0]


def test_the_visitor_board_is_read_whole():
    assert parse(VISITOR_BOARD) == Application(
        name="visitor-board",
        services=(
            Service(
                name="web",
                build="uv venv && uv pip install -r requirements.txt",
                run="granian --interface wsgi --port $PORT board:app",
                routes=(Route(condition=Condition(path="/")),),
                health=HealthCheck(path="/health"),
                stores=("messages",),
                size=Size(cpu=0.25, memory_bytes=512 * 1024**2),
                capacity=Capacity(min=1, max=10),
                scaling=Scaling(
                    target_tracking=(TargetTracking(metric=Metric.CPU, target_value=50.0),), shape=ScalingShape.ASG
                ),
            ),
        ),
        stores=(Store(name="messages", kind=StoreKind.TABLE, key=(KeyField(name="board"), KeyField(name="posted"))),),
        aws=Aws(region="eu-north-1", compute=Compute.EC2, machine="t3.micro"),
    )


def test_the_session_apps_rules_are_the_seeds():
    service = parse(SESSION_APP).services[0]
    assert service.capacity == Capacity(min=2, max=10, desired=2)
    assert service.scaling.steps == (
        StepScaling(
            metric=Metric.CPU,
            comparison=Comparison.ABOVE,
            threshold=50.0,
            duration_s=120.0,
            steps=(StepAdjustment(lower_bound=0.0, amount=1),),
        ),
        StepScaling(
            metric=Metric.CPU,
            comparison=Comparison.BELOW,
            threshold=30.0,
            duration_s=300.0,
            steps=(StepAdjustment(upper_bound=0.0, amount=-1),),
        ),
    )
    assert service.deployment == Deployment(
        alarms=(
            RolloutAlarm(metric=Metric.ERRORS, threshold=1.0, duration_s=3.0),
            RolloutAlarm(metric=Metric.P95, threshold=500.0, duration_s=3.0),
        ),
        bake_s=120.0,
    )


def test_the_forums_services_start_from_the_defaults():
    app = parse(FORUM)
    assert [service.name for service in app.services] == ["posts", "threads", "users"]
    for service in app.services:
        assert service.capacity == Capacity(min=2, max=10)
        assert [(target.metric, target.target_value) for target in service.scaling.target_tracking] == [
            (Metric.CPU, 70.0),
            (Metric.MEMORY, 80.0),
        ]
        assert service.scaling.shape is ScalingShape.ECS
        assert service.stores == ("forum",)
    assert app.zones == ("a", "b")


def test_only_a_name_and_a_run_are_needed():
    assert parse('name = "app"\nservices.web.run = "serve"') == Application(
        name="app", services=(Service(name="web", run="serve"),)
    )


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ('health = "/up"', 'health = { path = "/up" }'),
        ("health.status = 200", "health.status = { min = 200, max = 200 }"),
        ('routes = ["/a"]', 'routes = [{ path = "/a" }]'),
        ("instances = 3", "instances = { min = 3, max = 3 }"),
        ("instances.min = 3", "instances = { min = 3, max = 3 }"),
        ("sticky = true", "sticky = { enabled = true }"),
        ('sticky = "1h"', 'sticky = { for = "1h" }'),
        ("sticky = false", ""),
        ("deploy.rollback = true", "deploy.rollback = { enabled = true }"),
        ("deploy.rollback = false", "deploy.rollback = { enabled = false }"),
        ("deploy.circuit_breaker = false", "deploy.circuit_breaker = { enabled = false }"),
        ("deploy.circuit_breaker = true", 'deploy.circuit_breaker = { failures = "50%" }'),
        ('deploy.alarms = ["errors > 1%"]', 'deploy.alarms = [{ when = "errors > 1%", for = "3s" }]'),
        ("scale.target.cpu = 50", "scale.target.cpu = { value = 50.0 }"),
        ('scale.target.cpu = "50%"', "scale.target.cpu = 50"),
        ('deploy.minimum_healthy = "50%"', "deploy.minimum_healthy = 50"),
        ('scale.out = { when = "cpu > 50%", add = 1 }', 'scale.out = [{ when = "cpu>50", add = 1, for = "3s" }]'),
        ('scale.schedule = { cron = "0 8 * * *", min = 1 }', 'scale.schedule = [{ cron = "0 8 * * *", min = 1 }]'),
        ('size.memory = "0.5GB"', 'size.memory = "512MiB"'),
    ],
)
def test_a_shorthand_is_its_long_form(short: str, long: str):
    assert web(short) == web(long)


@pytest.mark.parametrize("on_failure", ["open", "closed"])
def test_the_core_rules_judge_as_the_file_says(on_failure):
    text = 'name = "a"\nservices.w.run = "x"\n[listener.firewall]\naction = "count"\n[listener.firewall.rules]\n'
    more = f'set = "owasp-crs"\naction = "block"\nskip_paths = ["/raw"]\non_failure = "{on_failure}"'
    firewall = parse(text + more).listener.firewall
    fails_open = on_failure == "open"
    assert firewall.core_rules == CoreRules(action=FirewallAction.BLOCK, skip_paths=("/raw",), fail_open=fails_open)
    assert firewall.of_rule("owasp-crs 942100") is FirewallAction.BLOCK
    assert firewall.of_rule(UNJUDGED) is (FirewallAction.COUNT if fails_open else FirewallAction.BLOCK)
    assert firewall.of_rule("deny") is FirewallAction.COUNT


def test_shorthands_outside_services():
    assert parse('name = "a"\nservices.w.run = "x"\nlistener.firewall.rate = "100/1m"').listener == Listener(
        firewall=Firewall(rates=(RateLimit(requests=100, per_s=60.0),))
    )
    assert parse('name = "a"\nservices.w.run = "x"\nlistener.tls = true').listener.tls == Tls()
    assert parse('name = "a"\nservices.w.run = "x"\nlistener.tls = false').listener.tls is None


@pytest.mark.parametrize(
    ("tls", "found"),
    [
        ("true", (True, None)),
        ("{ ca = 'ca.pem' }", (True, "ca.pem")),
        ("{ enabled = false, ca = 'ca.pem' }", (False, None)),
    ],
)
def test_a_program_that_speaks_tls_itself(tls: str, found: tuple[bool, str | None]):
    service = parse(f'name = "a"\nservices.w.run = "x"\nservices.w.tls = {tls}').services[0]
    assert (service.tls, service.tls_ca) == found


def test_a_certificate_from_an_authority():
    asks = "tls.certificate = 'acme'\nacme = { domains = ['a.org', 'b.a.org', 'a.org'], agree = true }"
    tls = parse(f'name = "a"\nservices.w.run = "x"\n[listener]\n{asks}').listener.tls
    wanted = Acme(domains=("a.org", "b.a.org"), directory="https://acme-v02.api.letsencrypt.org/directory")
    assert tls == Tls(acme=wanted)


@pytest.mark.parametrize(
    ("hsts", "header"), [("true", "max-age=31536000"), ("'30d'", "max-age=2592000"), ("false", None)]
)
def test_how_long_a_browser_comes_with_https_only(hsts: str, header: str | None):
    tls = parse(f'name = "a"\nservices.w.run = "x"\nlistener.tls.hsts = {hsts}').listener.tls
    assert tls is not None
    assert tls.hsts == header
    assert parse('name = "a"\nzones = 3\nservices.w.run = "x"').zones == ("a", "b", "c")
    assert parse('name = "a"\nzones = ["a", "c"]\nservices.w.run = "x"').zones == ("a", "c")


def test_a_service_is_laid_over_the_defaults_key_by_key():
    service = parse(
        """
        name = "app"
        defaults.health = { path = "/health", every = "30s" }
        defaults.env = { A = "1", B = "1" }
        defaults.instances = 2
        defaults.scale = { target = { cpu = 70 }, in_cooldown = "5m" }
        defaults.test = "pytest"
        [services.web]
        run = "serve"
        test = "tox"
        env = { B = "2" }
        health = "/up"
        scale.target = { memory = 80 }
        """
    ).services[0]
    assert service.health == HealthCheck(path="/up", interval_s=30.0, timeout_s=4.0)
    assert service.environment == (("A", "1"), ("B", "2"))
    assert service.capacity == Capacity(min=2, max=2)
    assert service.scaling.target_tracking == (TargetTracking(metric=Metric.MEMORY, target_value=80.0),)
    assert service.scaling.scale_in_cooldown_s == 300.0
    assert service.test == "tox"


def test_every_scaling_word_reaches_the_model():
    service = web(
        """
        routes = ["/"]
        instances = { min = 1, max = 20 }
        [services.web.scale]
        target = { requests = 1000, cpu = { value = 60, disable_scale_in = true } }
        out = [
          { when = "cpu >= 60%", for = "1m", steps = [{ to = 80, add = 1 }, { from = 80, add = 3 }], cooldown = "30s" },
          { when = "p95 > 500ms", add = "20%", at_least = 2 },
          { when = "requests > 1000", set = 20 },
        ]
        in = { when = "memory <= 20", steps = [{ to = 20, from = 10, remove = "10%" }, { to = 10, remove = "50%" }] }
        schedule = [
          { cron = "0 8 * * MON-FRI", timezone = "Europe/Stockholm", min = 4, max = 20, desired = 8 },
          { at = 2026-12-24T18:00:00Z, max = 2 },
          { at = "2026-12-24T19:00:00+01:00", max = 2 },
        ]
        predictive = { cpu = 50, forecast_only = false, buffer = "10m" }
        hpa.requests = 600
        hpa.tolerance = "5%"
        hpa.every = "10s"
        hpa.out_window = "10s"
        hpa.in_window = "1m"
        hpa.out_rates = ["2/5s"]
        hpa.in_rates = ["50%/1m"]
        adaptive = { slo = "p95 < 1.5s" }
        kpa.rps = 20
        kpa.utilization = "80%"
        kpa.stable = "30s"
        kpa.panic = "3s"
        kpa.panic_threshold = "150%"
        kpa.out_rate = 10
        kpa.in_rate = 4
        kpa.in_delay = "30s"
        out_cooldown = "1m"
        in_cooldown = "2m"
        warm_up = "3m"
        disable_scale_in = true
        period = "20s"
        """
    )
    assert service.scaling == Scaling(
        target_tracking=(
            TargetTracking(metric=Metric.CPU, target_value=60.0, disable_scale_in=True),
            TargetTracking(metric=Metric.REQUESTS, target_value=1000.0),
        ),
        steps=(
            StepScaling(
                metric=Metric.CPU,
                comparison=Comparison.AT_LEAST,
                threshold=60.0,
                duration_s=60.0,
                steps=(
                    StepAdjustment(upper_bound=20.0, amount=1),
                    StepAdjustment(lower_bound=20.0, amount=3),
                ),
                cooldown_s=30.0,
            ),
            StepScaling(
                metric=Metric.P95,
                comparison=Comparison.ABOVE,
                threshold=500.0,
                duration_s=60.0,
                adjustment_type=AdjustmentType.PERCENT_CHANGE_IN_CAPACITY,
                steps=(StepAdjustment(lower_bound=0.0, amount=20),),
                min_adjustment_magnitude=2,
            ),
            StepScaling(
                metric=Metric.REQUESTS,
                comparison=Comparison.ABOVE,
                threshold=1000.0,
                duration_s=60.0,
                adjustment_type=AdjustmentType.EXACT_CAPACITY,
                steps=(StepAdjustment(lower_bound=0.0, amount=20),),
            ),
            StepScaling(
                metric=Metric.MEMORY,
                comparison=Comparison.AT_MOST,
                threshold=20.0,
                duration_s=60.0,
                adjustment_type=AdjustmentType.PERCENT_CHANGE_IN_CAPACITY,
                steps=(
                    StepAdjustment(lower_bound=-10.0, upper_bound=0.0, amount=-10),
                    StepAdjustment(upper_bound=-10.0, amount=-50),
                ),
            ),
        ),
        schedule=(
            ScheduledAction(cron="0 8 * * MON-FRI", timezone="Europe/Stockholm", min=4, max=20, desired=8),
            ScheduledAction(at=1798135200.0, max=2),
            ScheduledAction(at=1798135200.0, max=2),
        ),
        predictive=PredictiveScaling(metric=Metric.CPU, target_value=50.0, forecast_only=False, buffer_s=600.0),
        hpa=Hpa(
            metric=Metric.REQUESTS,
            target_value=600.0,
            tolerance_percent=5.0,
            every_s=10.0,
            out_window_s=10.0,
            in_window_s=60.0,
            out_rates=(ChangeRate(amount=2, period_s=5.0),),
            in_rates=(ChangeRate(amount=50, percent=True, period_s=60.0),),
        ),
        kpa=Kpa(
            metric=Metric.OFFERED,
            target_value=20.0,
            utilization_percent=80.0,
            stable_s=30.0,
            panic_s=3.0,
            panic_percent=150.0,
            out_rate=10.0,
            in_rate=4.0,
            in_delay_s=30.0,
        ),
        adaptive=Adaptive(metric=Metric.P95, threshold=1500.0),
        period_s=20.0,
        scale_out_cooldown_s=60.0,
        scale_in_cooldown_s=120.0,
        warmup_s=180.0,
        disable_scale_in=True,
    )


def test_every_rollout_word_reaches_the_model():
    deployment = web(
        """
        [services.web.deploy]
        strategy = "canary"
        minimum_healthy = "50%"
        maximum = 150
        circuit_breaker = { failures = "10%", bounded = false, reset_on_healthy = true }
        rollback = { p50 = "100ms", cpu = 90, memory = "90%", for = "1m" }
        alarms = [{ when = "p99 >= 1s", for = "10s" }]
        bake = "5m"
        step = "5%"
        every = "10m"
        drain = "1m"
        stop_timeout = "10s"
        """
    ).deployment
    assert deployment == Deployment(
        strategy="canary",
        minimum_healthy_percent=50,
        maximum_percent=150,
        circuit_breaker=CircuitBreaker(threshold_type=ThresholdType.UNBOUNDED_PERCENT, value=10, reset_on_healthy=True),
        alarms=(
            RolloutAlarm(metric=Metric.P50, threshold=100.0, duration_s=60.0),
            RolloutAlarm(metric=Metric.CPU, threshold=90.0, duration_s=60.0),
            RolloutAlarm(metric=Metric.MEMORY, threshold=90.0, duration_s=60.0),
            RolloutAlarm(metric=Metric.P99, comparison=Comparison.AT_LEAST, threshold=1000.0, duration_s=10.0),
        ),
        bake_s=300.0,
        step_percent=5.0,
        step_interval_s=600.0,
        deregistration_delay_s=60.0,
        stop_timeout_s=10.0,
    )
    assert web("deploy.circuit_breaker.failures = 7").deployment.circuit_breaker == CircuitBreaker(
        threshold_type=ThresholdType.COUNT, value=7
    )


def test_a_rollback_that_is_switched_off_has_no_alarms_of_its_own():
    app = parse(
        'name = "a"\ndefaults.deploy.rollback.errors = "1%"\nservices.w = { run = "x", deploy.rollback = false }'
    )
    assert (app.services[0].deployment.rollback, app.services[0].deployment.alarms) == (False, ())


def test_every_other_word_reaches_the_model():
    app = parse(
        """
        name = "app"
        [services.web]
        run = "serve"
        test = "pytest"
        source = "web"
        env = { LEVEL = "info" }
        slow_start = "30s"
        sticky = "1h"
        health = { path = "/up", every = "10s", timeout = "2s", healthy_after = 3, unhealthy_after = 4, grace = "1m" }
        size = { cpu = 2, memory = "2GB", burst = false }
        [[services.web.routes]]
        path = "/a/*"
        host = "*.Example.com"
        header = { X-Version = "beta", Accept = "*" }
        priority = 7
        weight = 3
        [services.api]
        run = "serve"
        balancing = "least_outstanding_requests"
        [stores.files]
        kind = "bucket"
        archive_after = "90d"
        [stores.cache]
        kind = "redis"
        replicas = 2
        [stores.items]
        kind = "table"
        key = { id = "number" }
        ttl = "until"
        [[routes]]
        path = "/old"
        redirect = "/new"
        status = 302
        priority = 1
        [[routes]]
        path = "/gone"
        status = 410
        body = "gone"
        content_type = "text/html"
        [[routes]]
        path = "/teapot"
        status = 418
        [listener]
        port = 9000
        idle_timeout = "2m"
        max_body = "10MB"
        tls = { certificate = "a.pem", key = "a.key", arn = "arn:aws:acm:eu-north-1:1:certificate/x" }
        firewall = { rate = { requests = 10, per = "1s", path = "/api" }, deny = "203.0.113.7", managed = false }
        [pipeline]
        branch = "release"
        connection = "arn:aws:codeconnections:eu-north-1:1:connection/x"
        repository = "me/app"
        [observe]
        otlp = "http://127.0.0.1:4318"
        log_retention = "7d"
        [regions.us-east-1]
        [regions.eu-north-1]
        zones = 2
        instances = 2
        services.api.instances.max = 5
        services.api.size.cpu = 1
        [edge]
        routing = "failover"
        health = { path = "/region", every = "10s", unhealthy_after = 4 }
        sources = { "127.0.1.0/24" = "eu-west-1" }
        distances = true
        pause = "1m"
        [aws]
        region = "eu-north-1"
        domain = "app.example.com"
        spot = "50%"
        budget = 20
        email = "me@example.com"
        trail = false
        zones = 3
        network = { cidr = "10.1.0.0/20" }
        """
    )
    service, api = app.services
    assert service.environment == (("LEVEL", "info"),)
    assert (service.test, service.source) == ("pytest", "web")
    assert service.health == HealthCheck(
        path="/up", interval_s=10.0, timeout_s=2.0, healthy_threshold=3, unhealthy_threshold=4, grace_s=60.0
    )
    assert service.size == Size(cpu=2.0, memory_bytes=2 * 1024**3, burst=False)
    condition = Condition(path="/a/*", host="*.example.com", headers=(("accept", "*"), ("x-version", "beta")))
    assert service.routes == (Route(condition=condition, weight=3, priority=7),)
    assert service.balancing.stickiness == Stickiness(duration_s=3600.0)
    assert service.balancing.slow_start_s == 30.0
    assert api.balancing.algorithm == "least_outstanding_requests"
    assert app.stores == (
        Store(name="files", kind=StoreKind.BUCKET, archive_after_s=90 * 86400.0),
        Store(name="cache", kind=StoreKind.REDIS, replicas=2),
        Store(name="items", kind=StoreKind.TABLE, key=(KeyField(name="id", type=KeyType.NUMBER),), ttl="until"),
    )
    assert app.listener == Listener(
        port=9000,
        idle_timeout_s=120.0,
        tls=Tls(certificate="a.pem", private_key="a.key", certificate_arn="arn:aws:acm:eu-north-1:1:certificate/x"),
        firewall=Firewall(
            deny=("203.0.113.7/32",),
            rates=(RateLimit(requests=10, per_s=1.0, path="/api"),),
            max_body_bytes=10 * 1024**2,
            managed=False,
        ),
        redirects=(Redirect(condition=Condition(path="/old"), location="/new", status=302, priority=1),),
        fixed_responses=(
            FixedResponse(condition=Condition(path="/gone"), status=410, body="gone", content_type="text/html"),
            FixedResponse(condition=Condition(path="/teapot"), status=418),
        ),
    )
    assert app.pipeline == Pipeline(
        branch="release", connection_arn="arn:aws:codeconnections:eu-north-1:1:connection/x", repository="me/app"
    )
    assert app.observe == Observe(otlp="http://127.0.0.1:4318", log_retention_days=7)
    assert app.regions == (
        Region(name="us-east-1"),
        Region(
            name="eu-north-1",
            zones=("a", "b"),
            services=(
                RegionService(name="web", size=service.size, capacity=Capacity(min=2, max=2)),
                RegionService(name="api", size=Size(cpu=1.0), capacity=Capacity(min=2, max=5)),
            ),
        ),
    )
    assert app.region_names == ("eu-north-1", "us-east-1")
    assert app.edge == Edge(
        routing=EdgeRouting.FAILOVER,
        health=RegionHealth(path="/region", interval_s=10.0, timeout_s=2.0, unhealthy_threshold=4),
        sources=(("127.0.1.0/24", "eu-west-1"),),
        distances=True,
        pause_s=60.0,
    )
    assert app.aws == Aws(
        region="eu-north-1",
        domain="app.example.com",
        spot_percent=50,
        monthly_budget_usd=20.0,
        alarm_email="me@example.com",
        trail=False,
        network=Network(
            cidr="10.1.0.0/20",
            public_subnets=("10.1.0.0/28", "10.1.0.16/28", "10.1.0.32/28"),
            private_subnets=("10.1.6.64/28", "10.1.6.80/28", "10.1.6.96/28"),
        ),
    )


def test_a_small_network_is_cut_in_sixteen():
    app = parse('name = "a"\nservices.w.run = "x"\naws.region = "eu-north-1"\nnetwork.cidr = "10.9.8.0/24"')
    assert app.aws is not None
    assert app.aws.network.public_subnets == ("10.9.8.0/28", "10.9.8.16/28")
    assert app.aws.network.private_subnets == ("10.9.8.128/28", "10.9.8.144/28")


def test_written_subnets_are_kept():
    app = parse(
        'name = "a"\nzones = 1\nservices.w.run = "x"\naws.region = "eu-north-1"\n'
        'network = { public_subnets = ["10.0.1.0/24"], private_subnets = ["10.0.2.0/24"] }'
    )
    assert app.aws is not None
    assert app.aws.network == Network(public_subnets=("10.0.1.0/24",), private_subnets=("10.0.2.0/24",))


def test_a_redirect_is_permanent_unless_said_otherwise():
    app = parse('name = "a"\nservices.w.run = "x"\nroutes = [{ host = "old.org", redirect = "https://new.org/" }]')
    assert app.listener.redirects == (Redirect(condition=Condition(host="old.org"), location="https://new.org/"),)
