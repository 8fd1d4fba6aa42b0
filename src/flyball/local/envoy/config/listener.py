"""Where traffic enters: a listener on 127.0.0.1, with or without TLS."""

from __future__ import annotations

from flyball.core.model import Application

from . import firewall
from .access_log import file_log
from .filters import http_filters
from .firewall import PROGRAM as RATE
from .queue import queue_filter
from .redirects import response_header
from .replies import local_replies
from .rooms import Rooms
from .routes import ROUTES, TO_HTTPS
from .secrets import CERTIFICATE, SECRETS_FILE
from .tracing import tracing
from .types import Json, extension, file_source, seconds, typed

ROUTES_FILE = "rds.json"
TO_HTTPS_FILE = "rds-to-https.json"
REQUEST_HEADERS_TIMEOUT_S = 10.0
KIB = 1024


def listener(
    app: Application,
    *,
    name: str = "http",
    directory: str,
    port: int,
    access_log: str,
    secure: bool = False,
    queued: bool = False,
    rooms: Rooms | None = None,
    guarded: bool = True,
    rate: str | None = RATE,
) -> Json:
    """One listener. `secure`: with TLS and the certificate of the secrets file, else plain HTTP.

    `queued`: what services have no place for waits in it. With `rooms` it listens in the network between them.
    `guarded`: behind the firewall, whose rate limits need the program `rate`, None for an Envoy without WebAssembly.
    """
    own: Json = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    address = own if rooms is None else rooms.address(port)
    filters = http_filters(app, [queue_filter(directory)] if queued else [], guarded=guarded, rate=rate)
    if secure:
        filters = [*_only_https(app), *filters]
    counters = firewall.counters(app.listener.firewall) if guarded else []
    chain = {
        "filters": [_connection_manager(app, directory, [file_log(access_log), *counters], filters, queued=queued)]
    }
    return typed(
        "envoy.config.listener.v3.Listener",
        name=name,
        address=address,
        # Without it a second balancer could share the port in silence.
        enable_reuse_port=False,
        per_connection_buffer_limit_bytes=256 * KIB,
        **(_with_tls(chain, directory, access_log) if secure else {"filter_chains": [chain]}),
    )


def _with_tls(chain: Json, directory: str, access_log: str) -> Json:
    """TLS with HTTP/2 or 1.1; who comes to the same port without TLS is sent to https.

    The certificate has a file of its own: with a new one the listener stays as it is, and so do its connections.
    """
    context = extension(
        "envoy.transport_sockets.tls",
        "transport_sockets.tls.v3.DownstreamTlsContext",
        common_tls_context={
            "alpn_protocols": ["h2", "http/1.1"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
            "tls_certificate_sds_secret_configs": [
                {"name": CERTIFICATE, "sds_config": file_source(directory, SECRETS_FILE)}
            ],
        },
    )
    inspector = extension("envoy.filters.listener.tls_inspector", "filters.listener.tls_inspector.v3.TlsInspector")
    return {
        "listener_filters": [inspector],
        "filter_chains": [
            {"filter_chain_match": {"transport_protocol": "tls"}, "transport_socket": context, **chain},
            {"filter_chain_match": {"transport_protocol": "raw_buffer"}, "filters": [_to_https(directory, access_log)]},
        ],
    }


def _only_https(app: Application) -> list[Json]:
    """Before all others, so that whatever answers, a refusal too, has the header. Never without TLS (RFC 6797, 7.2)."""
    value = None if app.listener.tls is None else app.listener.tls.hsts
    if value is None:
        return []
    mutation = {"response_mutations": [{"append": response_header("strict-transport-security", value)}]}
    return [
        extension(
            "envoy.filters.http.header_mutation", "filters.http.header_mutation.v3.HeaderMutation", mutations=mutation
        )
    ]


def _connection_manager(
    app: Application, directory: str, access_log: list[Json], filters: list[Json], *, queued: bool
) -> Json:
    routes = {"route_config_name": ROUTES, "config_source": file_source(directory, ROUTES_FILE)}
    idle = seconds(app.listener.idle_timeout_s)
    return _manager(
        access_log,
        rds=routes,
        http_filters=filters,
        upgrade_configs=[{"upgrade_type": "websocket"}],
        stream_idle_timeout=idle,
        common_http_protocol_options=_protocol(idle),
        local_reply_config=local_replies(queued=queued),
        **_forwarding(behind_edge=app.region is not None),
        **tracing(app),
    )


def _to_https(directory: str, access_log: str) -> Json:
    routes = {"route_config_name": TO_HTTPS, "config_source": file_source(directory, TO_HTTPS_FILE)}
    router = extension("envoy.filters.http.router", "filters.http.router.v3.Router", suppress_envoy_headers=True)
    return _manager([file_log(access_log)], rds=routes, http_filters=[router])


def _manager(access_log: list[Json], **fields: object) -> Json:
    return extension(
        "envoy.filters.network.http_connection_manager",
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="ingress",
        codec_type="AUTO",
        http_protocol_options={"accept_http_10": True, "default_host_for_http_10": "localhost"},
        http2_protocol_options={
            "max_concurrent_streams": 128,
            "initial_stream_window_size": 256 * KIB,
            "initial_connection_window_size": 1024 * KIB,
        },
        request_headers_timeout=seconds(REQUEST_HEADERS_TIMEOUT_S),
        server_header_transformation="PASS_THROUGH",
        access_log=access_log,
        **fields,
    )


def _protocol(idle: str) -> Json:
    """Header names with `_` are dropped: an app cannot tell `x_forwarded_for` from the balancer's own header.

    On AWS that is `routing.http.drop_invalid_header_fields.enabled`.
    """
    return {"idle_timeout": idle, "headers_with_underscores_action": "DROP_HEADER"}


def _forwarding(*, behind_edge: bool) -> Json:
    """What the app is told about the client: X-Forwarded-For (appended to), -Proto, -Port and X-Request-Id.

    A region's balancer hands on what the edge before it has written.

    Envoy would write this machine's own address for a client on this machine, so the client's is appended by the route.
    A client's own request id is kept, so that it can follow its request; its x-envoy headers are not.
    """
    return {
        "use_remote_address": True,
        **({"xff_num_trusted_hops": 1} if behind_edge else {}),
        "skip_xff_append": True,
        "append_x_forwarded_port": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "240.0.0.0", "prefix_len": 32}]},
    }
