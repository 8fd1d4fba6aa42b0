"""What a rehearsal found: every figure of a report, and its JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from flyball.core.control.reasons import Reason, ReasonKind

from .numbers import Numbers
from .parts import fine_bucket, quantile_s

SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A service in one bin of the timeline. `totals`: requests that came, were answered well, failed, from the begin.

    `fine`: what was answered in the bin, by latency; the capacities are those at its end.
    """

    totals: tuple[int, int, int]
    fine: Sequence[int]
    desired: int
    in_service: int
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """All services in one piece of the traffic, which ends at `ends_s`."""

    ends_s: float
    services: Mapping[str, Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """`rest`: what was answered in the minute after the end. `hours`: of instances. `events`: (seconds, reason).

    `cost_usd`: what it would have cost on AWS, None where that is not known.
    """

    seed: int
    duration_s: float
    bins: tuple[Bin, ...]
    rest: Bin
    hours: Mapping[str, float]
    events: tuple[tuple[float, Reason], ...]
    numbers: Mapping[str, Numbers]
    cost_usd: float | None = None

    @property
    def bin_s(self) -> float:
        """How long a bin lasts; the last one may be shorter."""
        return self.bins[0].ends_s

    @property
    def requests(self) -> int:
        """All that came."""
        return sum(row.totals[0] for row in self.rest.services.values())

    @property
    def failed(self) -> int:
        """Answered with an error, refused, or not answered a minute after the end."""
        return self.requests - sum(row.totals[1] for row in self.rest.services.values())

    def counted(self, kind: ReasonKind, service: str | None = None) -> int:
        """How many decisions of a kind there were."""
        return sum(1 for _, one in self.events if one.kind is kind and service in {None, one.service})

    def latency_ms(self, service: str | None = None) -> dict[str, float | None]:
        """Percentiles over all answers."""
        return _latency_ms(_summed(_fine(one, service) for one in (*self.bins, self.rest)))

    def felt(self, limit_ms: float) -> tuple[int, float | None]:
        """How many answers took longer than that, and the p99."""
        counts = _summed(_fine(one, None) for one in (*self.bins, self.rest))
        return sum(counts[fine_bucket(limit_ms / 1_000) + 1 :]), _latency_ms(counts)["p99"]

    def timeline(self, service: str | None = None, *, every: int = 1) -> list[dict[str, float | int | None]]:
        """One row for each bin, or for `every` so many: of a service, or of all together."""
        rows: list[dict[str, float | int | None]] = []
        begun, came, failed = 0.0, 0, 0
        for first in range(0, len(self.bins), every):
            together = self.bins[first : first + every]
            one = together[-1]
            of = [row for name, row in one.services.items() if service in {None, name}]
            totals = [sum(row.totals[index] for row in of) for index in range(3)]
            latency = _latency_ms(_summed(_fine(each, service) for each in together))
            rows.append(
                {
                    "t": round(begun, 3),
                    "rps": round((totals[0] - came) / (one.ends_s - begun), 3),
                    "failed": totals[2] - failed,
                    "desired": sum(row.desired for row in of),
                    "in_service": sum(row.in_service for row in of),
                    "waiting": sum(row.waiting for row in of),
                    **{f"{name}_ms": value for name, value in latency.items()},
                }
            )
            begun, came, failed = one.ends_s, totals[0], totals[2]
        return rows

    def as_json(self) -> dict[str, object]:
        """See docs/reference/simulate.md."""
        return {
            "requests": self.requests,
            "failed": self.failed,
            "latency_ms": self.latency_ms(),
            "instance_hours": round(sum(self.hours.values()), 6),
            "cost_usd": self.cost_usd,
            "scale_outs": self.counted(ReasonKind.SCALE_OUT),
            "scale_ins": self.counted(ReasonKind.SCALE_IN),
            "timeline": self.timeline(),
            "seed": self.seed,
            "seconds": self.duration_s,
            "services": {name: self._service(name) for name in self.rest.services},
            "events": [event_json(at, reason) for at, reason in self.events],
        }

    def _service(self, name: str) -> dict[str, object]:
        came, well, _ = self.rest.services[name].totals
        return {
            "requests": came,
            "failed": came - well,
            "latency_ms": self.latency_ms(name),
            "instance_hours": round(self.hours[name], 6),
            "scale_outs": self.counted(ReasonKind.SCALE_OUT, name),
            "scale_ins": self.counted(ReasonKind.SCALE_IN, name),
            "numbers": self.numbers[name].told(),
            "timeline": self.timeline(name) if len(self.rest.services) > 1 else [],
        }


def event_json(at: float, reason: Reason) -> dict[str, object]:
    """An event as `flyball events --json` shows it, `at` in seconds of the traffic."""
    return {
        "at": round(at, 3),
        "service": reason.service,
        "kind": reason.kind.value,
        "from": reason.before,
        "to": reason.after,
        "reason": reason.text,
        "instance": reason.instance,
        "release": reason.release,
        **({} if reason.region is None else {"region": reason.region}),
    }


def _fine(one: Bin, service: str | None) -> Sequence[int]:
    return _summed([row.fine for name, row in one.services.items() if service in {None, name}])


def _summed(counts: Iterable[Sequence[int]]) -> Sequence[int]:
    rows = tuple(counts)
    return rows[0] if len(rows) == 1 else list(map(sum, zip(*rows, strict=True)))


def _latency_ms(counts: Sequence[int]) -> dict[str, float | None]:
    found = {name: quantile_s(counts, share) for name, share in SHARES.items()}
    return {name: None if value is None else round(value * 1000, 3) for name, value in found.items()}
