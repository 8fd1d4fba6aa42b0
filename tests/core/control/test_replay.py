"""A recording stepped again decides the same; another decision is seen at its step."""

from __future__ import annotations

from dataclasses import replace

from builders import SPEC, application
from flyball.core.control.observation import BuildSeen, Deploy, Observation
from flyball.core.control.replay import Recorded, replayed
from flyball.core.control.step import begin, step

APP = application()


def recording() -> list[Recorded]:
    """Two steps; only before the first the state was kept."""
    made, state = [], begin(APP, now=0.0)
    looks = (
        Observation(intents=(Deploy(service="web", spec=SPEC),)),
        Observation(builds=(BuildSeen(service="web", release=1, succeeded=True),)),
    )
    for number, seen in enumerate(looks):
        done = step(APP, state, seen, now=float(number))
        kept = state if number == 0 else None
        made.append(Recorded(id=number, at=float(number), app=APP, seen=seen, state=kept, actions=done.actions))
        state = done.state
    return made


def test_a_recording_decides_the_same_again():
    again = list(replayed(recording()))
    assert [one.identical for one in again] == [True, True]
    assert [one.recorded.id for one in again] == [0, 1]
    assert again[1].step.state.service("web").rollout is not None


def test_what_decides_otherwise_is_seen():
    first, second = recording()
    assert [one.identical for one in replayed([first, replace(second, actions=())])] == [True, False]


def test_what_was_recorded_before_the_first_kept_state_cannot_be_replayed():
    first, second = recording()
    assert list(replayed([replace(first, state=None), second])) == []
