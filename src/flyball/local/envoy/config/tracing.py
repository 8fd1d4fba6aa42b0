"""Where the balancer's own spans go: to the OpenTelemetry collector that the instances send theirs to.

An instance is told of the balancer's span in `traceparent`, so that both are one trace; a client's own trace goes on.
Without a collector nothing of this is in the files. One that is away costs its spans, no request.

https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/trace/v3/opentelemetry.proto
https://opentelemetry.io/docs/specs/otlp/#otlphttp-request
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flyball.core.model import Application

from .types import Json, extension, seconds, typed

CLUSTER = "otlp.collector"
"""No service has a dot in its name."""
TIMEOUT_S = 2.0
PORTS = {"http": 80}
"""Envoy does not know which authorities this machine trusts, so that it sends nothing to a collector behind TLS."""


def clusters(app: Application) -> list[Json]:
    """The collector as a cluster; none without one."""
    if not _sends(app):
        return []
    endpoint = urlsplit(app.observe.otlp or "")
    address = {"address": endpoint.hostname, "port_value": endpoint.port or PORTS[endpoint.scheme]}
    target = {"endpoint": {"address": {"socket_address": address}}}
    return [
        typed(
            "envoy.config.cluster.v3.Cluster",
            name=CLUSTER,
            type="STRICT_DNS",
            connect_timeout=seconds(TIMEOUT_S),
            wait_for_warm_on_init=False,
            load_assignment={"cluster_name": CLUSTER, "endpoints": [{"lb_endpoints": [target]}]},
        )
    ]


def tracing(app: Application) -> Json:
    """What a connection manager needs to make a span of every request; nothing without a collector.

    A request's id stays as it is: Envoy would write into it whether the request is traced.
    """
    if not _sends(app):
        return {}
    uri = f"{(app.observe.otlp or '').rstrip('/')}/v1/traces"
    config = typed(
        "envoy.config.trace.v3.OpenTelemetryConfig",
        http_service={"http_uri": {"uri": uri, "cluster": CLUSTER, "timeout": seconds(TIMEOUT_S)}},
        service_name=f"{app.name}-balancer",
        resource_detectors=[
            extension(
                "envoy.tracers.opentelemetry.resource_detectors.static_config",
                "tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig",
                attributes={"service.namespace": app.name},
            )
        ],
    )
    request_id = typed("envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig", pack_trace_reason=False)
    return {
        "tracing": {"provider": {"name": "envoy.tracers.opentelemetry", "typed_config": config}},
        "request_id_extension": {"typed_config": request_id},
    }


def _sends(app: Application) -> bool:
    return app.observe.otlp is not None and urlsplit(app.observe.otlp).scheme in PORTS
