"""How many instances may start and which may stop now, without breaking the percentages of a deployment?

Rule: old ones leave as new ones have come into service in their place; when the maximum leaves no room to start one
first, an old one leaves first. ceil(minimum percent of desired) healthy instances stay in service; all processes
together, starting to stopping, stay within floor(maximum percent of desired) while anything is exchanged.

AWS: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
Ours: ECS stops down to the minimum at once, we stop only what has been replaced or must make room. We count draining
and stopping instances towards the maximum, as ECS's older text does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .placement import victims
from .state import Instance, Lifecycle


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What should run. `strict`: a rollout, which stays within `upper` even where that delays a launch.

    `new_count` instances of `release`, and `old_count` of the old ones kept; `shadow`: new ones get no traffic yet.
    `failed`: the release whose instances leave first when there are too many.
    """

    release: int
    desired: int
    lower: int
    upper: int
    new_count: int
    old_count: int = 0
    strict: bool = False
    shadow: bool = False
    failed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Launches to make and instances to let go; `stuck`: neither is possible although something is wanted.

    `excess` leaves because fewer are wanted, `exchanged` because another takes its place.
    """

    launches: int
    excess: tuple[Instance, ...] = ()
    exchanged: tuple[Instance, ...] = ()
    stuck: bool = False


def plan(wanted: Wanted, new: Sequence[Instance], old: Sequence[Instance], *, alive: int) -> Plan:
    """The launches and stops; `alive` counts every process, also draining and stopping ones."""
    need = max(wanted.new_count, wanted.desired - len(old)) - len(new)
    launches = min(need, wanted.upper - alive)
    if not wanted.strict:
        launches = max(launches, min(need, wanted.desired - len(new) - len(old)))
    excess = victims(len(new) - wanted.desired, new, first=wanted.failed) if len(new) > wanted.desired else []
    useless = [one for one in old if one.lifecycle is Lifecycle.LAUNCHING and wanted.old_count == 0]
    rest = [one for one in old if one.lifecycle is not Lifecycle.LAUNCHING or wanted.old_count > 0]
    replaced = _replaced(wanted, new, rest)
    room = wanted.upper - len(new) - len(old)
    if need > 0 and launches <= 0 and room <= 0 and not replaced and not useless:
        replaced = _room(wanted, new, rest, need)
        waits = any(one.lifecycle is Lifecycle.LAUNCHING and not (one.shadow and one.ready_at) for one in new)
        stuck = not replaced and not waits
        return Plan(launches=0, excess=tuple(excess), exchanged=tuple(replaced), stuck=stuck)
    return Plan(launches=max(launches, 0), excess=tuple(excess), exchanged=(*useless, *replaced))


def _replaced(wanted: Wanted, new: Sequence[Instance], old: Sequence[Instance]) -> list[Instance]:
    if not old:
        return []
    counted = [one for one in new if one.healthy or (one.lifecycle is Lifecycle.IN_SERVICE and not wanted.strict)]
    surplus = min(len(counted) + len(old) - wanted.desired, len(old) - wanted.old_count)
    return _first_to_go(old, surplus, spare=_spare(wanted, new, old))


def _room(wanted: Wanted, new: Sequence[Instance], old: Sequence[Instance], need: int) -> list[Instance]:
    spare = _spare(wanted, new, old)
    if not wanted.strict and spare < 0:
        return []
    return _first_to_go(old, min(need, len(old) - wanted.old_count), spare=spare)


def _spare(wanted: Wanted, new: Sequence[Instance], old: Sequence[Instance]) -> int:
    return sum(1 for one in (*new, *old) if one.healthy) - wanted.lower


def _first_to_go(old: Sequence[Instance], count: int, *, spare: int) -> list[Instance]:
    if count <= 0:
        return []
    sick = [one for one in old if one.unhealthy_since is not None][:count]
    well = victims(min(count - len(sick), max(spare, 0)), [one for one in old if one.healthy])
    return sick + well
