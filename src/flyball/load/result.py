"""The results of a run, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """A distribution in milliseconds; None where nothing was measured."""

    p50: float | None = None
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One kind of failure: how often, and the first one in words."""

    count: int
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The last second. `by_instance` and `p99_ms` are of that second alone, `ok` and `failed` of the whole run."""

    elapsed_s: float
    rate: float
    ok: int
    failed: int
    outstanding: int
    p99_ms: float | None
    by_instance: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A whole run. ok + failed + unfinished = sent + not_sent.

    `not_sent`: due, but too many were already unanswered; counted as failed. `unfinished`: unanswered when the run
    was stopped; neither ok nor failed. `latency_ms` counts from the moment a request was due, `service_ms` from the
    moment it was sent; both hold every answer, whatever its status, and the time waited for those that timed out.
    `send_lag_ms`: how late the generator was. `invalid`: why the numbers say nothing about the server, or None.
    """

    sent: int
    ok: int
    failed: int
    not_sent: int
    unfinished: int
    by_status: Mapping[str, int]
    by_instance: Mapping[str, int]
    by_region: Mapping[str, int]
    failures: Mapping[str, Failure]
    latency_ms: Latency
    service_ms: Latency
    send_lag_ms: Latency
    duration_s: float
    seed: int
    stopped: bool
    invalid: str | None

    @property
    def valid(self) -> bool:
        """The generator kept up, so the numbers are the server's."""
        return self.invalid is None

    def as_json(self) -> dict[str, object]:
        """The result under the names of `flyball load --json`."""
        plain = asdict(self)
        plain["by_status"] = dict(sorted(self.by_status.items()))
        plain["by_instance"] = dict(sorted(self.by_instance.items()))
        plain["by_region"] = dict(sorted(self.by_region.items()))
        plain["valid"] = self.valid
        return plain
