"""Rules of regions, of the edge before them, and of what is replicated between them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flyball.core.manifest import units
from flyball.core.manifest.complaints import Path, Unplaced
from flyball.core.manifest.schema import ZONES, EdgeTable, FileTable, RegionTable
from flyball.core.model import Continent, EdgeRouting, StoreKind
from flyball.core.model.edge import continent_of

_ON_AWS = re.compile(r"[a-z]{2}(-[a-z]+){1,3}-[0-9]")


def region_complaints(file: FileTable) -> Iterator[Unplaced]:
    """Complaints about `[regions]`, `[edge]` and `replicate`."""
    regions, edge = file.regions or {}, file.edge or EdgeTable()
    if file.edge is not None and not regions:
        yield Unplaced(path=("edge",), message="is only used with regions", hint="add [regions.us-east-1]", on_key=True)
    for name, region in regions.items():
        yield from _region(("regions", name), region, file, edge)
    yield from _primary(file, regions)
    if edge.routing is EdgeRouting.GEO:
        yield from _continents(regions)
    elif edge.routing is EdgeRouting.WEIGHTED and regions and all(one.weight == 0 for one in regions.values()):
        yield Unplaced(path=("regions",), message="all have weight 0: nobody would be served", on_key=True)
    yield from _edge(edge, regions)
    yield from _replicated(file, regions)


def _region(at: Path, region: RegionTable, file: FileTable, edge: EdgeTable) -> Iterator[Unplaced]:
    name = str(at[1])
    if file.aws is not None and not _ON_AWS.fullmatch(name):
        yield Unplaced(path=at, message=f"{name} is not a region of AWS", hint="such as eu-west-1", on_key=True)
    for key, routing in (("weight", EdgeRouting.WEIGHTED), ("serves", EdgeRouting.GEO)):
        if getattr(region, key) is not None and (edge.routing or EdgeRouting.LATENCY) is not routing:
            hint = f'with [edge] routing = "{routing}"'
            yield Unplaced(path=(*at, key), message="has no effect", hint=f"only {hint}", also=(("edge", "routing"),))
    known = _zones(file)
    for zone in region.zones or []:
        if zone not in known:
            yield Unplaced(path=(*at, "zones"), message=f"zone {zone} is none of the file's: {', '.join(known)}")
    for service in region.services or {}:
        if service not in file.services:
            yield Unplaced(path=(*at, "services", service), message=f"there is no service `{service}`", on_key=True)
    yield from _bounds(at, region, file)


def _zones(file: FileTable) -> list[str]:
    return file.zones or (None if file.aws is None else file.aws.zones) or list(ZONES[:2])


def _bounds(at: Path, region: RegionTable, file: FileTable) -> Iterator[Unplaced]:
    for service, there in region.overlays(file.merged()).items():
        own = (*at, "services", service) if service in (region.services or {}) else at
        also: tuple[Path, ...] = (("services", service, "instances"),)
        bounds = None if there.instances is None else there.instances.resolve()
        if bounds is not None and bounds.max < bounds.min:
            message = f"{bounds.max} is below min {bounds.min} of `{service}` there"
            yield Unplaced(path=(*own, "instances", "max"), message=message, also=also)
        elif bounds is not None and bounds.desired is not None and not bounds.min <= bounds.desired <= bounds.max:
            message = f"start {bounds.desired} of `{service}` is not within min {bounds.min} and max {bounds.max} there"
            yield Unplaced(path=(*own, "instances"), message=message, also=also)


def _primary(file: FileTable, regions: dict[str, RegionTable]) -> Iterator[Unplaced]:
    named = None if file.aws is None else file.aws.region
    if regions and named is not None and named not in regions:
        yield Unplaced(
            path=("aws", "region"),
            message=f"{named} is none of the regions",
            hint=f"name the primary one of {', '.join(regions)}, or leave it out",
            also=tuple(("regions", name) for name in regions),
        )


def _continents(regions: dict[str, RegionTable]) -> Iterator[Unplaced]:
    taken: dict[Continent, str] = {}
    for name, region in regions.items():
        own = continent_of(name)
        serves = region.serves or ([] if own is None else [own])
        if not serves:
            yield Unplaced(
                path=("regions", name), message="does not tell its continent", hint='add serves = ["EU"]', on_key=True
            )
        for continent in serves:
            if continent in taken:
                yield Unplaced(
                    path=("regions", name),
                    message=f"serves {continent} as {taken[continent]} does",
                    hint="write `serves` for both",
                    on_key=True,
                )
            taken.setdefault(continent, name)


def _edge(edge: EdgeTable, regions: dict[str, RegionTable]) -> Iterator[Unplaced]:
    for source, place in (edge.sources or {}).items():
        if place not in regions and continent_of(place) is None:
            yield Unplaced(
                path=("edge", "sources", source), message=f"{place} is no known place", hint="such as eu-west-1"
            )
    check = None if edge.health is None else edge.health.resolve()
    if check is not None and check.timeout_s >= check.interval_s:
        timeout, interval = units.duration_text(check.timeout_s), units.duration_text(check.interval_s)
        yield Unplaced(path=("edge", "health", "timeout"), message=f"{timeout} must be shorter than every {interval}")


def _replicated(file: FileTable, regions: dict[str, RegionTable]) -> Iterator[Unplaced]:
    for name, store in (file.stores or {}).items():
        path: Path = ("stores", name, "replicate")
        if not store.replicate:
            continue
        if store.kind is StoreKind.REDIS:
            yield Unplaced(
                path=path,
                message="a redis store stays in its region: no rule says which of two writes to one key counts",
                hint="keep what all regions need in a bucket or table",
                also=(("stores", name, "kind"),),
            )
        elif not regions:
            yield Unplaced(path=path, message="there is nowhere to replicate to", hint="add [regions.us-east-1]")
