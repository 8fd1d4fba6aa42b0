"""What breaks, when, and for how long: `zone a at 10m for 5m`, `crash web-2 at 5m`, `freeze web at 5m for 30s`.

A service's name stands for one of its instances, drawn by the seed. When a zone is lost its instances die, and new ones
there do not start. While a store is away every request of the services that use it is answered with an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from flyball.core.arrivals import parse_duration
from flyball.core.errors import FileError
from flyball.core.model import Application

from .rehearsal import Fault
from .wards import Member
from .world import World

FORM = re.compile(
    r"(?P<what>zone|store|crash|freeze|slow) (?P<who>\S+) at (?P<at>\S+)( for (?P<lasts>\S+))?( by (?P<by>[0-9.]+))?"
)
LASTING = {"zone", "store", "freeze", "slow"}
EXAMPLES = (
    '"zone a at 10m for 5m", "store messages at 5m for 1m", "crash web-2 at 5m", "freeze web at 5m for 30s",'
    ' "slow web at 5m for 2m by 3"'
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


def _known(what: str, who: str, text: str, app: Application) -> None:
    services = [one.name for one in app.services]
    names = {"zone": list(app.zones), "store": [one.name for one in app.stores]}.get(what, services)
    if who not in names and not (what not in {"zone", "store"} and who.rpartition("-")[0] in services):
        kind = what if what in {"zone", "store"} else "service"
        raise FileError(f'--fault: "{text}": there is no {kind} {who}; there are: {", ".join(names) or "none"}')


Happen = Callable[[World], bool]


def _both(what: str, who: str, by: float, draw: Random) -> tuple[Happen, Happen]:
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


def _find_zone(world: World, zone: str) -> bool:
    world.lost_zones.discard(zone)
    return False


def _errors(world: World, store: str, share: float | None) -> bool:
    for ward in world.wards.values():
        if ward.engine is not None and store in ward.service.stores:
            for kind in range(len(ward.failing)):
                ward.engine.fail(kind, ward.failing[kind] if share is None else share)
    return False
