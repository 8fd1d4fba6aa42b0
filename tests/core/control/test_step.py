"""The whole of a step: services that come and go, unsampled steps, states that survive."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from builders import SPEC, application, instance, launching, release, rollout, seen, seen_of, service, state, tracking
from flyball.core.control.actions import Launch
from flyball.core.control.news import Mishap, MishapKind, StoreSeen
from flyball.core.control.observation import Deploy, InstanceSample, InstanceSeen, Observation
from flyball.core.control.reasons import ReasonKind
from flyball.core.control.routing import targets
from flyball.core.control.state import Lifecycle, RolloutPhase, State
from flyball.core.control.step import begin, step
from flyball.core.model import Deployment, Metric, Strategy
from scenarios.pretend import PretendWorld

STATES = TypeAdapter(State)


@pytest.mark.parametrize(("desired", "first"), [(None, 2), (3, 3), (9, 4), (0, 2)])
def test_a_service_begins_with_its_first_wish_within_its_bounds(desired, first):
    app = application(service(low=2, high=4, desired=desired))
    made = begin(app, now=7.0)
    assert made.origin == 7.0
    assert made.service("web").desired == first


def test_an_unknown_service_has_no_state_and_no_targets():
    with pytest.raises(KeyError):
        state().service("api")
    assert targets(state(instance(1)), "api") == ()


def test_services_come_and_go_with_the_file():
    one, both = application(), application(service("api"), service())
    before = state(instance(1))
    added = step(both, before, seen(instance(1)), now=1.0)
    assert [web.name for web in added.state.services] == ["api", "web"]
    removed = step(application(service("api")), added.state, seen(instance(1)), now=2.0)
    assert [web.name for web in removed.state.services] == ["api", "web"]
    assert removed.state.instances[0].lifecycle is Lifecycle.DRAINING
    gone = step(application(service("api")), removed.state, Observation(), now=3.0)
    assert [web.name for web in gone.state.services] == ["api"]
    assert one.services


def test_services_are_stepped_apart():
    app = application(service("api"), service("web"))
    world = PretendWorld(app=app)
    world.intents += [Deploy(service=name, spec=SPEC) for name in ("web", "api")]
    world.run_until(5.0)
    assert [one.id for one in world.state.instances] == ["api-1", "web-1"]


def test_a_step_between_ticks_adds_no_datapoints():
    app = application(service(scaling=tracking()))
    before = state(instance(1))
    made = step(app, before, seen(instance(1)), now=50.0)
    assert made.state.service("web").windows == before.service("web").windows
    sample = (InstanceSample(id="web-1", cpu_percent=10.0), InstanceSample(id="old-9", cpu_percent=99.0))
    ticked = step(app, before, seen(instance(1), sampled=True, samples=sample), now=1.0)
    assert ticked.state.service("web").windows.latest(Metric.CPU) == 10.0


def test_a_crash_between_ticks_is_mended_at_once():
    made = step(application(), state(instance(1)), Observation(), now=100.5)
    assert [action.instance for action in made.actions] == ["web-2"]


def launches(made):
    return [action.instance for action in made.actions if isinstance(action, Launch)]


def test_on_one_machine_as_many_start_at_a_time_as_it_has_cores():
    before = state(instance(1), desired=7)
    made = step(application(), before, seen(instance(1), cores=2), now=100.0)
    assert launches(made) == ["web-2", "web-3"]
    assert made.reasons[0].text == "launch held: 4 of 6 wait, 2 start at a time, as many as there are cores"

    still = step(application(), made.state, seen(*made.state.instances, cores=2), now=100.5)
    assert len(still.state.instances) == 3
    one = InstanceSeen(id="web-2", ready=True)
    after = step(application(), made.state, seen(instance(1), one, launching(3), cores=2), now=101.0)
    assert [one.id for one in after.state.instances] == ["web-1", "web-2", "web-3", "web-4"]
    # A start that takes longer waits for something else than the processor.
    late = step(application(), made.state, seen(*made.state.instances, cores=2), now=102.0)
    assert len(late.state.instances) == 5


def test_nothing_is_held_where_there_are_cores_enough():
    made = step(application(), state(instance(1), desired=3), seen(instance(1), cores=2), now=100.0)
    assert launches(made) == ["web-2", "web-3"]
    assert "launch held" not in " ".join(reason.text for reason in made.reasons)


def test_where_each_instance_has_a_machine_all_start_at_once():
    made = step(application(), state(instance(1), desired=7), seen(instance(1)), now=100.0)
    assert len(launches(made)) == 6


def test_a_replacement_does_not_wait_for_starts():
    starting = [launching(number, launched_at=99.9, seen=True) for number in (2, 3)]
    ill = instance(4, replace=True)
    made = step(application(), state(*starting, ill, desired=3), seen(*starting, ill, cores=2), now=100.0)
    assert len(made.state.instances) == 4


def test_nothing_is_launched_without_a_release():
    app = application()
    made = step(app, begin(app, now=0.0), Observation(), now=1.0)
    assert (made.actions, made.reasons, made.state.instances) == ((), (), ())


def test_a_state_survives_json_exactly():
    world = PretendWorld(app=application(service(low=2, scaling=tracking(), deployment=Deployment(bake_s=99.0))))
    world.intents.append(Deploy(service="web", spec=SPEC))
    world.load_rps = 90.0
    world.run_until(12.5)
    assert STATES.validate_json(STATES.dump_json(world.state)) == world.state


def test_shutdown_ends_with_no_instances():
    before = replace(state(instance(1), launching(2)), shutting_down=True)
    app = application()
    made = step(app, before, seen(instance(1)), now=1.0)
    assert [str(one.lifecycle) for one in made.state.instances] == ["draining", "terminating"]
    made = step(app, made.state, Observation(), now=2.0)
    assert made.state.instances == ()
    assert made.state.services
    died = step(app, before, seen(seen_of(instance(1), exited=True, exit_code=1)), now=1.0)
    assert died.reasons[0].text == "web-1 exited with code 1"


def test_blue_green_keeps_the_serving_set_complete_until_the_switch():
    app = application(service(deployment=Deployment(strategy=Strategy.BLUE_GREEN)))
    going = rollout(strategy=Strategy.BLUE_GREEN, percent=0.0)
    shadow = launching(3, release=2, shadow=True)
    before = state(instance(1), shadow, desired=2, releases=(release(1), release(2)), rollout=going)
    made = step(app, before, seen(instance(1)), now=1.0)
    assert [(one.release, one.shadow) for one in made.state.instances] == [(1, False), (2, True), (1, False), (2, True)]
    assert [one.instance for one in targets(made.state, "web")] == ["web-1"]


def test_a_stalled_rollout_loses_its_own_instances_first():
    app = application(service(low=1, high=5, deployment=Deployment(rollback=False)))
    rows = [instance(1), instance(2), instance(3, release=2)]
    stalled = rollout(phase=RolloutPhase.STALLED)
    before = state(*rows, desired=2, releases=(release(1), release(2)), rollout=stalled)
    made = step(app, before, seen(*rows), now=1.0)
    assert [one.id for one in made.state.instances if one.lifecycle is Lifecycle.DRAINING] == ["web-3"]


def test_a_finished_rollout_is_watched_for_a_minute():
    app = application()
    finished = rollout(to=1, from_=1, failures=1)
    before = state(instance(1), finished=finished)
    assert step(app, before, seen(instance(1)), now=60.0).state.service("web").finished == finished
    assert step(app, before, seen(instance(1)), now=60.5).state.service("web").finished is None


def test_forgotten_releases_do_not_stop_a_rollout():
    app = application()
    going = rollout(to=2, failures=5)
    before = state(instance(1, release=2), desired=1, releases=(release(1),), rollout=going)
    assert step(app, before, seen(instance(1, release=2)), now=1.0).state.service("web").rollout.to_release == 1
    done = state(instance(1, release=2), desired=1, releases=(release(1),), rollout=rollout(to=2))
    assert step(app, done, seen(instance(1, release=2)), now=1.0).state.service("web").release == 2


def test_a_hold_that_flickers_is_said_once_and_again_after_a_minute():
    world = PretendWorld(app=application(service(low=1, high=1, scaling=tracking())))
    world.intents.append(Deploy(service="web", spec=SPEC))
    world.run_until(10.0)
    for _ in range(5):
        for rps in (100.0, 40.0):
            world.load_rps = rps
            world.run_until(world.now + 5.0)
    world.run_until(world.now + 70.0)
    world.load_rps = 100.0
    world.run_until(world.now + 10.0)
    held = [reason.text for _, reason in world.log if reason.text.startswith("scale-out held: already at max 1")]
    assert len(held) == 2


def test_while_the_balancer_is_away_nothing_is_exchanged():
    app = application()
    rows = [instance(1), instance(2, release=2)]
    before = state(*rows, desired=1, releases=(release(1), release(2)), rollout=rollout(in_service=1))
    away = step(app, before, seen(*rows, balancer=False), now=1.0)
    assert away.state.instances == before.instances
    assert [one.text for one in away.reasons] == ["nothing is exchanged while the balancer is away"]
    back = step(app, away.state, seen(*rows), now=2.0)
    assert [str(one.lifecycle) for one in back.state.instances] == ["draining", "in_service"]


def test_blue_green_without_room_for_two_sets_is_said():
    app = application(service(deployment=Deployment(strategy=Strategy.BLUE_GREEN, maximum_percent=150)))
    rows = [instance(1), instance(2), launching(3, release=2, shadow=True, seen=True, ready_at=0.5)]
    going = rollout(strategy=Strategy.BLUE_GREEN, percent=0.0)
    before = state(*rows, desired=2, releases=(release(1), release(2)), rollout=going)
    made = step(app, before, seen(*rows), now=1.0)
    assert [one.text.partition(":")[0] for one in made.reasons] == ["rollout of release 2 is stuck"]


@pytest.mark.parametrize(
    ("store", "said"),
    [
        (StoreSeen(name="cart"), ("store_restarted", "the store cart died and was started again with its data")),
        (
            StoreSeen(name="cart", hung=True),
            ("store_restarted", "the store cart did not answer, was ended and was started again with its data"),
        ),
        (
            StoreSeen(name="cart", last_words="out of memory"),
            (
                "store_restarted",
                "the store cart died and was started again with its data; its last words: out of memory",
            ),
        ),
        (
            StoreSeen(name="cart", problem="port 12000 is taken"),
            ("store_failed", "the store cart died and does not start again: port 12000 is taken"),
        ),
    ],
)
def test_a_store_that_died_is_told_to_all_services(store, said):
    made = step(application(), state(instance(1)), seen(instance(1), stores=(store,)), now=1.0)
    assert [(one.service, one.kind, one.text) for one in made.reasons] == [("", *said)]
    assert made.actions == ()


def test_what_befell_the_balancer_or_the_journal_is_told_in_the_worlds_own_words():
    mishap = Mishap(kind=MishapKind.BALANCER_RESTARTED, text="the balancer died; it was started again")
    made = step(application(), state(instance(1)), seen(instance(1), mishaps=(mishap,)), now=1.0)
    assert [(one.service, one.kind, one.text) for one in made.reasons] == [("", "balancer_restarted", mishap.text)]
    assert {one.value for one in MishapKind} <= {one.value for one in ReasonKind}
