"""What is measured of a service."""

from __future__ import annotations

from enum import StrEnum


class Metric(StrEnum):
    """A service's metrics, in percent, except requests (per instance and minute) and latencies (ms).

    Of the whole service: concurrency (requests in flight and those that wait in the balancer) and offered (requests per
    second, with those that were refused). They are measured where a policy asks for them.
    """

    CPU = "cpu"
    MEMORY = "memory"
    REQUESTS = "requests"
    ERRORS = "errors"
    P50 = "p50"
    P95 = "p95"
    P99 = "p99"
    CONCURRENCY = "concurrency"
    OFFERED = "offered"
