"""What the balancer itself answers when no instance does: the status and the page of an Application Load Balancer.

No instances, or no place in the queue: 503. Connection refused or cut: 502. No connection or no answer in time: 504.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
"""

from __future__ import annotations

from .access_log import where, with_details
from .redirects import response_header
from .types import Json

TITLES = {
    400: "400 Bad Request",
    403: "403 Forbidden",
    408: "408 Request Time-out",
    413: "413 Request Entity Too Large",
    414: "414 Request-URI Too Large",
    429: "429 Too Many Requests",
    431: "431 Request Header Fields Too Large",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}

FIREWALL = {"body": 413, "url": 414, "headers": 431}
"""Rules of the firewall that do not answer 403."""

CONNECTION_FAILED = ["UF", "UC", "UR"]
NO_INSTANCE = ["UH", "NC", "UO", "NR"]
TOO_LATE = ["UT", "SI", "DT"]


RETRY_AFTER_S = 5
"""The same as in queue.c."""


def local_replies(*, queued: bool) -> Json:
    """Mappers are tried in order, the first that fits decides. The user's own fixed responses fit none."""
    return {
        "mappers": [
            _mapper(with_details("connection_timeout"), 504),
            *(_mapper(with_details(f"policy[{rule}]"), status) for rule, status in FIREWALL.items()),
            _mapper(with_details("rbac_access_denied"), 403),
            _mapper(with_details("ext_authz_denied"), 403),
            _mapper(with_details("ext_authz_error"), 503),
            _mapper(with_details("rate_limited"), 429),
            _mapper(with_details("queue_full"), 503),
            _mapper(with_details("waited_too_long"), 503),
            _mapper(_flags(CONNECTION_FAILED), 502),
            _mapper(_flags(NO_INSTANCE), 503),
            *([_left_waiting()] if queued else []),
            _mapper(with_details("stream_idle_timeout"), 504),
            _mapper(_flags(TOO_LATE), 504),
            _mapper(with_details("request_payload_too_large"), 413),
            _mapper(with_details("request_header_timeout"), 408),
            _mapper(_flags(["RL"]), 429),
        ]
    }


def _left_waiting() -> Json:
    """For requests held by a queue whose filter has crashed: only Envoy's idle timeout ends them."""
    again = response_header("retry-after", str(RETRY_AFTER_S))
    held = {"and_filter": {"filters": [_flags(["SI"]), where("!has(upstream.address)")]}}
    return {**_mapper(held, 503), "headers_to_add": [again]}


def page(status: int) -> str:
    """The page of a status."""
    title = TITLES[status]
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "</body>\r\n</html>\r\n"
    )


def _mapper(condition: Json, status: int) -> Json:
    return {
        "filter": condition,
        "status_code": status,
        "body_format_override": {
            "text_format_source": {"inline_string": page(status)},
            "content_type": "text/html; charset=utf-8",
        },
    }


def _flags(flags: list[str]) -> Json:
    return {"response_flag_filter": {"flags": flags}}
