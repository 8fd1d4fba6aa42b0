"""Several regions in virtual time: each a world with its own loop, fed by the edge's curve for it.

Regions share nothing, so they run one after the other. When a lost region is back only its own run can tell: it runs
once without the visitors that come back, to see when its first instance serves again, and then as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Protocol

from flyball.core.arrivals import RateCurve
from flyball.core.control.reasons import Reason, ReasonKind
from flyball.core.model import Application

from .places import Outage, passed_over, split
from .rehearsal import Rollout
from .result import Bin, Result

NEXT_SEED = 1_000_003


class Run(Protocol):
    """Rehearses a region with this traffic and these rollouts; only of its `last` run anything is kept."""

    def __call__(self, region: str, curve: RateCurve, rollouts: tuple[Rollout, ...], /, *, last: bool) -> Result:
        """One run."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """What was found of each region; `served`: (nearest region, region that served) -> requests, on average."""

    regions: Mapping[str, Result]
    served: Mapping[tuple[str, str], float]
    edge: tuple[tuple[float, Reason], ...]

    def together(self) -> Result:
        """All regions as one result, each service under `region/service`."""
        results = list(self.regions.values())
        first = results[0]
        events = [
            (at, replace(reason, region=region)) for region, one in self.regions.items() for at, reason in one.events
        ]
        costs = [one.cost_usd for one in results]
        return Result(
            seed=first.seed,
            duration_s=first.duration_s,
            bins=tuple(self._bin([one.bins[index] for one in results]) for index in range(len(first.bins))),
            rest=self._bin([one.rest for one in results]),
            hours={
                f"{name}/{service}": hours for name, one in self.regions.items() for service, hours in one.hours.items()
            },
            events=tuple(sorted([*events, *self.edge], key=lambda event: event[0])),
            numbers={
                f"{name}/{service}": own for name, one in self.regions.items() for service, own in one.numbers.items()
            },
            cost_usd=None if None in costs else round(sum(cost or 0.0 for cost in costs), 6),
        )

    def _bin(self, bins: Sequence[Bin]) -> Bin:
        services = {
            f"{name}/{service}": row
            for name, one in zip(self.regions, bins, strict=True)
            for service, row in one.services.items()
        }
        return Bin(ends_s=bins[0].ends_s, services=services)

    def as_json(self) -> dict[str, object]:
        """What stands beside the figures of all regions together."""
        return {
            "regions": {name: one.as_json() for name, one in self.regions.items()},
            "served": [
                {"nearest": nearest, "region": region, "requests": round(requests)}
                for (nearest, region), requests in self.served.items()
            ],
        }


def rehearse(
    app: Application,
    curve: RateCurve,
    *,
    visitors: Mapping[str, float],
    outages: Sequence[Outage],
    rollouts: tuple[Rollout, ...],
    run: Run,
) -> Several:
    """All regions of the file; a release goes from one to the next, and stops where it is not completed."""
    known: list[Outage] = []
    for outage in sorted(outages, key=lambda one: one.at_s):
        alone = split(app, curve, visitors, [*known, outage]).curves[outage.region]
        known.append(replace(outage, back_s=_back_s(run(outage.region, alone, (), last=False), outage)))
    found = split(app, curve, visitors, known)
    results: dict[str, Result] = {}
    for name in app.region_names:
        result = results[name] = run(name, found.curves[name], rollouts, last=True)
        rollouts = tuple(_next(app, result, one) for one in rollouts if _completed_s(result, one) < curve.duration_s)
    return Several(regions=results, served=found.served, edge=_told(app, known, curve.duration_s))


def _back_s(result: Result, outage: Outage) -> float:
    """When the first instance serves again."""
    served = (at for at, one in result.events if one.kind is ReasonKind.IN_SERVICE and at >= outage.ends_s)
    return min(served, default=inf)


def _completed_s(result: Result, rollout: Rollout) -> float:
    done = (
        at
        for at, one in result.events
        if one.kind is ReasonKind.ROLLOUT_COMPLETED and one.service == rollout.service and at > rollout.at_s
    )
    return min(done, default=inf)


def _next(app: Application, result: Result, rollout: Rollout) -> Rollout:
    return replace(rollout, at_s=_completed_s(result, rollout) + app.edge.pause_s)


def _told(app: Application, outages: Sequence[Outage], duration_s: float) -> tuple[tuple[float, Reason], ...]:
    """What the edge would say, in its words."""
    told = []
    for outage in outages:
        away = passed_over(app, outage)
        if away is not None:
            text = f"{away.region} fails its health check: its visitors are led elsewhere"
            told.append((away.begins_s, ReasonKind.REGION_UNHEALTHY, text, away.region))
            come = f"; they come back over {away.return_s:g} s, not all at once" if away.return_s else ""
            text = f"{away.region} passes its health check and serves its visitors{come}"
            told.append((away.ends_s, ReasonKind.REGION_HEALTHY, text, away.region))
    return tuple(
        (at, Reason(kind=kind, service="", text=text, region=region))
        for at, kind, text, region in told
        if at < duration_s
    )
