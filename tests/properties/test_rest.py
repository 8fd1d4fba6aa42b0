"""What a step leaves out when a service is at rest would have changed nothing: the short way and the long way agree."""

from __future__ import annotations

from hypothesis import given

from flyball.core.control import capacity, concurrency, lifecycle, overload, reconcile, rollout
from flyball.core.control.step import _turns
from flyball.core.control.turn import Turn
from properties.test_step_properties import applications, brief, histories, live
from scenarios.pretend import PretendWorld


class Watched(PretendWorld):
    """Keeps what every step was given."""

    def _observation(self):
        seen = super()._observation()
        self.__dict__.setdefault("inputs", []).append((self.app, self.state, seen, self.now))
        return seen


def drafts(inputs) -> list[Turn]:
    """Every step's draft, as far as the short way goes."""
    made = []
    for app, state, seen, now in inputs:
        turn = _turns(app, state, seen, now=now)["web"]
        if seen.intents or seen.builds or turn.of is None:
            continue
        lifecycle.observe(turn)
        overload.observe(turn)
        capacity.update(turn)
        concurrency.adapt(turn)
        made.append(turn)
    return made


def written(turn: Turn) -> tuple:
    return turn.state, dict(turn.instances), list(turn.reasons)


@brief
@given(applications(), histories)
def test_at_rest_there_is_nothing_to_exchange(app, history):
    world = live(app, history, kind=Watched)
    for turn in drafts(world.inputs):
        before = written(turn)
        if turn.at_rest:
            rollout.advance(turn)
            reconcile.reconcile(turn)
            assert written(turn) == before


def test_most_steps_of_a_calm_service_are_at_rest():
    from builders import application, service

    world = live(application(service(routes=())), [(60.0, ("load", 20.0))], kind=Watched)
    turns = drafts(world.inputs)

    assert sum(turn.at_rest for turn in turns) > 0.8 * len(turns)
