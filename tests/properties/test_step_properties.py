"""What holds of `step` whatever happens: a pretend world with random load, failures and operators."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from builders import SPEC, application, deployment, service, tracking
from core.control.situations import situation
from flyball.core.control.observation import Deploy, Replace, Rollback, Scale, TargetHealth
from flyball.core.control.pacing import Cooldown
from flyball.core.control.reasons import ReasonKind
from flyball.core.control.scaling.decide import decide
from flyball.core.control.state import Lifecycle, State
from flyball.core.control.step import Step, step
from flyball.core.model import (
    Application,
    Capacity,
    HealthCheck,
    Metric,
    Scaling,
    ScalingShape,
    Strategy,
    TargetTracking,
)
from scenarios.pretend import Behaviour, PretendWorld

brief = settings(max_examples=25)
STATES = TypeAdapter(State)

loads = st.sampled_from([0.0, 20.0, 60.0, 150.0, 400.0, 900.0])
behaviours = st.sampled_from(
    [
        Behaviour(),
        Behaviour(),
        Behaviour(start_s=4.0),
        Behaviour(exit_s=0.5),
        Behaviour(listens=False),
        Behaviour(answers=False),
        Behaviour(crash_healthy_s=6.0),
        Behaviour(stop_s=9.0),
        Behaviour(builds=False),
    ]
)
events = st.one_of(
    st.tuples(st.just("load"), loads),
    st.tuples(st.just("deploy"), behaviours),
    st.tuples(st.just("rollback"), st.sampled_from([None, 1, 2])),
    st.tuples(st.just("scale"), st.integers(0, 12)),
    st.tuples(st.just("kill"), st.integers(0, 5)),
    st.tuples(st.just("sicken"), st.integers(0, 5)),
    st.tuples(st.just("replace"), st.integers(0, 5)),
    st.tuples(st.just("balancer"), st.booleans()),
    st.tuples(st.just("file"), st.tuples(st.integers(1, 4), st.integers(0, 8))),
)
histories = st.lists(st.tuples(st.sampled_from([0.5, 1.0, 3.0, 8.0]), events), max_size=12)
shapes = st.sampled_from(list(ScalingShape))
strategies = st.sampled_from(list(Strategy))


@st.composite
def applications(draw) -> Application:
    low = draw(st.integers(1, 3))
    rules = deployment(
        strategy=draw(strategies),
        minimum_healthy_percent=draw(st.sampled_from([0, 50, 100])),
        maximum_percent=draw(st.sampled_from([100, 150, 200])),
        bake_s=draw(st.sampled_from([0.0, 5.0])),
        step_interval_s=3.0,
        step_percent=draw(st.sampled_from([10.0, 50.0])),
        deregistration_delay_s=6.0,
        stop_timeout_s=4.0,
        rollback=draw(st.booleans()),
    )
    scaling = tracking(shape=draw(shapes))
    health = HealthCheck(grace_s=5.0)
    return application(service(low=low, high=8, scaling=scaling, deployment=rules, health=health))


def happen(world: PretendWorld, event: tuple) -> None:
    match event:
        case ("load", rps):
            world.load_rps = rps
        case ("deploy", behaviour):
            number = 1 + max((one.number for one in world.state.services[0].releases), default=0)
            world.behaviours[number] = behaviour
            world.intents.append(Deploy(service="web", spec=SPEC))
        case ("rollback", number):
            world.intents.append(Rollback(service="web", release=number))
        case ("scale", number):
            world.intents.append(Scale(service="web", desired=number, hold_s=float(number)))
        case ("balancer", there):
            world.balancer = there
        case ("file", (low, more)):
            (web,) = world.app.services
            world.change(replace(world.app, services=(replace(web, capacity=Capacity(min=low, max=low + more)),)))
        case (verb, index):
            strike(world, verb, index)


def strike(world: PretendWorld, verb: str, index: int) -> None:
    running = [one.id for one in world.bodies.values() if not one.exited]
    if not running:
        return
    one = running[index % len(running)]
    match verb:
        case "kill":
            world.kill(one)
        case "sicken":
            world.sicken(one)
        case "replace":
            world.intents.append(Replace(instance=one))


def live(app, history, *, start=0.0, on_step=lambda _world, _done: None, kind=PretendWorld) -> PretendWorld:
    world = kind(app=app, now=start, request_s=2.0, on_step=on_step)
    world.intents.append(Deploy(service="web", spec=SPEC))
    world.run_until(start + 6.0)
    for wait, event in history:
        happen(world, event)
        world.run_until(world.now + wait)
    return world


@brief
@given(applications(), histories)
def test_desired_stays_within_its_bounds(app, history):
    def check(world: PretendWorld, done: Step) -> None:
        capacity = world.app.service("web").capacity
        assert capacity.min <= done.state.service("web").desired <= capacity.max

    live(app, history, on_step=check)


points = st.lists(st.one_of(st.none(), st.floats(0, 200)), min_size=17, max_size=17)


@settings(max_examples=200)
@given(
    cpu=points,
    memory=points,
    more=st.lists(st.floats(0, 100), min_size=17, max_size=17),
    desired=st.integers(1, 9),
    running=st.integers(0, 9),
    shape=shapes,
    cooldown=st.sampled_from([Cooldown(), Cooldown(in_until=200.0), Cooldown(out_until=200.0, out_base=1)]),
)
def test_more_load_never_lowers_desired(**drawn):
    cpu, memory, more = drawn["cpu"], drawn["memory"], drawn["more"]
    policies = (
        TargetTracking(metric=Metric.CPU, target_value=50),
        TargetTracking(metric=Metric.MEMORY, target_value=80),
    )
    scaling = Scaling(target_tracking=policies, shape=drawn["shape"])

    def wanted(values: list) -> int:
        measured = {Metric.CPU: values, Metric.MEMORY: memory}
        rest = {key: drawn[key] for key in ("desired", "running", "cooldown")}
        return decide(situation(scaling, measured, high=10, **rest)).desired

    loaded = [None if value is None else value + extra for value, extra in zip(cpu, more, strict=True)]
    assert wanted(loaded) >= wanted(cpu)


@brief
@given(st.lists(st.tuples(st.sampled_from([4.0, 20.0]), loads), min_size=2, max_size=8), st.sampled_from([5.0, 12.0]))
def test_no_scale_in_inside_its_cooldown(phases, cooldown_s):
    web = service(scaling=tracking(scale_in_cooldown_s=cooldown_s))
    world = live(application(web), [(wait, ("load", rps)) for wait, rps in phases])
    last: float | None = None
    for at, reason in world.log:
        if reason.kind is ReasonKind.SCALE_OUT:
            last = None
        elif reason.kind is ReasonKind.SCALE_IN:
            assert last is None or at - last >= cooldown_s
            last = at


@brief
@given(
    st.integers(1, 9),
    st.sampled_from([0, 34, 50, 75, 100]),
    st.sampled_from([100, 110, 125, 150, 200]),
    strategies,
    st.sampled_from([Behaviour(), Behaviour(exit_s=0.5), Behaviour(answers=False), Behaviour(start_s=3.0)]),
)
def test_minimum_and_maximum_hold_in_a_rollout_that_began_healthy(desired, low, high, strategy, bad):
    rules = deployment(
        strategy=strategy,
        minimum_healthy_percent=low,
        maximum_percent=high,
        step_percent=30.0,
        step_interval_s=2.0,
        bake_s=2.0,
    )
    web = service(low=desired, high=20, deployment=rules, health=HealthCheck(grace_s=4.0))
    world = PretendWorld(app=application(web), behaviours={2: bad})
    world.intents.append(Deploy(service="web", spec=SPEC))
    world.run_until(10.0)
    world.intents.append(Deploy(service="web", spec=SPEC))
    world.run_until(60.0)
    for moment in world.moments:
        if moment.now > 10.0 and moment.in_rollout:
            assert moment.healthy >= math.ceil(desired * low / 100)
            assert moment.alive <= max(math.floor(desired * high / 100), desired)


@brief
@given(
    st.integers(1, 9),
    st.sampled_from([(0, 100), (50, 100), (75, 150), (100, 125), (100, 200)]),
    st.sampled_from([Behaviour(exit_s=0.5), Behaviour(listens=False), Behaviour(answers=False)]),
    st.booleans(),
)
def test_a_rollback_by_hand_to_a_broken_release_ends_where_it_began(desired, percents, bad, rollback):
    low, high = percents
    room = math.ceil(100 + 100 / desired)
    rules = deployment(minimum_healthy_percent=low, maximum_percent=max(high, room), rollback=rollback)
    web = service(low=desired, high=20, deployment=rules, health=HealthCheck(grace_s=4.0))
    world = PretendWorld(app=application(web))
    for _ in range(2):
        world.intents.append(Deploy(service="web", spec=SPEC))
        world.run_until(world.now + 160.0)
    assert world.state.service("web").release == 2
    world.behaviours[1] = bad
    world.intents.append(Rollback(service="web", release=1))
    began = world.now
    world.run_until(began + 120.0)
    after = world.state.service("web")
    assert after.release == 2
    assert after.rollout is None if rollback else after.rollout.given_up
    assert {one.release for one in world.state.instances} == {2}
    assert sum(1 for one in world.state.instances if one.healthy) == desired
    assert all(one.healthy >= math.ceil(desired * low / 100) for one in world.moments if one.now >= began)
    assert [one.kind for _, one in world.log].count(ReasonKind.ROLLBACK_FAILED) == 1


@brief
@given(applications(), histories)
def test_nothing_is_terminated_before_its_drain_has_ended(app, history):
    before: dict[str, Lifecycle] = {}

    def check(world: PretendWorld, done: Step) -> None:
        for one in done.state.instances:
            if one.lifecycle is not Lifecycle.TERMINATING:
                continue
            assert before.get(one.id) is not Lifecycle.IN_SERVICE, f"{one.id} was stopped without a drain"
            if before.get(one.id) is Lifecycle.DRAINING:
                idle = one.in_flight == 0 and one.health in (TargetHealth.DRAINING, TargetHealth.UNUSED)
                assert idle or world.now - one.drain_started_at >= 6.0
        before.clear()
        before.update({one.id: one.lifecycle for one in done.state.instances})

    live(app, history, on_step=check)


@brief
@given(applications(), histories)
def test_a_satisfied_observation_gives_no_actions(app, history):
    world = live(app, history)
    world.balancer, world.load_rps = True, 0.0
    world.behaviours = {}
    for body in world.bodies.values():
        body.sick = False
    world.run_until(world.now + 240.0)
    last = world.moments[-1]
    assert world.actions == ()
    assert last.alive >= last.desired
    assert last.alive == last.desired or last.in_rollout
    quiet = world.now
    world.run_until(quiet + 20.0)
    assert not [reason for at, reason in world.log if at >= quiet and reason.kind is not ReasonKind.SCALE_IN]


@brief
@given(applications(), histories)
def test_the_same_inputs_give_the_same_step(app, history):
    inputs: list[tuple] = []

    class Recorded(PretendWorld):
        def _observation(self):
            seen = super()._observation()
            inputs.append((self.app, self.state, seen, self.now))
            return seen

    made: list[Step] = []
    live(app, history, on_step=lambda _world, done: made.append(done), kind=Recorded)
    assert [step(app, state, seen, now=now) for app, state, seen, now in inputs] == made


@brief
@given(applications(), histories, st.sampled_from([4096.0, 2.0**30]))
def test_a_shift_of_all_times_changes_nothing_else(app, history, offset):
    here, there = live(app, history), live(app, history, start=offset)
    assert [(at + offset, reason) for at, reason in here.log] == there.log
    assert [replace(one, now=one.now + offset) for one in here.moments] == there.moments


@brief
@given(applications(), histories)
def test_a_state_survives_json(app, history):
    def check(world: PretendWorld, done: Step) -> None:
        if world.now % 4 == 0:
            assert STATES.validate_json(STATES.dump_json(done.state)) == done.state

    live(app, history, on_step=check)


@brief
@given(applications(), histories)
def test_ids_are_never_used_twice(app, history):
    world = live(app, history)
    launched = [reason.instance for _, reason in world.log if reason.kind is ReasonKind.LAUNCHED]
    assert len(launched) == len(set(launched))
