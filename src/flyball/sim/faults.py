"""What breaks, when, and for how long: `zone a at 10m for 5m`, `crash web-2 at 5m`, `freeze web at 5m for 30s`.

With several regions `region eu-west-1 at 10m for 5m` loses one, and `crash web at 5m in eu-west-1` happens in another.

A service's name stands for one of its instances, drawn by the seed. When a zone is lost its instances die, and new ones
there do not start. While a store is away every request of the services that use it is answered with an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from flyball.core.arrivals import parse_duration
from flyball.core.errors import FileError
from flyball.core.model import Application
from flyball.core.model.edge import in_region

from .places import Outage
from .rehearsal import Fault
from .wards import Member
from .world import World

FORM = re.compile(
    r"(?P<what>region|zone|store|crash|freeze|slow) (?P<who>\S+) at (?P<at>\S+)( for (?P<lasts>\S+))?"
    r"( by (?P<by>\d+(\.\d+)?))?"
)
LASTING = {"region", "zone", "store", "freeze", "slow"}
EXAMPLES = (
    '"zone a at 10m for 5m", "store messages at 5m for 1m", "crash web-2 at 5m", "freeze web at 5m for 30s",'
    ' "slow web at 5m for 2m by 3", "region eu-west-1 at 10m for 5m"'
)


def parse_faults(text: str, app: Application, *, seed: int) -> tuple[Fault, ...]:
    """What begins and what ends. Raises FileError."""
    found = FORM.fullmatch(" ".join(text.split()))
    if found is None or (found["what"] in LASTING) != (found["lasts"] is not None):
        raise FileError(f'--fault: "{text}" is none; write one of {EXAMPLES}')
    if (found["what"] == "slow") != (found["by"] is not None) or float(found["by"] or 2) <= 1:
        raise FileError(f'--fault: "{text}": only slow has a factor, and it is above 1: "slow web at 5m for 2m by 3"')
    _known(found["what"], found["who"], text, app)
    at_s = parse_duration(found["at"])
    begin, end = _both(found["what"], found["who"], float(found["by"] or 1), Random(f"{seed} {text}"))  # noqa: S311
    faults = [Fault(text=text, at_s=at_s, happen=begin)]
    if found["lasts"] is not None:
        faults.append(Fault(text=f"the end of {text}", at_s=at_s + parse_duration(found["lasts"]), happen=end))
    return tuple(faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionFault:
    """What breaks in one of several regions. `outage`: all of the region is lost."""

    region: str
    faults: tuple[Fault, ...]
    outage: Outage | None = None

    def of(self, region: str) -> tuple[Fault, ...]:
        """What of it happens in that region."""
        return self.faults if region == self.region else ()


def faults_of(text: str, app: Application, *, seed: int) -> RegionFault:
    """A fault where several regions are simulated: in the primary one, or `in` another. Raises FileError."""
    plain, _, region = text.partition(" in ")
    name = region.strip() or app.region_names[0]
    if name not in app.region_names:
        raise FileError(f'--fault: "{text}": there is no region {name}; there are: {", ".join(app.region_names)}')
    found = FORM.fullmatch(" ".join(plain.split()))
    if found is None or found["what"] != "region":
        return RegionFault(region=name, faults=parse_faults(plain, in_region(app, name), seed=seed))
    faults = parse_faults(plain, app, seed=seed)
    begin, end = (one.at_s for one in faults)
    return RegionFault(region=found["who"], faults=faults, outage=Outage(region=found["who"], at_s=begin, ends_s=end))


def _known(what: str, who: str, text: str, app: Application) -> None:
    services = [one.name for one in app.services]
    places = {"region": app.region_names, "zone": app.zones, "store": [one.name for one in app.stores]}
    names = places.get(what, services)
    if who not in names and not (what not in places and who.rpartition("-")[0] in services):
        kind = what if what in places else "service"
        raise FileError(f'--fault: "{text}": there is no {kind} {who}; there are: {", ".join(names) or "none"}')


Happen = Callable[[World], bool]


def _both(what: str, who: str, by: float, draw: Random) -> tuple[Happen, Happen]:
    if what == "region":
        return _lose_region, _find_region
    if what == "zone":
        return (lambda world: _lose_zone(world, who)), (lambda world: _find_zone(world, who))
    if what == "store":
        return (lambda world: _errors(world, who, 1.0)), (lambda world: _errors(world, who, None))
    hit: list[Member] = []

    def begin(world: World) -> bool:
        member = _chosen(world, who, draw)
        if member is None:
            return False
        hit.append(member)
        if what == "crash":
            return world.end(member, exit_code=-9, detail="a fault of the simulation")
        world.pace(member, 0.0 if what == "freeze" else 1 / by)
        return False

    def end(world: World) -> bool:
        for member in hit:
            if member.gone_at is None:
                world.pace(member, 1.0)
        return False

    return begin, end


def _chosen(world: World, who: str, draw: Random) -> Member | None:
    alive = [one for one in world.members.values() if one.ready and one.gone_at is None and not one.stopping]
    named = [one for one in alive if who in {one.id, one.service.name}]
    return draw.choice(named) if named else None


def _lose_zone(world: World, zone: str) -> bool:
    world.lost_zones.add(zone)
    ended = [
        world.end(one, exit_code=-9, detail=f"zone {zone} is lost")
        for one in world.members.values()
        if one.zone == zone
    ]
    return any(ended)


def _lose_region(world: World) -> bool:
    lost = [_lose_zone(world, zone) for zone in world.app.zones]
    return any(lost)


def _find_region(world: World) -> bool:
    world.lost_zones.clear()
    return False


def _find_zone(world: World, zone: str) -> bool:
    world.lost_zones.discard(zone)
    return False


def _errors(world: World, store: str, share: float | None) -> bool:
    for ward in world.wards.values():
        if ward.engine is not None and store in ward.service.stores:
            for kind in range(len(ward.failing)):
                ward.engine.fail(kind, ward.failing[kind] if share is None else share)
    return False
