"""Distances as real delays: between a visitor's place and a region stands a listener that waits for a round trip.

Each is a Unix socket inside the edge, so that whoever serves, also after a failover, is as far away as it would be.
Health checks go straight to the region: it is not ill because it is far.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flyball.core.model.distances import distance_ms
from flyball.local.envoy.config.connections import Connections
from flyball.local.envoy.config.types import Json, extension, seconds, typed


@dataclass(frozen=True, slots=True)
class Way:
    """From a place to a region, through a socket."""

    place: str
    region: str
    path: str


def ways(places: Mapping[str, tuple[str, ...]], sockets: str) -> dict[tuple[str, str], Way]:
    """(place, region) -> the way between them, where it takes time. `places`: place -> regions that may serve it."""
    wanted = [(place, region) for place, regions in places.items() for region in regions if distance_ms(place, region)]
    return {
        pair: Way(*pair, f"{sockets}/way-{number}.sock") for number, pair in enumerate(sorted(dict.fromkeys(wanted)))
    }


def listener(way: Way) -> Json:
    """What waits. It hands on everything as it came."""
    delay = extension(
        "envoy.filters.http.fault",
        "filters.http.fault.v3.HTTPFault",
        delay={
            "fixed_delay": seconds((distance_ms(way.place, way.region) or 0.0) / 1000),
            "percentage": {"numerator": 100, "denominator": "HUNDRED"},
        },
    )
    router = extension("envoy.filters.http.router", "filters.http.router.v3.Router", suppress_envoy_headers=True)
    manager = extension(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="way",
        codec_type="AUTO",
        skip_xff_append=True,
        generate_request_id=False,
        server_header_transformation="PASS_THROUGH",
        stream_idle_timeout="0s",
        upgrade_configs=[{"upgrade_type": "websocket"}],
        route_config={
            "name": "way",
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": end_of(way.region), "timeout": "0s"}}],
                }
            ],
        },
        http_filters=[delay, router],
    )
    return typed(
        "envoy.config.listener.v3.Listener",
        name=f"way-{way.place}-{way.region}",
        address={"pipe": {"path": way.path, "mode": 0o600}},
        filter_chains=[{"filters": [manager]}],
    )


def end_of(region: str) -> str:
    """The name of the cluster at the end of every way to a region."""
    return f"at-{region}"


def end(region: str, port: int, limits: Connections) -> Json:
    """That cluster: the region's balancer."""
    target = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    most = {"max_connections": limits.clients, "max_pending_requests": limits.clients, "max_requests": limits.clients}
    return typed(
        "envoy.config.cluster.v3.Cluster",
        name=end_of(region),
        type="STATIC",
        connect_timeout=seconds(10.0),
        circuit_breakers={"thresholds": [most]},
        load_assignment={"cluster_name": end_of(region), "endpoints": [{"lb_endpoints": [target]}]},
    )
