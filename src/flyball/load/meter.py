"""Counts and times what happens to the requests, in memory that does not grow with their number."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hdrh.histogram import HdrHistogram  # type: ignore[import-untyped]

from .result import Failure, Latency, Progress, Result

# Microseconds, from 1 us to an hour, kept to three digits: about 200 KB each.
_LARGEST_US = 3_600_000_000
_MOST_INSTANCES = 1000  # a server that invents names must not fill the memory
STARVED = "generator out of files or ports"
NOT_SENT = "not sent"
TIMED_OUT = "timed out"
MOST_LAG_MS = 10.0
LAG_SHARE = 0.02  # of the median latency: less than that changes no figure that is shown


class Meter:
    """Everything measured in one run. Times are in seconds."""

    def __init__(self, *, expect: frozenset[int] | None) -> None:
        self.sent = 0
        self.ok = 0
        self.failed = 0
        self.unfinished = 0
        self._expect = expect
        self._late = 0
        self._not_sent = 0
        self._by_status: Counter[int] = Counter()
        self._by_instance: Counter[str] = Counter()
        self._by_region: Counter[str] = Counter()
        self._failures: dict[str, Failure] = {}
        self._latency = _histogram()
        self._service = _histogram()
        self._lag = _histogram()
        self._recent = _histogram()
        self._recent_sent = 0
        self._recent_instances: Counter[str] = Counter()

    def lag(self, late_s: float) -> None:
        """A request goes out `late_s` after it was due."""
        _record(self._lag, late_s)
        self._late += late_s * 1000 > MOST_LAG_MS

    def answered(self, status: int, instance: str, region: str = "", *, latency_s: float, service_s: float) -> None:
        """An answer arrived; `instance` and `region` are "" if it names none."""
        self._by_status[status] += 1
        if instance:
            known = instance in self._by_instance or len(self._by_instance) < _MOST_INSTANCES
            name = instance if known else "(others)"
            self._by_instance[name] += 1
            self._recent_instances[name] += 1
        if region and (region in self._by_region or len(self._by_region) < _MOST_INSTANCES):
            self._by_region[region] += 1
        self._time(latency_s, service_s)
        if status < 400 if self._expect is None else status in self._expect:
            self.ok += 1
        else:
            by = f" from {instance}" if instance else ""
            self._fail(f"status {status}", f"answered {status}{by}")

    def failed_at_transport(self, kind: str, example: str) -> None:
        """There was no answer. It is not timed: a refused connection is quick and would flatter the distribution."""
        self._fail(kind, example)

    def timed_out(self, waited_s: float, example: str) -> None:
        """The answer did not come in time. The wait is counted: leaving it out would also flatter the distribution."""
        self._time(waited_s, waited_s)
        self._fail(TIMED_OUT, example)

    def not_sent(self, limit: int) -> None:
        """A request was due but was not sent."""
        self._not_sent += 1
        self._fail(NOT_SENT, f"{limit} requests were already unanswered")

    def progress(self, *, elapsed_s: float, span_s: float, outstanding: int) -> Progress:
        """What happened since the last call, `span_s` ago."""
        progress = Progress(
            elapsed_s=elapsed_s,
            rate=(self.sent - self._recent_sent) / span_s,
            ok=self.ok,
            failed=self.failed,
            outstanding=outstanding,
            p99_ms=_latency(self._recent).p99,
            by_instance=dict(sorted(self._recent_instances.items())),
        )
        self._recent.reset()
        self._recent_sent = self.sent
        self._recent_instances.clear()
        return progress

    def result(self, *, duration_s: float, seed: int, stopped: bool) -> Result:
        """Everything so far."""
        lag = _latency(self._lag)
        return Result(
            sent=self.sent,
            ok=self.ok,
            failed=self.failed,
            not_sent=self._not_sent,
            unfinished=self.unfinished,
            by_status={str(status): count for status, count in self._by_status.items()},
            by_instance=dict(self._by_instance),
            by_region=dict(self._by_region),
            failures=dict(self._failures),
            latency_ms=_latency(self._latency),
            service_ms=_latency(self._service),
            send_lag_ms=lag,
            duration_s=duration_s,
            seed=seed,
            stopped=stopped,
            invalid=self._invalid(lag),
        )

    def _invalid(self, lag: Latency) -> str | None:
        if STARVED in self._failures:
            return f"{STARVED}, numbers not valid: {self._failures[STARVED].example}"
        # That is, the p99 is above it; but one late request among a few says nothing about the others. Neither does a
        # lateness of milliseconds, which the latency includes, about a server that takes seconds.
        weighs = lag.p99 is not None and lag.p99 > LAG_SHARE * (_latency(self._latency).p50 or 0.0)
        if weighs and self._late > max(1, (self.sent + self._not_sent) / 100):
            return f"generator could not keep up, numbers not valid: it sent {lag.p99:.0f} ms late (p99)"
        return None

    def _time(self, latency_s: float, service_s: float) -> None:
        _record(self._latency, latency_s)
        _record(self._recent, latency_s)
        _record(self._service, service_s)

    def _fail(self, kind: str, example: str) -> None:
        self.failed += 1
        before = self._failures.get(kind)
        self._failures[kind] = Failure(
            count=before.count + 1 if before else 1, example=before.example if before else example
        )


def _histogram() -> Any:
    return HdrHistogram(1, _LARGEST_US, 3)


def _record(histogram: Any, seconds: float) -> None:
    histogram.record_value(min(_LARGEST_US, max(1, round(seconds * 1e6))))


def _latency(histogram: Any) -> Latency:
    if not histogram.get_total_count():
        return Latency()
    p50, p90, p95, p99 = (histogram.get_value_at_percentile(p) / 1000 for p in (50, 90, 95, 99))
    return Latency(p50=p50, p90=p90, p95=p95, p99=p99, max=histogram.get_max_value() / 1000)
