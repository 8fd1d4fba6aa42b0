"""With which state does a loop begin that goes on after another one?

Rule: with the state that was written down last, a new one where nothing was. An application that was shut down begins
again with its first capacities; its releases are still known. Grace periods count from now on: nobody has told the
balancer of new instances, or heard it, meanwhile. An instance that may never have been started is asked for again.
Where what was written down is lost, `core.remaking` makes a state of what runs.
"""

from __future__ import annotations

from dataclasses import replace

from flyball.core.model import Application

from .state import Instance, Lifecycle, State
from .step import begin


def resumed(app: Application, state: State | None, *, now: float) -> State:
    """The state to go on with; `state` is the one after the last step, None without."""
    if state is None:
        return begin(app, now=now)
    state = replace(state, balancer_since=None, instances=tuple(_to_be_seen(one) for one in state.instances))
    if not state.shutting_down:
        return state
    first = {service.name: service.capacity.first for service in app.services}
    services = (one for one in state.services if one.name in first)
    return replace(
        state,
        shutting_down=False,
        services=tuple(replace(one, desired=first[one.name], held_until=None) for one in services),
    )


def _to_be_seen(one: Instance) -> Instance:
    started = one.lifecycle is not Lifecycle.LAUNCHING or one.ready_at is not None
    return one if started else replace(one, seen=False)
