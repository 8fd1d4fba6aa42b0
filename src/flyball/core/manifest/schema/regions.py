"""The `[regions.NAME]` and `[edge]` tables: several copies of the application, and who is led to which."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from flyball.core.model import Continent, Edge, EdgeRouting, Region, RegionHealth, RegionService

from .aws import Zones
from .base import Duration, Lax, Name, OneOrMany, Shorthand, Table, Text, key, laid_over, span
from .routing import PATH_PATTERN, UrlPath
from .services import InstancesTable, ServiceTable, SizeTable, Threshold

Weight = Annotated[int, Field(ge=0, le=255)]
VisitorPlace = Annotated[
    str, Text(r"^([a-z]{2}(-[a-z]+){1,3}-[0-9]|[A-Z]{2}|[a-z][a-z0-9-]{0,30})$", "be a place such as eu-west-1 or EU")
]


def _range(value: str) -> str:
    try:
        return str(ipaddress.ip_network(value))
    except ValueError:
        raise ValueError(f'must be an address range such as "127.0.1.0/24", found {value!r}') from None


Source = Annotated[
    str,
    Text(r"^[0-9a-fA-F.:]{2,45}(/[0-9]{1,3})?$", "be an address range such as 127.0.1.0/24"),
    AfterValidator(_range),
]


class OverlayTable(Table):
    """What a service is in one region."""

    size: SizeTable | None = key("what one instance reserves there")
    instances: InstancesTable | None = key("how many instances there: a number, or { min, max, start }")

    def over(self, service: ServiceTable) -> OverlayTable:
        """These keys laid over those of the service itself."""
        shared = {name: getattr(service, name) for name in ("size", "instances") if name in service.model_fields_set}
        return laid_over(self, OverlayTable.model_construct(set(shared), **shared))


class RegionTable(OverlayTable):
    """One region: what differs from the rest of the file there."""

    model: ClassVar[type | None] = Region
    zones: Zones | None = key("which of the zones it has; by default all")
    weight: Weight | None = key('its share of the visitors, with [edge] routing = "weighted"', to="weight")
    serves: Annotated[list[Annotated[Continent, Lax]], OneOrMany()] | None = key(
        'continents whose visitors it gets, with [edge] routing = "geo"; by default its own'
    )
    services: dict[Name, OverlayTable] | None = key("what differs for one service: [regions.NAME.services.SERVICE]")

    def resolve(self, name: str, services: Mapping[str, ServiceTable]) -> Region:
        """The region; a service is listed where something of it differs."""
        return Region(
            **self.given(),
            name=name,
            zones=tuple(self.zones or ()),
            serves=tuple(self.serves or ()),
            services=tuple(
                RegionService(
                    name=one,
                    size=(there.size or SizeTable()).resolve(),
                    capacity=(there.instances or InstancesTable()).resolve(),
                )
                for one, there in self.overlays(services).items()
            ),
        )

    def overlays(self, services: Mapping[str, ServiceTable]) -> dict[str, OverlayTable]:
        """What each service is here, if something differs."""
        shared = {name: getattr(self, name) for name in ("size", "instances") if name in self.model_fields_set}
        own = {name: (self.services or {}).get(name) for name in services}
        return {
            name: laid_over(own[name] or OverlayTable(), OverlayTable.model_construct(set(shared), **shared)).over(
                service
            )
            for name, service in services.items()
            if shared or own[name] is not None
        }


class RegionHealthTable(Table):
    """When the edge takes a region out."""

    path: UrlPath | None = key(
        "asked through the region's balancer; by default a health path that a route leads to", to="path"
    )
    every: Annotated[Duration, span("100ms", "300s")] | None = key("time between two checks", to="interval_s")
    timeout: Annotated[Duration, span("100ms", "120s")] | None = key(
        "how long an answer may take, less than `every`", to="timeout_s"
    )
    healthy_after: Threshold | None = key("passed checks until it gets visitors again", to="healthy_threshold")
    unhealthy_after: Threshold | None = key("failed checks until it gets none", to="unhealthy_threshold")
    model: ClassVar[type | None] = RegionHealth
    shorthand: ClassVar[Shorthand | None] = Shorthand(
        kinds=(str,),
        says='a path such as "/health"',
        expand=lambda value: {"path": value},
        schema={"type": "string", "pattern": PATH_PATTERN},
    )

    def resolve(self) -> RegionHealth:
        """The check; a default timeout is 0.8 of the interval, at most 2 s."""
        found = self.given()
        if self.every is not None and self.timeout is None:
            found["timeout_s"] = min(2.0, 0.8 * self.every)
        return RegionHealth(**found)


class EdgeTable(Table):
    """What stands in front of the regions."""

    routing: Annotated[EdgeRouting, Lax] | None = key(
        "latency: the nearest; geo: by continent; failover: the first; weighted: by share", to="routing"
    )
    health: RegionHealthTable | None = key("health check of a region: a path, or a table")
    sources: dict[Source, VisitorPlace] | None = key(
        'here: where visitors of an address range are, such as { "127.0.1.0/24" = "eu-west-1" }'
    )
    distances: bool | None = key("here: answers take as long as between the two places", to="distances")
    pause: Annotated[Duration, span("0s", "24h")] | None = key(
        "a deploy waits so long between two regions", to="pause_s"
    )
    return_over: Annotated[Duration, span("0s", "1h")] | None = key(
        "here: a region that was away for 30 s or more gets its visitors back over this time", to="return_s"
    )
    model: ClassVar[type | None] = Edge

    def resolve(self) -> Edge:
        """The edge."""
        found = self.given()
        return Edge(
            **found,
            health=(self.health or RegionHealthTable()).resolve(),
            sources=tuple((self.sources or {}).items()),
        )
