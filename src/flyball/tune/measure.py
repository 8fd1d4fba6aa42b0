"""One setting on one traffic: what it costs, and how many users it disappoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flyball.core.arrivals import RateCurve
from flyball.core.errors import FileError
from flyball.core.model import Application
from flyball.prices import Use, bill, total
from flyball.sim import Numbers, Plan, Rehearsal, Result
from flyball.sim.engines import Make

from .slo import Slo

NO_LIMIT_MS = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Of one or several runs: hours of instances, dollars on AWS (None without a price), requests, bad ones.

    `p99_ms` and `worst`, the share of bad requests, are those of the worst run.
    """

    instance_hours: float
    cost_usd: float | None
    requests: float
    bad: float
    p99_ms: float | None
    worst: float

    def holds(self, slo: Slo) -> bool:
        """Whether every run is inside the SLO."""
        return self.worst <= slo.allowed


def measured(
    app: Application, service: str, curve: RateCurve, numbers: Numbers, *, slo: Slo, seed: int, make: Make | None
) -> Score:
    """One run. The other services get no traffic and wait at their minimum, which is only paid for."""
    alone = replace(app, services=(app.service(service),))
    plan = Plan(app=alone, curve=curve, seed=seed, numbers={service: numbers}, shares={service: 1.0})
    result = Rehearsal(plan, make=make).run()
    slow, p99_ms = result.felt(slo.limit_ms or NO_LIMIT_MS)
    bad = result.failed + (0 if slo.limit_ms is None else slow)
    return Score(
        instance_hours=result.hours[service],
        cost_usd=_usd(app, service, result),
        requests=result.requests,
        bad=bad,
        p99_ms=p99_ms,
        worst=bad / result.requests if result.requests else 0.0,
    )


def _usd(app: Application, service: str, result: Result) -> float | None:
    hours = result.duration_s / 3_600
    waiting = {one.name: one.capacity.min * hours for one in app.services}
    use = Use(
        hours=hours,
        instance_hours={**waiting, service: result.hours[service]},
        requests=float(result.requests),
    )
    try:
        return total(bill(app, use))
    except FileError:
        return None


def together(scores: Sequence[Score]) -> Score:
    """Several runs of one setting: means of what is paid, the worst of what is promised."""
    count = len(scores)
    known = [one.cost_usd for one in scores if one.cost_usd is not None]
    slowest = [one.p99_ms for one in scores if one.p99_ms is not None]
    return Score(
        instance_hours=sum(one.instance_hours for one in scores) / count,
        cost_usd=sum(known) / count if len(known) == count else None,
        requests=sum(one.requests for one in scores) / count,
        bad=sum(one.bad for one in scores) / count,
        p99_ms=max(slowest, default=None),
        worst=max(one.worst for one in scores),
    )
