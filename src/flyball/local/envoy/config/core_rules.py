"""The OWASP Core Rule Set in Envoy: a process of its own is asked about each request, over a Unix socket.

As much of a body as the rules look at is held until they have answered; the rest streams, however large it is.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/ext_authz_filter
"""

from __future__ import annotations

from flyball.core.model import CoreRules

from .clusters import UNLIMITED
from .types import Json, extension, seconds, typed

CLUSTER = "firewall_core_rules"
"""No service has a name with `_`."""
ANSWER_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 1.0


def core_rules_filter(rules: CoreRules) -> Json:
    """Asks before a request goes on. Without an answer it goes on if they fail open, else it gets a 503."""
    body = {"max_request_bytes": rules.body_bytes, "allow_partial_message": True}
    return extension(
        "envoy.filters.http.ext_authz",
        "filters.http.ext_authz.v3.ExtAuthz",
        transport_api_version="V3",
        http_service={
            "server_uri": {"uri": "http://core-rules", "cluster": CLUSTER, "timeout": seconds(ANSWER_TIMEOUT_S)}
        },
        allowed_headers={"patterns": [{"safe_regex": {"regex": ".*"}}]},
        failure_mode_allow=rules.fail_open,
        status_on_error={"code": "ServiceUnavailable"},
        stat_prefix="firewall",
        **({"with_request_body": body} if rules.body_bytes else {}),
    )


def core_rules_cluster(socket: str) -> Json:
    """Where the process listens."""
    endpoint = {"endpoint": {"address": {"pipe": {"path": socket}}}}
    thresholds = dict.fromkeys(("max_connections", "max_pending_requests", "max_requests"), UNLIMITED)
    return typed(
        "envoy.config.cluster.v3.Cluster",
        name=CLUSTER,
        type="STATIC",
        connect_timeout=seconds(CONNECT_TIMEOUT_S),
        circuit_breakers={"thresholds": [thresholds]},
        load_assignment={"cluster_name": CLUSTER, "endpoints": [{"lb_endpoints": [endpoint]}]},
    )
