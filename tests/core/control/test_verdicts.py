"""What became of a release, as the journal's reasons tell it, one after another."""

from __future__ import annotations

import pytest

from builders import release, rollout, state
from flyball.core.control.reasons import Reason, ReasonKind
from flyball.core.control.state import ReleaseStatus, RolloutPhase
from flyball.core.control.verdicts import Awaited, current, heard

K = ReasonKind
BUILT, BROKEN = (K.BUILD_COMPLETED, 2), (K.BUILD_FAILED, 2, "no compiler")
BEGAN, DONE, LOST = (K.ROLLOUT_STARTED, 2), (K.ROLLOUT_COMPLETED, 2), (K.ROLLOUT_FAILED, 2, "boom")
WAY_BACK, BACK = (K.ROLLOUT_STARTED, 1), (K.ROLLED_BACK, 2, "release 1 serves again: boom")
NO_WAY_BACK, STAYS = (K.ROLLBACK_FAILED, 1, "rollback to release 1 failed"), (K.REFUSED, 1, "nothing better")


def after(awaited: Awaited, *told: tuple) -> Awaited:
    for kind, number, *text in told:
        reason = Reason(kind=kind, service="web", text=text[0] if text else "", release=number)
        awaited = heard(awaited, reason)
    return awaited


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ([], None),
        ([BUILT, BEGAN, (K.ROLLOUT_PROGRESS, 2)], None),
        ([BUILT, BEGAN, DONE], ""),
        ([BROKEN], "no compiler"),
        ([(K.BUILD_FAILED, 1, "another one")], None),
        ([BEGAN, LOST], None),
        ([BEGAN, LOST, WAY_BACK], None),
        ([BEGAN, LOST, WAY_BACK, BACK], "release 1 serves again: boom"),
        ([BEGAN, LOST, (K.REFUSED, 2, "rollback is off")], "boom"),
        ([BEGAN, LOST, WAY_BACK, NO_WAY_BACK], None),
        ([BEGAN, LOST, WAY_BACK, NO_WAY_BACK, STAYS], "rollback to release 1 failed"),
        ([BEGAN, LOST, WAY_BACK, (K.REFUSED, 9, "release 9 is not known (any more)")], None),
        ([BEGAN, LOST, WAY_BACK, (K.ROLLOUT_STARTED, 3)], "boom"),
        ([BEGAN, (K.REFUSED, None, "no warm-up")], None),
    ],
)
def test_a_rollout_is_heard_to_its_end(told: list[tuple], verdict: str | None):
    assert after(Awaited(release=2), *told).verdict == verdict


@pytest.mark.parametrize(
    ("told", "verdict"),
    [
        ([(K.ROLLOUT_STARTED, 3)], "release 2 was replaced by release 3"),
        ([BEGAN, (K.ROLLOUT_STARTED, 3)], "release 2 was replaced by release 3"),
        ([BEGAN, WAY_BACK], "release 2 was replaced by release 1"),
        ([WAY_BACK, (K.ROLLOUT_COMPLETED, 1), BEGAN, DONE], ""),  # an older one was built earlier
        ([WAY_BACK, (K.ROLLED_BACK, 1, "release 0 serves again"), BEGAN, DONE], ""),
        ([(K.ROLLOUT_FAILED, 1, "boom"), (K.ROLLOUT_STARTED, 0), (K.ROLLED_BACK, 1), BEGAN, DONE], ""),
    ],
)
def test_another_rollout_replaces_it_only_when_it_is_newer_or_ends_its_own(told: list[tuple], verdict: str):
    assert after(Awaited(release=2), *told).verdict == verdict


def test_a_rollback_by_hand_serves_when_it_has_come_back():
    assert after(Awaited(release=1), WAY_BACK, (K.ROLLED_BACK, 2, "release 1 serves again: by hand")).verdict == ""


def test_a_rollback_by_hand_that_fails_says_why_and_not_what_replaced_it():
    ended = after(Awaited(release=1), WAY_BACK, NO_WAY_BACK, BEGAN, (K.ROLLED_BACK, 1, "release 2 serves again: boom"))
    assert ended.verdict == "release 2 serves again: boom"
    assert ended.cause is not None
    assert ended.cause.text == "rollback to release 1 failed"


def test_whichever_release_it_is_its_bad_end_counts_and_a_good_one_is_not_asked_for():
    anyone = Awaited(release=None)
    assert after(anyone, BEGAN, DONE).verdict is None
    assert after(anyone, BROKEN).verdict == "no compiler"
    assert after(anyone, BEGAN, LOST, WAY_BACK, BACK).verdict == "release 1 serves again: boom"


def test_what_comes_after_the_verdict_changes_nothing():
    assert after(Awaited(release=2), BEGAN, DONE, LOST, BROKEN).verdict == ""


def test_failures_in_a_row_are_counted_and_the_last_one_is_known():
    awaited = Awaited(release=2)
    for number in (1, 2):
        awaited = heard(awaited, Reason(kind=K.FAILED, service="web", text="", instance=f"web-{number}"))
    assert (awaited.failing, awaited.failures) == ("web-2", 2)
    assert Awaited(release=2).failing is None
    awaited = heard(awaited, Reason(kind=K.FAILED, service="web", text=""))
    assert (awaited.failing, awaited.failures) == ("web-2", 2)
    assert heard(awaited, Reason(kind=K.IN_SERVICE, service="web", text="", instance="web-3")).failures == 0


@pytest.mark.parametrize(
    ("status", "changes", "runs"),
    [
        (ReleaseStatus.COMPLETED, {"release": 2}, 2),
        (ReleaseStatus.COMPLETED, {"release": None}, None),
        (ReleaseStatus.BUILDING, {}, 2),
        (ReleaseStatus.BUILD_FAILED, {}, 1),
        (ReleaseStatus.BUILT, {"rollout": rollout(2)}, 2),
        (ReleaseStatus.FAILED, {"rollout": rollout(1, 2, phase=RolloutPhase.ROLLING_BACK)}, 1),
        (ReleaseStatus.FAILED, {"rollout": rollout(2, phase=RolloutPhase.STALLED)}, None),
    ],
)
def test_the_release_that_runs_or_is_on_its_way(status: ReleaseStatus, changes: dict, runs: int | None):
    found = current(state(**({"releases": (release(), release(2, status))} | changes)), "web")
    assert (None if found is None else found.number) == runs


def test_a_service_that_is_not_known_runs_nothing():
    assert current(state(), "api") is None
