"""What Envoy is started with; it never changes while the application runs. All the rest comes from watched files."""

from __future__ import annotations

from flyball.core.latency import BUCKET_EDGES_MS

from .connections import Connections
from .types import Json, extension, file_source

LISTENERS_FILE = "lds.json"
CLUSTERS_FILE = "cds.json"

_STRICT = ("envoy.reloadable_features.strict_chunk_parsing",)
"""Off in Envoy 1.40: without it, bytes that a chunk has beyond its size are skipped instead of refused."""


_REGEX_SIZE = {"re2.max_program_size.error_level": 2000}
"""The firewall's patterns are larger than the 100 that Envoy allows; they are ours, not a stranger's."""


def bootstrap(*, directory: str, admin_socket: str, name: str, limits: Connections = Connections()) -> Json:
    """Envoy's bootstrap. The admin interface is a Unix socket of the same user only (mode 0600)."""
    return {
        "node": {"id": name, "cluster": name},
        "admin": {"address": {"pipe": {"path": admin_socket, "mode": 0o600}}},
        "dynamic_resources": {
            "lds_config": file_source(directory, LISTENERS_FILE),
            "cds_config": file_source(directory, CLUSTERS_FILE),
        },
        "layered_runtime": {
            "layers": [{"name": "strict", "static_layer": {**dict.fromkeys(_STRICT, True), **_REGEX_SIZE}}]
        },
        # Nothing takes statistics but the admin interface, so no timer needs to sum them up.
        "stats_flush_on_admin": True,
        "stats_config": {
            "histogram_bucket_settings": [
                {"match": {"suffix": suffix}, "buckets": list(BUCKET_EDGES_MS)}
                for suffix in ("upstream_rq_time", "took_ms", "waited_ms")
            ]
        },
        "overload_manager": {
            "resource_monitors": [
                extension(
                    "envoy.resource_monitors.global_downstream_max_connections",
                    "resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
                    max_active_downstream_connections=limits.clients,
                )
            ]
        },
    }
