"""The timelines of `tests/scenarios` in the simulator: the same decisions, in the same order, as with the double there.

Times are not compared: the double looks four times a second, the simulator when something happens. What both cannot
express is in `ONLY_THERE`, with the reason.
"""

from __future__ import annotations

from functools import partial
from itertools import islice

import pytest

from flyball.core.arrivals import RateCurve, Stage, evenly
from flyball.core.control.observation import Deploy, Replace, Rollback, Scale
from flyball.core.control.reasons import ReasonKind
from flyball.sim import Plan, Rehearsal
from flyball.sim.numbers import NOTHING, Numbers, constant
from flyball.sim.parts import Kind, Rules
from flyball.sim.plain_engine import PlainEngine
from flyball.sim.rehearsal import Fault, _spec
from flyball.sim.world import World
from scenarios.test_timelines import HERE, do, parse, world_of

COMPARED = {
    ReasonKind.SCALE_OUT, ReasonKind.SCALE_IN, ReasonKind.SCALED_BY_HAND, ReasonKind.FAILED, ReasonKind.UNHEALTHY,
    ReasonKind.LAUNCHED, ReasonKind.IN_SERVICE, ReasonKind.DRAINING, ReasonKind.TERMINATED,
    ReasonKind.ROLLOUT_STARTED, ReasonKind.ROLLOUT_COMPLETED, ReasonKind.ROLLED_BACK,
}  # fmt: skip
UP_S = 4.0
"""By then the double's first release serves; there the simulator's traffic UP_S."""
CAN = {"load", "deploy", "rollback", "scale", "replace", "kill", "sicken", "end"}
ONLY_THERE = {
    "canary_with_errors": "which requests fail is drawn",
    "kpa": "the double's requests in flight are not made of requests",
    "superseded": "an instance takes 1.2 s here and 1.25 s there, and three deploys hang on it",
}


class Evenly:
    """Requests in equal gaps: what the double pretends."""

    def __init__(self, curve: RateCurve) -> None:
        self._times = evenly(curve)

    def more(self):
        times = list(islice(self._times, 4096))
        return times, [0.5] * (4 * len(times))


def engine(curve: RateCurve, _seed, _draws, kinds: list[Kind], rules: Rules):
    return PlainEngine(Evenly(curve), kinds, rules)


def reason(name: str, settings: dict, todo: list[tuple[float, str]]) -> str:
    """Why a timeline cannot be simulated; "" if it can."""
    verbs = {what.split()[0] for _, what in todo} - CAN
    programs = {name for release in settings.get("release", {}).values() for name in release}
    world = set(settings.get("world", {})) - {"capacity_rps", "build_s"}
    return ONLY_THERE.get(name, "") or ", ".join(sorted(verbs | programs | world))


def timelines() -> dict[str, tuple[dict, list]]:
    read = {path.stem: parse(path.read_text())[1:] for path in sorted(HERE.glob("*.txt"))}
    return {name: (settings, todo) for name, (settings, todo) in read.items() if not reason(name, settings, todo)}


def simulated(settings: dict, todo: list[tuple[float, str]]) -> Rehearsal:
    double = world_of(dict(settings))
    (service,) = double.app.services
    numbers = Numbers(
        work=constant(service.size.cpu / double.capacity_rps),
        wait=NOTHING,
        start=constant(1.0),
        health=constant(0.2),
        stop=constant(0.5),
        build_s=double.build_s,
        workers=4,  # as in the double, what an instance cannot take is gone, not late
        backlog=0,
    )
    stages, faults, rate, number = [], [], 0.0, 1
    for (at, what), (until, _) in zip(todo, [*todo[1:], todo[-1]], strict=True):
        verb, *words = what.split()
        if verb == "load":
            rate = float(words[0])
        elif verb != "end" and at >= UP_S:
            number += verb == "deploy"
            faults.append(Fault(text=what, at_s=at - UP_S, happen=partial(happen, what, number)))
        if until > max(at, UP_S):
            stages.append(Stage(rate=rate, duration_s=until - max(at, UP_S)))
    rehearsal = Rehearsal(
        Plan(
            app=double.app,
            curve=RateCurve(stages=tuple(stages)),
            seed=1,
            numbers={service.name: numbers},
            shares={service.name: 1.0},
            faults=tuple(faults),
        ),
        make=engine,
    )
    rehearsal.run()
    return rehearsal


def happen(what: str, number: int, world: World) -> bool:
    (service,) = world.app.services
    verb, *words = what.split()
    match verb, words:
        case "kill", [instance]:
            return world.end(world.members[instance], exit_code=-9)
        case "sicken", [instance]:
            world.members[instance].failing = True
            return False
        case "deploy", []:
            return world.ask(Deploy(service=service.name, spec=_spec(service, number)))
        case "rollback", []:
            return world.ask(Rollback(service=service.name))
        case "rollback", [release]:
            return world.ask(Rollback(service=service.name, release=int(release)))
        case "replace", [instance]:
            return world.ask(Replace(instance=instance))
        case "scale", [desired, *hold]:
            hold_s = float(hold[1].rstrip("s")) if hold else None
            return world.ask(Scale(service=service.name, desired=int(desired), hold_s=hold_s))
    raise AssertionError(what)


def decided(log, since: float):
    return [
        (one.kind, one.before, one.after, one.release if one.kind.value.startswith("ro") else one.instance)
        for at, one in log
        if at >= since and one.kind in COMPARED
    ]


@pytest.mark.parametrize("name", timelines())
def test_the_simulator_decides_as_the_double(name):
    settings, todo = timelines()[name]
    double = world_of(dict(settings))
    for (at, what), (until, _) in zip(todo, [*todo[1:], todo[-1]], strict=True):
        double.run_until(at)
        do(double, what)
        double.run_until(until)

    assert decided(simulated(settings, todo).events, 0.0) == decided(double.log, UP_S)


def test_a_third_of_the_timelines_can_be_simulated():
    assert len(timelines()) >= 12
