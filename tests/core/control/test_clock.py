"""Steps after a gap, and with a clock that was set back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import SPEC, application, deployment, health, instance, launching, seen, service, state, tracking
from flyball.core.control.clock import shifted
from flyball.core.control.observation import Deploy
from flyball.core.control.reasons import ReasonKind
from flyball.core.control.resume import resumed
from flyball.core.control.state import Lifecycle
from flyball.core.control.step import step
from scenarios.pretend import PretendWorld

HOUR = 3600.0


def texts(made) -> list[str]:
    return [reason.text for reason in made.reasons]


def test_a_laptop_that_slept_while_four_start_fails_nobody():
    app = application(service(low=4, health=health(grace_s=30.0)))
    rows = [launching(number, seen=True) for number in (1, 2, 3, 4)]
    awake = step(app, state(*rows), seen(*rows), now=1.0)
    woken = step(app, awake.state, seen(*rows), now=1.0 + HOUR)
    assert texts(woken) == ["nothing was decided for 3600 s: grace periods and timeouts start anew"]
    after = woken.state
    for second in range(1, 30):
        made = step(app, after, seen(*rows), now=1.0 + HOUR + second)
        assert made.reasons == ()
        after = made.state
    late = step(app, after, seen(*rows), now=31.0 + HOUR)
    assert [reason.kind for reason in late.reasons].count(ReasonKind.FAILED) == 4


@pytest.mark.parametrize(("gap_s", "told"), [(5.0, False), (5.5, True)])
def test_only_a_gap_is_told(gap_s, told):
    before = replace(state(instance(1)), stepped_at=100.0)
    made = step(application(), before, seen(instance(1)), now=100.0 + gap_s)
    assert bool(made.reasons) is told
    assert (made.state.awake_since is not None) is told


def test_drains_and_stop_timeouts_start_anew():
    app = application(service(deployment=deployment(deregistration_delay_s=10.0, stop_timeout_s=10.0)))
    drains = instance(1, lifecycle=Lifecycle.DRAINING, drain_started_at=99.0, in_flight=2)
    stops = instance(2, lifecycle=Lifecycle.TERMINATING, terminate_started_at=99.0)
    rows = [drains, stops, instance(3)]
    before = replace(state(*rows, desired=1), stepped_at=100.0)
    woken = step(app, before, seen(*rows), now=100.0 + HOUR)
    assert [str(one.lifecycle) for one in woken.state.instances] == ["draining", "terminating", "in_service"]
    assert [action.force for action in woken.actions] == [False]


def test_a_bake_starts_anew():
    app = application(service(deployment=deployment(bake_s=60.0)))
    world = PretendWorld(app=app)
    for _ in range(2):
        world.intents.append(Deploy(service="web", spec=SPEC))
        world.run_until(world.now + 10.0)
    assert world.state.service("web").rollout is not None
    world.now += HOUR
    world.run_until(world.now + 50.0)
    assert world.state.service("web").rollout is not None
    world.run_until(world.now + 20.0)
    assert world.state.service("web").rollout is None


def test_a_clock_set_back_is_followed_at_once():
    app = application(service(low=1, high=8, scaling=tracking()))
    world = PretendWorld(app=app, now=2 * HOUR, load_rps=40.0)
    world.intents.append(Deploy(service="web", spec=SPEC))
    world.run_until(2 * HOUR + 60.0)
    said = len(world.log)
    world.now = HOUR
    world.start = HOUR
    world.load_rps = 300.0
    for body in world.bodies.values():
        body.started_at -= HOUR
    world.run_until(HOUR + 30.0)
    after = [(at - HOUR, reason) for at, reason in world.log[said:]]
    assert after[0][1].text == "the clock went back 3660 s: all times in the state went back with it"
    outs = [at for at, reason in after if reason.kind is ReasonKind.SCALE_OUT]
    assert outs
    assert outs[0] <= 4.0


def test_a_clock_a_moment_back_is_not_worth_a_word():
    before = replace(state(instance(1)), stepped_at=100.0)
    made = step(application(), before, seen(instance(1)), now=99.5)
    assert made.reasons == ()
    assert made.state.instances[0].in_service_at == -0.5


def test_all_times_of_a_state_are_moved():
    app = application(service(low=2, scaling=tracking(), deployment=deployment(bake_s=30.0)))
    here, there = PretendWorld(app=app, load_rps=150.0), PretendWorld(app=app, now=4096.0, load_rps=150.0)
    for world in (here, there):
        for _ in range(2):
            world.intents.append(Deploy(service="web", spec=SPEC))
            world.run_until(world.now + 8.0)
        world.kill(min(world.bodies))
        world.run_until(world.now + 4.0)
    assert shifted(here.state, 4096.0) == there.state
    assert shifted(here.state, 0.0) == here.state


def test_an_application_that_was_stopped_starts_without_a_word_about_the_time_between():
    app = application(service(low=1, scaling=tracking()))
    before = replace(state(instance(1)), shutting_down=True)
    for second in range(1, 20):
        before = step(app, before, seen(instance(1), sampled=True), now=float(second)).state
    stopped = replace(before, instances=())
    later, said = resumed(app, stopped, now=20.0 + HOUR), []
    for second in range(3):
        made = step(app, later, seen(sampled=True), now=20.0 + HOUR + second)
        later, said = made.state, [*said, *made.reasons]
    assert {one.kind for one in said} == {ReasonKind.LAUNCHED}
