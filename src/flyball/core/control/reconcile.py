"""Which instances must start and which must go, so that what runs is what is wanted?

Rule: instances are new (of the wanted release and fit) or old (of another release, unhealthy after their grace period,
or to be replaced by hand). New ones are started up to desired. Old ones leave as new ones have come into service in
their place, within the percentages of a deployment (`exchange.py`). In all of it
- at most 10 % of desired (at least one) are replaced for being unhealthy at a time, each only after its replacement is
  in service: nobody is killed into nothing, and one that recovers first stays,
- an overloaded instance is not ill and is not replaced (`overload.py`),
- after a young death its place waits for the back-off, and only its place,
- on one machine as many start at a time as it has cores, or all would be late; who has started for `STARTS_S` waits for
  something else and keeps nobody waiting,
- while the balancer is away nothing is exchanged: nobody knows what would serve.
More new ones than desired leave as in a scale-in.

AWS: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html (10 % at a time)
Ours: an Auto Scaling group terminates unhealthy ones first.
"""

from __future__ import annotations

import math
from dataclasses import replace

from flyball.core.model import Strategy

from . import breaker, lifecycle, overload, traffic
from .exchange import Wanted, plan
from .placement import zones_for
from .reasons import ReasonKind
from .scaling.proposal import Hold
from .state import Instance
from .turn import Turn

STARTS_S = 2.0
AT_ONCE = 0.1
"""Share of desired that may be replaced for being unhealthy at a time."""


def reconcile(turn: Turn) -> None:
    """Launch and let go for one service."""
    recovered = breaker.recovered(turn.state.backoff, turn.instances.values(), now=turn.now)
    turn.state = replace(turn.state, backoff=recovered)
    wanted = _wanted(turn)
    if wanted is None:
        return
    _fill_old(turn, wanted)
    new, old = _sorted_out(turn, wanted)
    made = plan(wanted, new, old, alive=len(turn.instances))
    for instance in made.excess:
        lifecycle.leave(turn, instance, f"scale-in to {wanted.desired}")
    for instance in made.exchanged if turn.seen.balancer else ():
        _let_go(turn, instance, wanted)
    if _launch(turn, wanted, made.launches, [one for one in old if one.release == wanted.release]):
        for instance in old:
            _count_sick(turn, instance)
    if not turn.seen.balancer and (made.exchanged or wanted.strict):
        turn.hold((Hold(key="balancer", text="nothing is exchanged while the balancer is away"),))
    if made.stuck:
        turn.hold((_stuck(turn, wanted),))


def _wanted(turn: Turn) -> Wanted | None:
    rollout, desired, rules = turn.state.rollout, turn.state.desired, turn.deployment
    lower, upper = rules.fewest(desired), rules.most(desired)
    if rollout is not None and not (rollout.given_up and rollout.from_release is not None):
        return Wanted(
            release=rollout.to_release,
            desired=desired,
            lower=lower,
            upper=upper,
            new_count=traffic.wanted_new(rollout, desired),
            old_count=traffic.kept_old(rollout, desired),
            strict=rollout.from_release is not None,
            shadow=rollout.strategy is Strategy.BLUE_GREEN and rollout.percent == 0,
        )
    if turn.state.release is None:
        return None
    failed = rollout.to_release if rollout else None
    return Wanted(
        release=turn.state.release, desired=desired, lower=lower, upper=upper, new_count=desired, failed=failed
    )


def _sorted_out(turn: Turn, wanted: Wanted) -> tuple[list[Instance], list[Instance]]:
    any_release = turn.state.rollout is not None and turn.state.rollout.given_up
    at_once = max(1, math.floor(wanted.desired * AT_ONCE))
    new: list[Instance] = []
    old: list[Instance] = []
    for instance in turn.staying():
        if instance.replace or not (any_release or instance.release == wanted.release):
            old.append(instance)
        elif at_once > 0 and _is_ill(turn, instance):
            old.append(instance)
            at_once -= 1
        else:
            new.append(instance)
    return new, old


def _is_ill(turn: Turn, instance: Instance) -> bool:
    if instance.unhealthy_since is None or not lifecycle.past_grace(turn, instance):
        return False
    return not overload.is_overloaded(turn, instance)


def _let_go(turn: Turn, instance: Instance, wanted: Wanted) -> None:
    if instance.replace:
        cause = "replaced by hand"
    elif instance.release != wanted.release:
        cause = f"replaced by release {wanted.release}"
    else:
        cause = "it fails its health check"
        breaker.count(turn, instance, f"{instance.id} failed its health check")
    lifecycle.leave(turn, instance, cause)


def _count_sick(turn: Turn, instance: Instance) -> None:
    if instance.unhealthy_since is not None:  # one that flaps must not be replaced for ever at full speed
        backoff = breaker.backed_off(turn.state.backoff, instance, now=turn.now)
        turn.state = replace(turn.state, backoff=backoff)


def _launch(turn: Turn, wanted: Wanted, count: int, replaced: list[Instance], *, release: int | None = None) -> bool:
    """Start up to `count` instances, the last of them in place of `replaced`; whether any was started."""
    number = wanted.release if release is None else release
    count = breaker.launchable(turn.state.backoff, count, release=number, now=turn.now)
    count = count if replaced else _in_turn(turn, count)
    if count <= 0:
        return False
    there, first = len(turn.staying()), turn.state.next_instance
    for offset, zone in enumerate(zones_for(count, turn.zones, turn.staying())):
        instance = Instance(
            id=f"{turn.state.name}-{first + offset}",
            service=turn.state.name,
            release=number,
            zone=zone,
            launched_at=turn.now,
            shadow=wanted.shadow and release is None,
        )
        turn.put(instance)
        text = f"starting {instance.id} of release {number} in zone {zone}"
        cause = _cause(wanted, there + offset, replaced, rollout=wanted.strict and release is None)
        turn.say(ReasonKind.LAUNCHED, f"{text}: {cause}", instance=instance)
    turn.state = replace(turn.state, next_instance=first + count)
    return True


def _in_turn(turn: Turn, count: int) -> int:
    """How many of so many may start now."""
    if (cores := turn.seen.cores) is None or count <= 0:
        return count
    new = (one for one in turn.staying() if one.ready_at is None and turn.elapsed_s(one.launched_at) < STARTS_S)
    room = max(cores - sum(1 for _ in new), 0)
    if count > room:
        text = f"launch held: {count - room} of {count} wait, {cores} start at a time, as many as there are cores"
        turn.hold((Hold(key="starts", text=text),))
    return min(count, room)


def _cause(wanted: Wanted, there: int, replaced: list[Instance], *, rollout: bool) -> str:
    if rollout:
        return f"rollout of release {wanted.release}"
    if there < wanted.desired or not replaced:
        return f"{there} of {wanted.desired} are there"
    one = replaced[min(there - wanted.desired, len(replaced) - 1)]
    return f"in place of {one.id}, " + ("by hand" if one.replace else "which fails its health check")


def _fill_old(turn: Turn, wanted: Wanted) -> None:
    rollout = turn.state.rollout
    if rollout is None or rollout.from_release is None or not wanted.shadow:
        return  # only the set that serves beside a blue/green shadow is kept complete
    serving = sum(1 for one in turn.staying() if one.release != rollout.to_release)
    count = min(wanted.desired - serving, wanted.upper - len(turn.instances))
    _launch(turn, wanted, count, [], release=rollout.from_release)


def _stuck(turn: Turn, wanted: Wanted) -> Hold:
    rules = turn.deployment
    what = f"rollout of release {wanted.release}" if wanted.strict else "replacement"
    percents = f"minimum healthy {rules.minimum_healthy_percent} % and maximum {rules.maximum_percent} %"
    text = f"{what} is stuck: {percents} of {wanted.desired} leave no room to start or stop an instance"
    return Hold(key=f"stuck {wanted.release}", text=text)
