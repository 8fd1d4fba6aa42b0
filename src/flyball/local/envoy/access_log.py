"""One line of JSON for each request, and how to read it again."""

from __future__ import annotations

import json
from dataclasses import dataclass

from .types import Json, extension

FORMAT = {
    "at": "%START_TIME(%s.%3f)%",
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
    "instance_ms": "%RESPONSE_DURATION%",
    "received_bytes": "%BYTES_RECEIVED%",
    "sent_bytes": "%BYTES_SENT%",
    "agent": "%REQ(USER-AGENT)%",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A request as the balancer saw it. `at` is seconds since the epoch, when it came.

    `service` and `instance` are "" when the balancer answered by itself. `duration_ms` is the whole request,
    `instance_ms` the time until the instance's first byte (None: there was none). `flags` is Envoy's reason for a
    reply of its own, such as UH (no healthy instance), "" for none.
    """

    at: float
    id: str
    client: str
    forwarded: str
    method: str
    host: str
    path: str
    protocol: str
    status: int
    flags: str
    service: str
    instance: str
    duration_ms: float
    instance_ms: float | None
    received_bytes: int
    sent_bytes: int
    agent: str


def file_log(path: str) -> Json:
    """The log that Envoy appends to `path`."""
    return extension(
        "envoy.access_loggers.file",
        "access_loggers.file.v3.FileAccessLog",
        path=path,
        log_format={"json_format": FORMAT},
    )


def parse(line: str) -> Line | None:
    """The line's content; None for one that is not whole, such as the last of a file that is being written."""
    try:
        found = json.loads(line)
        texts = {name: "" if found.get(name) in _NOTHING else str(found[name]) for name in _TEXTS}
        return Line(
            at=float(found["at"]),
            status=int(found["status"]),
            duration_ms=float(found.get("duration_ms") or 0),
            instance_ms=None if found.get("instance_ms") is None else float(found["instance_ms"]),
            received_bytes=int(found["received_bytes"]),
            sent_bytes=int(found["sent_bytes"]),
            **texts,
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


_NOTHING = (None, "-")
_NUMBERS = {"at", "status", "duration_ms", "instance_ms", "received_bytes", "sent_bytes"}
_TEXTS = [name for name in FORMAT if name not in _NUMBERS]
