"""When does the loop look at the world again?

Rule: a tick, which is a sampled observation, comes every second, or every period where that is shorter, just after the
end of a datapoint: both are counted from the state's origin. In between the loop looks when something happened, and
every `POLL_S` while the balancer's verdict on an instance that comes or goes is waited for. Services that scale by
`adaptive` are looked at every `GLANCE_S`: a queue of theirs need not wait for the end of a datapoint.

AWS: CloudWatch takes a datapoint a minute, and alarms are judged when it is there; nobody looks in between.
"""

from __future__ import annotations

import math

from flyball.core.model import Application

from .state import Lifecycle, State

TICK_S = 1.0
POLL_S = 0.1
GLANCE_S = 0.25
SHORTEST_GLANCE_S = 0.1
"""What came in less time than this says little of a rate."""
AFTER_BOUNDARY_S = 0.01


def next_tick(app: Application, state: State, *, now: float) -> float:
    """The time of the first tick after `now`."""
    tick_s = min([TICK_S, *(service.scaling.period_s for service in app.services)])
    return state.origin + (math.floor((now - state.origin) / tick_s) + 1) * tick_s + AFTER_BOUNDARY_S


def glanced(app: Application) -> tuple[str, ...]:
    """The services that are looked at between two ticks."""
    return tuple(service.name for service in app.services if service.scaling.adaptive is not None)


def next_look(app: Application, state: State, *, tick: float, now: float) -> float:
    """The time of the next look when nothing happens before; `tick` is the time of the next tick."""
    awaited = any(
        one.lifecycle is Lifecycle.DRAINING or (one.lifecycle is Lifecycle.LAUNCHING and one.ready_at is not None)
        for one in state.instances
    )
    if awaited:
        return min(tick, now + POLL_S)
    return min(tick, now + GLANCE_S) if glanced(app) else tick
