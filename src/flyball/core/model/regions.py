"""Regions: several copies of one application, each complete, behind one edge that leads every visitor to one of them.

A region overlays what the file says of its services: their size, their bounds, the zones. How the edge chooses is what
Route 53 has: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/routing-policy.html
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from .scaling import Capacity
from .size import Size


class EdgeRouting(StrEnum):
    """How a region is chosen: the nearest, the one that serves the continent, the first that is healthy, by share."""

    LATENCY = "latency"
    GEO = "geo"
    FAILOVER = "failover"
    WEIGHTED = "weighted"


class Continent(StrEnum):
    """Route 53's codes."""

    AFRICA = "AF"
    ANTARCTICA = "AN"
    ASIA = "AS"
    EUROPE = "EU"
    NORTH_AMERICA = "NA"
    OCEANIA = "OC"
    SOUTH_AMERICA = "SA"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionHealth:
    """When the edge takes a region out: `unhealthy_threshold` checks of its balancer in a row have failed.

    `path` is asked through the balancer; None: a health path that a route leads to, else only whether it connects.
    """

    path: str | None = None
    interval_s: float = 1.0
    timeout_s: float = 0.8
    healthy_threshold: int = 2
    unhealthy_threshold: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What stands in front of the regions.

    `sources` are (address range, place) pairs: where visitors of these addresses are. With `distances` an answer takes
    as long here as it would between the two places. A deploy waits `pause_s` between two regions. A region that was
    away for long gets its visitors back over `return_s`.
    """

    routing: EdgeRouting = EdgeRouting.LATENCY
    health: RegionHealth = RegionHealth()
    sources: tuple[tuple[str, str], ...] = ()
    distances: bool = False
    pause_s: float = 0.0
    return_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionService:
    """What a service is in one region, where that differs from the others."""

    name: str
    size: Size
    capacity: Capacity


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One region. `serves` are the continents whose visitors it gets; `weight` is its share, where shares decide."""

    name: str
    zones: tuple[str, ...] = ()
    weight: int = 1
    serves: tuple[Continent, ...] = ()
    services: tuple[RegionService, ...] = ()
