"""What happens to a request before it is routed. Only filters that the application asks for stand in the chain."""

from __future__ import annotations

from flyball.core.model import Application, RateLimit

from . import stickiness
from .types import Json, extension, seconds

REMEMBERED_CLIENTS = 10_000
SHORTEST_REFILL_S = 0.05
"""Envoy takes none shorter."""


def http_filters(app: Application, queue: list[Json]) -> list[Json]:
    """The filters in order, `queue` among them; the router is the last."""
    limit = app.listener.rate_limit
    largest = app.listener.max_body_bytes
    return [
        *([] if limit is None else [_rate_limit(limit)]),
        *([] if largest is None else [_body_limit(largest)]),
        *stickiness.session_filter(app),
        *queue,
        extension("envoy.filters.http.router", "filters.http.router.v3.Router", suppress_envoy_headers=True),
    ]


def _rate_limit(limit: RateLimit) -> Json:
    """A bucket for each client address: `requests` at once, refilled evenly within `per_s`. More are answered 429."""
    interval_s = max(limit.per_s, SHORTEST_REFILL_S)
    bucket = {
        "max_tokens": limit.requests,
        "tokens_per_fill": max(1, round(limit.requests * interval_s / limit.per_s)),
        "fill_interval": seconds(interval_s),
    }
    always = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}
    return extension(
        "envoy.filters.http.local_ratelimit",
        "filters.http.local_ratelimit.v3.LocalRateLimit",
        stat_prefix="rate_limit",
        filter_enabled=always,
        filter_enforced=always,
        # Every request takes from its client's bucket; the bucket of all together is never asked.
        token_bucket={"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "1s"},
        always_consume_default_token_bucket=False,
        max_dynamic_descriptors=REMEMBERED_CLIENTS,
        rate_limits=[{"actions": [{"remote_address": {}}]}],
        descriptors=[{"entries": [{"key": "remote_address"}], "token_bucket": bucket}],
    )


def _body_limit(largest: int) -> Json:
    """Counts the body as it passes, so a large upload still streams. Longer ones are answered 413."""
    return extension(
        "envoy.filters.http.body_size_limit",
        "filters.http.body_size_limit.v3.BodySizeLimit",
        max_request_bytes=str(largest),
    )
