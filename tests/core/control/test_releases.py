"""Builds, the newest release, and what is remembered."""

from __future__ import annotations

from builders import SPEC, application, instance, release, rollout, seen, service, state
from flyball.core.control.actions import Build
from flyball.core.control.observation import BuildSeen, Deploy, Observation, ReleaseSpec
from flyball.core.control.reasons import ReasonKind
from flyball.core.control.state import ReleaseStatus, RolloutPhase
from flyball.core.control.step import begin, step

APP = application()
BUILDING, BUILT, COMPLETED = ReleaseStatus.BUILDING, ReleaseStatus.BUILT, ReleaseStatus.COMPLETED


def built(*numbers: int, succeeded: bool = True, service: str = "web") -> tuple[BuildSeen, ...]:
    return tuple(
        BuildSeen(service=service, release=number, succeeded=succeeded, message="no such module") for number in numbers
    )


def test_a_deploy_asks_for_a_build_until_it_is_seen():
    deploy = Deploy(service="web", spec=SPEC, note="push 1f2e3d by ann")
    made = step(APP, begin(APP, now=0.0), Observation(intents=(deploy,)), now=0.0)
    assert made.actions == (Build(service="web", release=1, spec=SPEC),)
    assert made.reasons[0].text == "release 1: push 1f2e3d by ann"
    assert step(APP, made.state, Observation(), now=1.0).actions == made.actions
    done = step(APP, made.state, Observation(builds=built(1)), now=2.0)
    assert not [one for one in done.actions if isinstance(one, Build)]
    assert done.state.service("web").rollout.to_release == 1


def test_an_equal_spec_is_a_new_release():
    before = state(instance(1))
    made = step(APP, before, seen(instance(1), intents=(Deploy(service="web", spec=SPEC),)), now=1.0)
    assert [one.number for one in made.state.service("web").releases] == [1, 2]


def test_a_failed_build_changes_nothing_else():
    before = state(instance(1), releases=(release(1), release(2, BUILDING)))
    made = step(APP, before, seen(instance(1), builds=built(2, succeeded=False)), now=1.0)
    web = made.state.service("web")
    assert (web.release, web.rollout, web.find_release(2).message) == (1, None, "no such module")
    assert made.reasons[0].kind is ReasonKind.BUILD_FAILED


def test_foreign_repeated_and_unknown_builds_mean_nothing():
    before = state(instance(1))
    for builds in (built(1), built(9), built(1, service="api")):
        assert step(APP, before, seen(instance(1), builds=builds), now=1.0).reasons == ()


def test_the_newest_of_two_is_rolled_out():
    before = state(instance(1), releases=(release(1), release(2, BUILDING), release(3, BUILDING)))
    made = step(APP, before, seen(instance(1), builds=built(3, 2)), now=1.0)
    web = made.state.service("web")
    assert web.rollout.to_release == 3
    assert web.find_release(2).message == "superseded by release 3"


def test_an_older_build_that_ends_later_is_not_rolled_out():
    going = rollout(to=3)
    before = state(instance(1), releases=(release(1), release(2, BUILDING), release(3, BUILT)), rollout=going)
    made = step(APP, before, seen(instance(1), builds=built(2)), now=1.0)
    web = made.state.service("web")
    assert web.rollout.to_release == 3
    assert web.find_release(2).status is ReleaseStatus.FAILED
    assert web.find_release(3).status is BUILT


def test_the_last_ten_are_remembered_and_those_in_use():
    releases = tuple(
        release(number, COMPLETED if number in {1, 3} else ReleaseStatus.FAILED) for number in range(1, 16)
    )
    before = state(instance(1, release=1), releases=releases, release=1, rollout=rollout(to=2))
    kept = step(APP, before, seen(instance(1, release=1)), now=1.0).state.service("web").releases
    assert [one.number for one in kept] == [1, 2, 3, *range(6, 16)]
    again = state(instance(1, release=1), releases=kept, release=1, rollout=rollout(to=2))
    assert step(APP, again, seen(instance(1, release=1)), now=1.0).state.service("web").releases is kept


def test_a_deploy_during_a_rollback_wins_and_the_completed_release_stays_completed():
    going = rollout(to=1, from_=2, phase=RolloutPhase.ROLLING_BACK)
    releases = (release(1), release(2, ReleaseStatus.FAILED), release(3, BUILDING))
    rows = (instance(1), instance(2, release=2))
    before = state(*rows, releases=releases, rollout=going, desired=2)
    web = step(APP, before, seen(*rows, builds=built(3)), now=1.0).state.service("web")
    assert (web.rollout.from_release, web.rollout.to_release) == (1, 3)
    assert web.find_release(1).status is COMPLETED


def test_a_spec_freezes_what_an_instance_starts_with():
    changed = service(environment=(("A", "1"),), build="make", stores=("cache",))
    spec = ReleaseSpec.of(changed, content="1f2e3d")
    assert (spec.content, spec.run, spec.build) == ("1f2e3d", "serve", "make")
    assert (spec.environment, spec.stores, spec.size) == ((("A", "1"),), ("cache",), changed.size)
