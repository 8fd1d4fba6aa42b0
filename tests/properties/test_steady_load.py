"""A service under a steady load keeps its capacity, whatever rollouts, crashes and missing samples come."""

from __future__ import annotations

import math
import os
import random
from dataclasses import dataclass

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from builders import SPEC, application, deployment, service, tracking
from flyball.core.control.observation import Deploy
from flyball.core.control.step import Step
from flyball.core.model import Metric, ScalingShape, Strategy
from scenarios.pretend import Behaviour, Body, PretendWorld

TARGET = {Metric.CPU: 50.0, Metric.REQUESTS: 3000.0}  # percent; requests per instance and minute
SETTLED_S = 12.0
TRIED = int(os.environ.get("STEADY_WORLDS", "60"))
"""How many worlds are tried; a thousand take two minutes."""


@dataclass(frozen=True, kw_only=True)
class Blackout:
    """Which samples are missing: none, all of a tick, all but one instance's, or each with an even chance."""

    kind: str
    share: float
    seed: int

    def misses(self, world: PretendWorld, body: Body) -> bool:
        dice = random.Random(f"{self.seed} {world.now}")  # the same for all instances of a tick
        if dice.random() >= self.share:
            return False
        match self.kind:
            case "all":
                return True
            case "all but one":
                return body.id != min(world.bodies)
            case _:
                return random.Random(f"{self.seed} {world.now} {body.id}").random() < 0.5


blackouts = st.builds(
    Blackout,
    kind=st.sampled_from(["all", "all but one", "half"]),
    share=st.sampled_from([0.0, 0.2, 0.8]),
    seed=st.integers(0, 1 << 30),
)
moments = st.lists(st.integers(1, 63).map(lambda sixtyfourth: sixtyfourth / 64), min_size=1, max_size=3, unique=True)
strikes = st.lists(
    st.tuples(st.integers(1, 20).map(float), st.sampled_from(["deploy", "kill", "kill two"])), min_size=1, max_size=4
)


@st.composite
def worlds(draw) -> tuple[PretendWorld, int]:
    """A world that has settled on the capacity that its load needs, and that capacity."""
    needed, period_s = draw(st.integers(2, 8)), draw(st.sampled_from([1.0, 1.0, 4.0]))
    metric = draw(st.sampled_from(list(TARGET)))
    rules = deployment(
        strategy=draw(st.sampled_from(list(Strategy))),
        maximum_percent=draw(st.sampled_from([125, 150, 200])),
        bake_s=draw(st.sampled_from([0.0, 3.0])),
        step_interval_s=2.0,
        step_percent=draw(st.sampled_from([10.0, 34.0])),
    )
    scaling = tracking(metric, TARGET[metric], shape=draw(st.sampled_from(list(ScalingShape))), period_s=period_s)
    web = service(low=1, high=12, desired=needed, scaling=scaling, deployment=rules)
    between = tuple(sorted(draw(moments)))
    load = (needed - draw(st.sampled_from([0.05, 0.5, 0.95]))) * 50.0  # each instance takes 100 a second at 100 %
    blackout = draw(blackouts)
    world = PretendWorld(app=application(web), between=between)
    world.unsampled = lambda body: world.now > SETTLED_S and blackout.misses(world, body)
    world.behaviours = {number: Behaviour(start_s=draw(st.sampled_from([0.3, 1.0, 2.7]))) for number in range(2, 6)}
    world.intents.append(Deploy(service="web", spec=SPEC))
    world.load_rps = load
    return world, math.ceil(load / 50.0)


@settings(max_examples=TRIED, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(worlds(), strikes, st.integers(0, 63))
def test_a_steady_load_keeps_its_capacity(drawn, history, offset):
    world, needed = drawn
    lost: list[str] = []

    def check(world: PretendWorld, done: Step) -> None:
        desired = done.state.service("web").desired
        if desired < needed:
            lost.append(f"{world.now} s: {desired} of {needed}: {[reason.text for reason in done.reasons]}")

    world.run_until(SETTLED_S + offset / 64)
    world.on_step = check
    for wait_s, what in history:
        if what == "deploy":
            world.intents.append(Deploy(service="web", spec=SPEC))
        else:
            alive = [body.id for body in world.bodies.values() if body.ready and not body.exited]
            for name in alive[: 2 if what == "kill two" else 1]:
                world.kill(name)
        world.run_until(world.now + wait_s)
    world.run_until(world.now + 40.0)
    assert not lost
