"""Where a service's instances listen, and which of them take new requests: Envoy's cluster load assignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .types import Json, typed

SUBSET_METADATA = "envoy.lb"
TRANSPORT_METADATA = "envoy.transport_socket_match"
ENCRYPTED = {"tls": "yes"}
TAKING = "taking"
THOUSANDTHS = 1000
"""Weights are told to Envoy in these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An instance as the balancer reaches it: `address`:`port`. `weight` 1 to 128.

    A draining one gets no new requests, not even of visitors that stick to it; what it has in flight is answered.
    `zone` is only told, never used for balancing: cross-zone balancing is on, as on an Application Load Balancer.
    `known`, `healthy` and `in_flight` are what the balancer itself said last: they count for the queue.
    `tls`: the program speaks TLS.
    """

    instance: str
    port: int
    weight: int
    draining: bool
    zone: str
    known: bool = True
    healthy: bool = True
    in_flight: int = 0
    address: str = "127.0.0.1"
    tls: bool = False


def load_assignment(service: str, endpoints: Sequence[Endpoint], *, by_turns: bool = False) -> Json:
    """The endpoints of a service, sorted by port, so that equal inputs give equal bytes.

    `by_turns`: Envoy's least-request policy draws lots among idle instances of one weight. While their weights differ,
    be it by a thousandth, it goes round them by weight over requests in flight, which is round robin while it is calm.
    """
    ordered = sorted(endpoints, key=lambda each: each.port)
    weights = [THOUSANDTHS * each.weight + (by_turns and index == 0) for index, each in enumerate(ordered)]
    found = [_endpoint(each, weight) for each, weight in zip(ordered, weights, strict=True)]
    return typed(
        "envoy.config.endpoint.v3.ClusterLoadAssignment",
        cluster_name=service,
        endpoints=[{"lb_endpoints": found}] if found else [],
    )


def taking(value: bool) -> Json:
    """The mark of endpoints that take new requests; a route asks for it.

    `DRAINING` alone would not do: when no instance is healthy, Envoy sends to all of them, draining ones included.
    """
    return {"filter_metadata": {SUBSET_METADATA: {TAKING: "yes" if value else "no"}}}


def _endpoint(endpoint: Endpoint, weight: int) -> Json:
    return {
        "endpoint": {
            "hostname": endpoint.instance,
            "address": {"socket_address": {"address": endpoint.address, "port_value": endpoint.port}},
        },
        "health_status": "DRAINING" if endpoint.draining else "UNKNOWN",
        "load_balancing_weight": weight,
        "metadata": _metadata(endpoint),
    }


def _metadata(endpoint: Endpoint) -> Json:
    """While a rollout changes whether a service speaks TLS, it has instances of both kinds."""
    marks: Json = taking(not endpoint.draining)["filter_metadata"]
    return {"filter_metadata": {**marks, **({TRANSPORT_METADATA: ENCRYPTED} if endpoint.tls else {})}}
