"""Waiting for a rollout: which end is a bad one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flyball.cli.waiting import GIVE_UP, GONE, until_settled
from flyball.core.errors import NotRunning
from flyball.local.paths import StateDirectory


def event(kind: str, release: int, reason: str = "why") -> dict[str, Any]:
    return {"kind": kind, "service": "web", "release": release, "reason": reason, "instance": None}


def settled_on(release: int, phase: str | None = None, *, in_service: int = 1) -> dict[str, Any]:
    capacity = {"in_service": in_service, "min": 1}
    rollout = None if phase is None else {"phase": phase}
    service = {"name": "web", "capacity": capacity, "release": release, "building": None, "rollout": rollout}
    return {"services": [service]}


def test_a_rollback_by_hand_is_no_failure(tmp_path: Path) -> None:
    events = iter([event("rolled_back", 3, "release 1 serves again: by hand")])

    outcome = until_settled(events, lambda: settled_on(1), StateDirectory(tmp_path), services={"web": 1})

    assert outcome.failure is None


def test_the_wanted_release_taken_back_is_one(tmp_path: Path) -> None:
    taken_back = event("rolled_back", 3, "release 1 serves again: errors 4 % > 1 %")
    events = iter([event("rollout_failed", 3), taken_back])

    outcome = until_settled(events, lambda: settled_on(1), StateDirectory(tmp_path), services={"web": 3})

    assert outcome.failure == "release 1 serves again: errors 4 % > 1 %"


def test_a_rollback_by_hand_that_was_taken_back_is_one(tmp_path: Path) -> None:
    failed = event("rollback_failed", 1, "rollback to release 1 failed: boom")

    outcome = until_settled(iter([failed]), lambda: settled_on(2), StateDirectory(tmp_path), services={"web": 1})

    assert outcome.failure == "rollback to release 1 failed: boom"


def test_a_rollback_that_failed_too_ends_the_wait(tmp_path: Path) -> None:
    events = iter([event("rollout_failed", 2), event("rollback_failed", 1, "rollback to release 1 failed: boom")])
    phases = iter(["rolling_back", "rollback_failed"])

    outcome = until_settled(events, lambda: settled_on(1, next(phases)), StateDirectory(tmp_path), services={"web": 2})

    assert outcome.failure == "rollback to release 1 failed: boom"


def test_why_a_rollback_was_given_up_is_heard_to_the_end(tmp_path: Path) -> None:
    why = "rollback to release 1 failed: boom"
    events = iter([{**event("failed", 1, "boom"), "instance": "web-5"}, event("rollback_failed", 1, why)])
    given_up = settled_on(2, "rollback_failed")

    outcome = until_settled(events, lambda: given_up, StateDirectory(tmp_path), services={"web": 1})

    assert outcome.failure == why


def test_a_rollback_with_nothing_in_service_is_waited_for(tmp_path: Path) -> None:
    failures = [{**event("failed", 2, "boom"), "instance": f"web-{number}"} for number in range(GIVE_UP)]
    events = iter([*failures, event("rollout_failed", 2), event("rolled_back", 2, "release 1 serves again: boom")])
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
