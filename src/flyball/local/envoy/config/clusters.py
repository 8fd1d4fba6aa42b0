"""How the balancer checks, chooses and gives up instances of a service: one Envoy cluster for each service."""

from __future__ import annotations

from flyball.core.model import BalancingAlgorithm, HealthCheck, Service

from .connections import Connections
from .endpoints import ENCRYPTED, TAKING
from .rooms import Rooms, from_within
from .types import Json, extension, file_source, seconds, typed

CONNECT_TIMEOUT_S = 10.0
"""As an Application Load Balancer's; a refused connection is known at once and does not wait for it."""

KEEP_ALIVE_S = 1.0
"""Idle connections to instances are closed before an app closes them: gunicorn does after 2 s, uvicorn and Node after
5 s. A request sent on a connection that the app closes at that moment would be lost, and a POST is not sent twice."""

RECHECK_S = 0.25
UNLIMITED = 1_000_000
"""Envoy's own limits (3 retries at a time, 1,024 requests) would turn a lost instance into failed requests."""


def cluster(
    service: Service,
    directory: str,
    limits: Connections,
    *,
    queued: bool,
    rooms: Rooms | None = None,
    encrypted: bool = False,
) -> Json:
    """The cluster of a service; its endpoints come from `eds-<service>.json` in `directory`.

    Unless it is `queued`, Envoy itself keeps to the service's limit, by the connections to each instance. `rooms` is
    where they are behind walls. `encrypted`: some instances speak TLS.
    """
    limit = None if queued else service.places
    most = limits.per_instance if limit is None else min(limit, limits.per_instance)
    return typed(
        "envoy.config.cluster.v3.Cluster",
        name=service.name,
        type="EDS",
        eds_cluster_config={
            "service_name": service.name,
            "eds_config": file_source(directory, endpoints_file(service.name)),
        },
        connect_timeout=seconds(CONNECT_TIMEOUT_S),
        # A new cluster serves at once: instances are named here only after they answered their health path.
        wait_for_warm_on_init=False,
        # Without it an instance taken out of the file keeps its traffic for as long as its checks pass.
        ignore_health_on_host_removal=True,
        common_lb_config=_shared_rules(),
        circuit_breakers={
            "thresholds": [_no_limits()],
            "per_host_thresholds": [{"max_connections": most}],
        },
        outlier_detection=_ejection(),
        health_checks=[_health_check(service.health)],
        load_balancing_policy=_policy(service, queued=queued),
        typed_extension_protocol_options=_connections(),
        **from_within(rooms),
        **({"transport_socket_matches": _transports(service)} if encrypted else {}),
    )


def _transports(service: Service) -> list[Json]:
    """TLS to the instances that are marked, for health checks as well; plain to all others."""
    name = "envoy.transport_sockets"
    trust = {} if service.tls_ca is None else {"validation_context": {"trusted_ca": {"filename": service.tls_ca}}}
    versions = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_3"}
    context = extension(
        f"{name}.tls",
        "transport_sockets.tls.v3.UpstreamTlsContext",
        common_tls_context={"tls_params": versions, **trust},
    )
    plain = extension(f"{name}.raw_buffer", "transport_sockets.raw_buffer.v3.RawBuffer")
    return [
        {"name": "tls", "match": ENCRYPTED, "transport_socket": context},
        {"name": "plain", "match": {}, "transport_socket": plain},
    ]


def endpoints_file(service: str) -> str:
    """Name of the file that holds a service's endpoints."""
    return f"eds-{service}.json"


def _shared_rules() -> Json:
    """When no instance is healthy all get requests, as with an Application Load Balancer (its minimum is 1).

    Envoy knows a percentage only: 1 % is less than one of 100 instances. A sticky visitor leaves a draining instance.
    Changes of health and weight are taken over at once; Envoy's own 1 s would keep a new instance waiting and send
    requests to one that drains.
    """
    return {
        "update_merge_window": seconds(0),
        "healthy_panic_threshold": {"value": 1.0},
        "override_host_status": {"statuses": ["UNKNOWN", "HEALTHY", "DEGRADED"]},
    }


def _no_limits() -> Json:
    return {
        "max_connections": UNLIMITED,
        "max_pending_requests": UNLIMITED,
        "max_requests": UNLIMITED,
        "max_retries": UNLIMITED,
    }


def _ejection() -> Json:
    """Leave out an instance whose connections fail, sooner than its health check can tell.

    Answers with status 500 and above do not count: an Application Load Balancer judges by the health check alone,
    and one broken page must not take a good instance out.
    """
    return {
        "split_external_local_origin_errors": True,
        "consecutive_local_origin_failure": 2,
        "enforcing_consecutive_local_origin_failure": 100,
        "enforcing_local_origin_success_rate": 0,
        "enforcing_consecutive_5xx": 0,
        "enforcing_consecutive_gateway_failure": 0,
        "enforcing_success_rate": 0,
        "interval": seconds(0.5),
        "base_ejection_time": seconds(2),
        "max_ejection_time": seconds(10),
        "max_ejection_percent": 100,
    }


def _health_check(health: HealthCheck) -> Json:
    """Thresholds count every wrong status; Envoy's own rule is that the first one decides.

    An instance that is down is asked again after 0.25 s, so it comes back sooner than on AWS, which waits the interval.
    """
    interval = seconds(health.interval_s)
    below = {"start": 100, "end": health.status_min}
    above = {"start": health.status_max + 1, "end": 600}
    return {
        "timeout": seconds(health.timeout_s),
        "interval": interval,
        "no_traffic_interval": interval,
        "unhealthy_interval": seconds(min(health.interval_s, RECHECK_S)),
        "healthy_threshold": health.healthy_threshold,
        "unhealthy_threshold": health.unhealthy_threshold,
        "reuse_connection": False,
        "http_health_check": {
            "path": health.path,
            "host": "localhost",
            "expected_statuses": [{"start": health.status_min, "end": health.status_max + 1}],
            "retriable_statuses": [status for status in (below, above) if status["start"] < status["end"]],
            "request_headers_to_add": [{"header": {"key": "user-agent", "value": "flyball-health-check"}}],
        },
    }


def _policy(service: Service, *, queued: bool) -> Json:
    """The algorithm, applied to those endpoints only that take new requests."""
    name = "envoy.load_balancing_policies.subset"
    subset = extension(
        name,
        "load_balancing_policies.subset.v3.Subset",
        fallback_policy="NO_FALLBACK",
        subset_selectors=[{"keys": [TAKING]}],
        subset_lb_policy={"policies": [{"typed_extension_config": _algorithm(service, queued=queued)}]},
    )
    return {"policies": [{"typed_extension_config": subset}]}


def goes_by_turns(service: Service, *, queued: bool) -> bool:
    """Whether requests go round the instances although the service has a limit: one that adapts is not exact anyway."""
    round_robin = service.balancing.algorithm is BalancingAlgorithm.ROUND_ROBIN
    return queued and service.adapts and round_robin


def _algorithm(service: Service, *, queued: bool) -> Json:
    """Slow start rises in a straight line and is left out with least outstanding requests, as on AWS.

    With a limit, the free place that a request waited for is at the instance with the fewest requests: round robin
    would send it to the next one, full or not. With a limit that adapts it goes by turns all the same, which become
    rarer with the requests that an instance has (`endpoints.load_assignment`).
    https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html
    """
    balancing = service.balancing
    least = balancing.algorithm is BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS
    slow_start = {
        "slow_start_window": seconds(balancing.slow_start_s),
        "aggression": {"default_value": 1.0, "runtime_key": "slow_start.aggression"},
        "min_weight_percent": {"value": 1.0},
    }
    slowly = {"slow_start_config": slow_start} if balancing.slow_start_s > 0 and not least else {}
    turns = goes_by_turns(service, queued=queued)
    if least or turns or service.places is not None:
        return extension(
            "envoy.load_balancing_policies.least_request",
            "load_balancing_policies.least_request.v3.LeastRequest",
            **({} if turns else {"selection_method": "FULL_SCAN"}),
            **slowly,
        )
    return extension(
        "envoy.load_balancing_policies.round_robin",
        "load_balancing_policies.round_robin.v3.RoundRobin",
        **slowly,
    )


def _connections() -> Json:
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    options = typed(
        name,
        common_http_protocol_options={"idle_timeout": seconds(KEEP_ALIVE_S)},
        explicit_http_config={"http_protocol_options": {}},
    )
    return {name: options}
