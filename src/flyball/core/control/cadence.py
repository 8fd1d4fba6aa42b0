"""When does the loop look at the world again?

Rule: a tick, which is a sampled observation, comes every second, or every period where that is shorter, just after the
end of a datapoint: both are counted from the state's origin. In between the loop looks when something happened, and
every `POLL_S` while the balancer's verdict on an instance that comes or goes is waited for.

AWS: CloudWatch takes a datapoint a minute, and alarms are judged when it is there; nobody looks in between.
"""

from __future__ import annotations

import math

from flyball.core.model import Application

from .state import Lifecycle, State

TICK_S = 1.0
POLL_S = 0.1
AFTER_BOUNDARY_S = 0.01


def next_tick(app: Application, state: State, *, now: float) -> float:
    """The time of the first tick after `now`."""
    tick_s = min([TICK_S, *(service.scaling.period_s for service in app.services)])
    return state.origin + (math.floor((now - state.origin) / tick_s) + 1) * tick_s + AFTER_BOUNDARY_S


def next_look(state: State, *, tick: float, now: float) -> float:
    """The time of the next look when nothing happens before; `tick` is the time of the next tick."""
    awaited = any(
        one.lifecycle is Lifecycle.DRAINING or (one.lifecycle is Lifecycle.LAUNCHING and one.ready_at is not None)
        for one in state.instances
    )
    return min(tick, now + POLL_S) if awaited else tick
