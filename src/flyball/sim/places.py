"""The edge in virtual time: where visitors are, and which region serves them when, as one curve for each region.

What the edge does follows from the file and from when regions are away: a region that dies gets its visitors until its
health check has failed often enough, then others do; when it is back they come back as they do here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from flyball.core.arrivals import RateCurve, Stage
from flyball.core.errors import FileError
from flyball.core.model import Application
from flyball.core.model.edge import Order, continent_of, shares
from flyball.core.returning import LONG_AWAY_S, share_back

RECHECK_S = 0.25
PARTS = 20
"""Steps of a return."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A region dies at `at_s` of the traffic, its machines are there again at `ends_s`, and it answers at `back_s`."""

    region: str
    at_s: float
    ends_s: float
    back_s: float = inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """When the edge passes a region over, and since when it gets its visitors back over `return_s`."""

    region: str
    begins_s: float
    ends_s: float
    return_s: float

    def share(self, at_s: float) -> int:
        """How many percent of its visitors the region gets."""
        if at_s < self.begins_s:
            return 100
        return 0 if at_s < self.ends_s else share_back(self.return_s, at_s - self.ends_s)


def passed_over(app: Application, outage: Outage) -> Away | None:
    """How the edge sees an outage; None when it is over before the health check has failed often enough."""
    health = app.edge.health
    begins = outage.at_s + health.interval_s * health.unhealthy_threshold
    ends = outage.back_s + min(health.interval_s, RECHECK_S) * health.healthy_threshold
    if outage.back_s <= begins:
        return None
    long = ends - begins >= LONG_AWAY_S
    return Away(region=outage.region, begins_s=begins, ends_s=ends, return_s=app.edge.return_s if long else 0.0)


@dataclass(frozen=True, slots=True)
class Split:
    """Each region's curve; and how many requests of visitors near one region another one serves, on average."""

    curves: Mapping[str, RateCurve]
    served: Mapping[tuple[str, str], float]


def split(app: Application, curve: RateCurve, visitors: Mapping[str, float], outages: Iterable[Outage]) -> Split:
    """What reaches each region. `visitors`: place -> its share of them."""
    away = [one for outage in outages if (one := passed_over(app, outage)) is not None]
    stages: dict[str, list[Stage]] = {name: [] for name in app.region_names}
    served: dict[tuple[str, str], float] = {}
    for stage, at_s in _pieces(curve, away):
        parts = _parts(app, visitors, {name: _share(away, name, at_s) for name in app.region_names})
        rates = dict.fromkeys(stages, 0.0)
        for (home, region), part in parts.items():
            rates[region] += part * stage.rate
            served[home, region] = served.get((home, region), 0.0) + part * stage.rate * stage.duration_s
        for name, rate in rates.items():
            stages[name].append(Stage(rate=rate, duration_s=stage.duration_s))
    return Split({name: RateCurve(stages=_joined(found)) for name, found in stages.items()}, served)


def visitors_of(text: str | None, app: Application) -> dict[str, float]:
    """Place -> its share, of `us-east-1:60,eu-west-1:40`; None: near each region alike. Raises FileError."""
    if text is None:
        return dict.fromkeys(app.region_names, 1 / len(app.region_names))
    found: dict[str, float] = {}
    for part in text.split(","):
        place, colon, share = part.strip().partition(":")
        if not colon or not share.replace(".", "", 1).isdigit() or place in found:
            raise FileError(f'--from: "{part.strip()}" is not a place with its share; write us-east-1:60,eu-west-1:40')
        if place not in app.region_names and continent_of(place) is None:
            raise FileError(f"--from: {place} is no known place, such as eu-west-1")
        found[place] = float(share)
    whole = sum(found.values())
    if whole <= 0:
        raise FileError("--from: all shares are 0; write us-east-1:60,eu-west-1:40")
    return {place: share / whole for place, share in found.items()}


def _pieces(curve: RateCurve, away: Sequence[Away]) -> Iterator[tuple[Stage, float]]:
    """The curve, cut wherever the edge leads somebody elsewhere; each piece with its begin."""
    cuts = {0.0}
    for one in away:
        steps = PARTS if one.return_s > 0 else 0
        cuts |= {one.begins_s, one.ends_s, *(one.ends_s + one.return_s * step / PARTS for step in range(1, steps + 1))}
    begun = 0.0
    for stage in curve.stages:
        ends = begun + stage.duration_s
        inside = sorted({begun, ends, *(cut for cut in cuts if begun < cut < ends)})
        for first, last in pairwise(inside):
            yield Stage(rate=stage.rate, duration_s=last - first), first
        begun = ends


def _joined(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """Pieces of the same rate in a row are one stage."""
    found: list[Stage] = []
    for one in stages:
        before_s = found.pop().duration_s if found and found[-1].rate == one.rate else 0.0
        found.append(Stage(rate=one.rate, duration_s=before_s + one.duration_s))
    return tuple(found)


def _share(away: Sequence[Away], region: str, at_s: float) -> int:
    return min((one.share(at_s) for one in away if one.region == region), default=100)


def _parts(
    app: Application, visitors: Mapping[str, float], shares_now: Mapping[str, int]
) -> dict[tuple[str, str], float]:
    """(region of the visitors, region that serves) -> its part of all requests."""
    parts: dict[tuple[str, str], float] = {}
    for place, of_all in visitors.items():
        found = shares(app, place)
        whole = sum(weight for _, weight in found)
        for order, weight in found:
            for region, share in _led(order, shares_now):
                pair = (order[0], region)
                parts[pair] = parts.get(pair, 0.0) + of_all * weight / whole * share
    return parts


def _led(order: Order, shares_now: Mapping[str, int]) -> Iterator[tuple[str, float]]:
    """Who serves visitors of the first of these regions; it does itself when no other can."""
    home, *others = order
    other = next((name for name in others if shares_now[name] > 0), None)
    own = 1.0 if other is None else shares_now[home] / 100
    if own > 0:
        yield home, own
    if own < 1.0 and other is not None:
        yield other, 1.0 - own
