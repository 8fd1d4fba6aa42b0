"""Is a service at rest? Then there is nothing to exchange, to start or to let go, and nothing of it is looked for.

Rule: it is, while no rollout runs or is watched, no place waits for a back-off, as many instances stay as are wanted,
and each of them is of the release that serves, not failing and not to be replaced. Most steps find it so, and end here.

AWS: not its own; a controller that reconciles all the time would do the same for less.
"""

from __future__ import annotations

from .observation import InstanceSeen, TargetHealth
from .state import Instance, Lifecycle
from .turn import Turn


def at_rest(turn: Turn) -> bool:
    """Whether the rest of the step would change nothing."""
    state = turn.state
    if state.rollout is not None or state.finished is not None or state.backoff.failed_at is not None:
        return False
    staying = 0
    for one in turn.instances.values():
        if not one.staying:
            continue
        if one.release != state.release or one.replace or one.unhealthy_since is not None:
            return False
        staying += 1
    return staying == state.desired


def is_unchanged(instance: Instance, seen: InstanceSeen, health: TargetHealth) -> bool:
    """Whether it is a healthy instance in service of which nothing new is seen."""
    return (
        instance.lifecycle is Lifecycle.IN_SERVICE
        and health is TargetHealth.HEALTHY
        and instance.health is health
        and instance.unhealthy_since is None
        and instance.in_flight == seen.in_flight
        and instance.seen
    )
