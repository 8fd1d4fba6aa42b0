"""What `flyball up` in the foreground does when a service can never come up."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace

import pytest

from builders import application, release, rollout, service, state
from flyball.cli.up import _Screen
from flyball.core.control.reasons import Event, Reason, ReasonKind
from flyball.core.control.state import ReleaseStatus, RolloutPhase, State
from flyball.local.paths import StateDirectory


class Starting:
    """A control plane in which nothing serves (yet)."""

    def __init__(self, directory: Path, known: State | None = None) -> None:
        self.app = application(service())
        self.paths = StateDirectory(directory)
        self.instances = SimpleNamespace(running={})
        self.state = known or State(origin=0.0, services=())


async def test_a_build_that_fails_before_the_last_source_is_copied_ends_it(tmp_path: Path) -> None:
    screen = _Screen(Starting(tmp_path))
    why = Reason(kind=ReasonKind.BUILD_FAILED, service="web", text="the build failed (exit code 3)", release=1)
    screen.on_event(Event(id=1, at=0.0, reason=why))
    assert await asyncio.wait_for(screen.watch(screen._runtime), 60) == 1


FAILED = release(2, ReleaseStatus.FAILED)


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        (ReasonKind.BUILD_FAILED, state(releases=(release(1), release(2, ReleaseStatus.BUILD_FAILED)))),
        (
            ReasonKind.ROLLOUT_FAILED,
            state(releases=(release(1), FAILED), rollout=rollout(1, 2, phase=RolloutPhase.ROLLING_BACK)),
        ),
        (
            ReasonKind.ROLLBACK_FAILED,
            state(
                releases=(release(1, ReleaseStatus.FAILED), FAILED),
                rollout=rollout(1, 2, phase=RolloutPhase.ROLLBACK_FAILED),
            ),
        ),
    ],
)
def test_what_has_served_goes_on_although_nothing_is_in_service_at_the_moment(
    tmp_path: Path, kind: ReasonKind, known: State
) -> None:
    screen = _Screen(Starting(tmp_path, known))
    screen.on_event(Event(id=1, at=0.0, reason=Reason(kind=kind, service="web", text="why", release=2)))
    assert not screen._failed.is_set()


async def test_a_build_is_heard_while_it_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    screen = _Screen(Starting(tmp_path))
    screen._runtime.paths.logs.mkdir(parents=True)
    (screen._runtime.paths.logs / "build-web-1.log").write_text("added 312 packages\n")
    created = Reason(kind=ReasonKind.RELEASE_CREATED, service="web", text="", release=1)
    screen.on_event(Event(id=1, at=0.0, reason=created))
    told = ""
    while "added 312 packages" not in told:
        await asyncio.sleep(0)
        told += capsys.readouterr().out
    assert "build-web-1 | added 312 packages" in told
    screen._unfollow("build-web-1")
    assert screen._followed["build-web-1"].cancelling()
