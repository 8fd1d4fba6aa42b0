"""Who is served where: the regions that a visitor's request goes to, in the order in which they are tried.

latency: the nearest first, by measured times. geo: the one that serves the visitor's continent, then the primary one.
failover: the primary one first. weighted: each first for its share. A visitor whose place is unknown counts as one
beside the primary region. As with Route 53, a region that fails its health check is passed over.
"""

from __future__ import annotations

from dataclasses import replace

from .application import Application
from .distances import distance_ms
from .firewall import Firewall
from .regions import Continent, EdgeRouting, Region
from .rules import is_pattern

FAR_MS = 1e6
_CONTINENTS = {
    "af": Continent.AFRICA,
    "ap": Continent.ASIA,
    "ca": Continent.NORTH_AMERICA,
    "eu": Continent.EUROPE,
    "il": Continent.ASIA,
    "me": Continent.ASIA,
    "mx": Continent.NORTH_AMERICA,
    "sa": Continent.SOUTH_AMERICA,
    "us": Continent.NORTH_AMERICA,
}
_IN_OCEANIA = ("ap-southeast-2", "ap-southeast-4", "ap-southeast-6")

Order = tuple[str, ...]
"""Regions, the first choice first."""


def in_region(app: Application, name: str) -> Application:
    """The application as it is in one region, with what that region overlays. Raises KeyError without such a region."""
    region = {one.name: one for one in app.regions}[name]
    there = {one.name: one for one in region.services}
    services = tuple(
        replace(one, size=there[one.name].size, capacity=there[one.name].capacity) if one.name in there else one
        for one in app.services
    )
    return replace(app, services=services, zones=region.zones or app.zones, region=name)


def behind_edge(app: Application, name: str) -> Application:
    """The application as it runs in one region here: TLS and the limits on visitors are the edge's, at the one door."""
    there = in_region(app, name)
    return replace(there, listener=replace(there.listener, tls=None, firewall=Firewall()))


def edge_health_path(app: Application) -> str | None:
    """What a region's health check asks: the file's path, else a health path that the balancer routes to its own
    service; None when there is neither.
    """
    if app.edge.health.path is not None:
        return app.edge.health.path
    for service in app.services:
        for route in service.routes:
            plain = not is_pattern(route.condition.path) and route.condition.host is None
            below = service.health.path.startswith(route.condition.path.rstrip("/") + "/")
            if plain and below and not route.condition.headers:
                return service.health.path
    return None


def continent_of(place: str) -> Continent | None:
    """The continent of a place: a region of AWS, or a continent's own code; None when it tells none."""
    if place in set(Continent):
        return Continent(place)
    return Continent.OCEANIA if place in _IN_OCEANIA else _CONTINENTS.get(place.partition("-")[0])


def served(region: Region) -> tuple[Continent, ...]:
    """The continents whose visitors a region gets: those of the file, else its own."""
    own = continent_of(region.name)
    return region.serves or (() if own is None else (own,))


def shares(app: Application, place: str | None) -> tuple[tuple[Order, int], ...]:
    """The orders in which regions serve visitors from `place` (None: unknown), each with its weight."""
    names = app.region_names
    match app.edge.routing:
        case EdgeRouting.WEIGHTED:
            weights = {one.name: one.weight for one in app.regions}
            return tuple((_first(names, name), weights[name]) for name in names if weights[name] > 0)
        case EdgeRouting.FAILOVER:
            return ((names, 1),)
        case EdgeRouting.GEO:
            return ((_by_continent(app, names, place), 1),)
    return ((names if place is None else nearest(names, place), 1),)  # by latency


def nearest(names: Order, place: str) -> Order:
    """The nearest first; where no time is known, in the order of the file."""
    return tuple(sorted(names, key=lambda name: FAR_MS if (ms := distance_ms(place, name)) is None else ms))


def _by_continent(app: Application, names: Order, place: str | None) -> Order:
    continent = None if place is None else continent_of(place)
    found = next((one.name for one in app.regions if continent is not None and continent in served(one)), None)
    return names if found is None else _first(names, found)


def _first(names: Order, name: str) -> Order:
    return (name, *(one for one in names if one != name))
