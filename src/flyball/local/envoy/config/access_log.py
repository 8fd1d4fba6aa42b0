"""One line of JSON for each request: docs/how-to/read-the-journal.md tells users of it.

`at` is seconds since the epoch, when the request came. `duration_ms` (and `_us`) is the whole request, `instance_ms`
the time until the instance's first byte, `instance_us` what the instance itself took of it, `waited_ms` (a text) the
time in the queue of its service, null when it did not wait. When the balancer answered by itself, `instance` and
`instance_ms` are null and `flags` is Envoy's reason, such as UH (no healthy instance); else `flags` is "-". A 503 of
the queue has "-" and `waited_ms`, which is 0 when the queue was full.
"""

from __future__ import annotations

from .types import Json, extension

FORMAT = {
    "at": "%START_TIME(%s.%6f)%",
    "id": "%REQ(X-REQUEST-ID)%",
    "client": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
    "forwarded": "%REQ(X-FORWARDED-FOR)%",
    "method": "%REQ(:METHOD)%",
    "host": "%REQ(:AUTHORITY)%",
    "path": "%REQ(:PATH)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "flags": "%RESPONSE_FLAGS%",
    "service": "%UPSTREAM_CLUSTER%",
    "instance": "%UPSTREAM_HOST_NAME%",
    "duration_ms": "%DURATION%",
    "duration_us": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    "instance_ms": "%RESPONSE_DURATION%",
    "instance_us": "%COMMON_DURATION(US_TX_BEG:US_RX_BEG:us)%",
    "waited_ms": "%FILTER_STATE(wasm.waited_ms:PLAIN)%",
    "received_bytes": "%BYTES_RECEIVED%",
    "sent_bytes": "%BYTES_SENT%",
    "agent": "%REQ(USER-AGENT)%",
}


def with_details(text: str) -> Json:
    """The filter for requests that the balancer itself answered for a reason, by a part of its name."""
    return where(f"response.code_details.contains('{text}')")


def where(expression: str) -> Json:
    """A filter for requests that meet a condition, in the Common Expression Language with Envoy's attributes."""
    return {
        "extension_filter": extension(
            "envoy.access_loggers.extension_filters.cel",
            "access_loggers.filters.cel.v3.ExpressionFilter",
            expression=expression,
        )
    }


def file_log(path: str) -> Json:
    """The log that Envoy appends to `path`."""
    return extension(
        "envoy.access_loggers.file",
        "access_loggers.file.v3.FileAccessLog",
        path=path,
        log_format={"json_format": FORMAT},
    )
