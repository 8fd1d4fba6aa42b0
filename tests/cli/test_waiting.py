"""Waiting for a rollout: which end is a bad one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flyball.cli.waiting import GIVE_UP, GONE, until_settled
from flyball.core.errors import NotRunning
from flyball.local.paths import StateDirectory


def event(kind: str, release: int, reason: str = "why") -> dict[str, Any]:
    change = {"from": None, "to": None}
    told = {"id": 1, "at": 0.0, "kind": kind, "service": "web", "release": release, "reason": reason, "instance": None}
    return told | change


def settled_on(release: int, phase: str | None = None, *, in_service: int = 1) -> dict[str, Any]:
    capacity = {"in_service": in_service, "min": 1}
    rollout = None if phase is None else {"phase": phase}
    service = {"name": "web", "capacity": capacity, "release": release, "building": None, "rollout": rollout}
    return {"last_event": 1, "services": [service]}


def test_a_rollback_by_hand_is_no_failure(tmp_path: Path) -> None:
    events = iter([event("rollout_started", 1), event("rolled_back", 3, "release 1 serves again: by hand")])

    outcome = until_settled(events, lambda: settled_on(1), StateDirectory(tmp_path), services={"web": 1})

    assert outcome.failure is None


def test_the_wanted_release_taken_back_is_one(tmp_path: Path) -> None:
    taken_back = event("rolled_back", 3, "release 1 serves again: errors 4 % > 1 %")
    events = iter([event("rollout_failed", 3), event("rollout_started", 1), taken_back])

    outcome = until_settled(events, lambda: settled_on(1), StateDirectory(tmp_path), services={"web": 3})

    assert outcome.failure == "release 1 serves again: errors 4 % > 1 %"


def test_a_rollback_by_hand_that_was_taken_back_is_one(tmp_path: Path) -> None:
    failed = event("rollback_failed", 1, "rollback to release 1 failed: boom")
    stays = event("refused", 1, "release 1 is not rolled back: rollback is off")

    outcome = until_settled(iter([failed, stays]), lambda: settled_on(2), StateDirectory(tmp_path), services={"web": 1})

    assert outcome.failure == "rollback to release 1 failed: boom"


def test_a_rollback_that_failed_too_ends_the_wait(tmp_path: Path) -> None:
    failed = [event("rollout_failed", 2), event("rollout_started", 1)]
    failed += [event("rollback_failed", 1, "rollback to release 1 failed: boom"), event("refused", 1)]
    given_up = settled_on(1, "rollback_failed")

    outcome = until_settled(iter(failed), lambda: given_up, StateDirectory(tmp_path), services={"web": 2})

    assert outcome.failure == "rollback to release 1 failed: boom"


def test_why_a_rollback_was_given_up_is_heard_to_the_end(tmp_path: Path) -> None:
    why = "rollback to release 1 failed: boom"
    failed = {**event("failed", 1, "boom"), "instance": "web-5"}
    events = iter([failed, event("rollback_failed", 1, why), event("refused", 1, "rollback is off")])
    given_up = settled_on(2, "rollback_failed")

    outcome = until_settled(events, lambda: given_up, StateDirectory(tmp_path), services={"web": 1})

    assert outcome.failure == why


def test_a_rollback_with_nothing_in_service_is_waited_for(tmp_path: Path) -> None:
    failures = [{**event("failed", 2, "boom"), "instance": f"web-{number}"} for number in range(GIVE_UP)]
    lost = [event("rollout_failed", 2), event("rollout_started", 1)]
    events = iter([*failures, *lost, event("rolled_back", 2, "release 1 serves again: boom")])
    going_back = settled_on(1, "rolling_back", in_service=0)

    outcome = until_settled(events, lambda: going_back, StateDirectory(tmp_path), services={"web": 2})

    assert outcome.failure == "release 1 serves again: boom"


@pytest.mark.parametrize("phase", ["stalled", "rollback_failed"])
def test_up_does_not_wait_for_a_rollout_that_was_given_up(tmp_path: Path, phase: str) -> None:
    events: list[dict[str, Any] | None] = [None]

    outcome = until_settled(
        iter(events), lambda: settled_on(1, phase), StateDirectory(tmp_path), services={"web": None}
    )

    assert outcome.failure is None


def test_a_control_plane_that_ends_between_event_and_question_is_gone(tmp_path: Path) -> None:
    def gone() -> dict[str, Any]:
        raise NotRunning

    outcome = until_settled(iter([event("held", 1)]), gone, StateDirectory(tmp_path), services={"web": None})

    assert outcome.failure == GONE


def test_what_an_older_release_has_replaced_is_waited_for_no_more(tmp_path: Path) -> None:
    events = iter([event("rollout_started", 3), event("rollout_started", 2)])

    outcome = until_settled(events, lambda: settled_on(2), StateDirectory(tmp_path), services={"web": 3})

    assert outcome.failure == "release 3 was replaced by release 2"


def test_why_a_release_failed_is_told_although_it_is_all_over_when_it_is_looked_at(tmp_path: Path) -> None:
    back = "release 2 serves again, 3.1 s after the rollback began: 3 failed instances"
    told = [event("rollout_started", 1), event("rollback_failed", 1, "rollback to release 1 failed: boom")]
    told += [event("rollout_started", 2), event("rolled_back", 1, back)]

    outcome = until_settled(iter(told), lambda: settled_on(2), StateDirectory(tmp_path), services={"web": 1})

    assert outcome.failure == back


def test_that_all_is_well_counts_only_when_all_that_led_to_it_was_heard(tmp_path: Path) -> None:
    told = [event("held", 1), {**event("build_failed", 2, "no compiler"), "id": 2}]
    now = settled_on(1) | {"last_event": 2}

    outcome = until_settled(iter(told), lambda: now, StateDirectory(tmp_path), services={"web": None})

    assert outcome.failure == "no compiler"


def test_a_service_that_the_file_has_no_more_is_waited_for_no_more(tmp_path: Path) -> None:
    now = {"last_event": 1, "services": []}

    outcome = until_settled(iter([None]), lambda: now, StateDirectory(tmp_path), services={"web": 2})

    assert outcome.failure == "the file no longer has it"
