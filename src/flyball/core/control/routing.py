"""Which instances may receive traffic, and how much of it: a pure function of the state.

Rule: an instance is a target from the moment it has answered its health path until it is told to stop; while it drains,
it takes no new requests. A shadow (the new set of a blue/green rollout before the switch) is no target; the old set
after the switch stays one that takes nothing, so that going back is immediate. While a canary or linear rollout runs,
weights give the new release its share.

AWS: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html
Ours: AWS weights target groups; here each target has a weight, since one cluster holds both releases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .state import Instance, Lifecycle, Rollout, RolloutPhase, State
from .traffic import SPLIT, weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An instance as the balancer should see it. `weight` 1 to 128; a draining target gets no new requests."""

    instance: str
    zone: str
    weight: int
    draining: bool


def targets(state: State, service: str) -> tuple[Target, ...]:
    """The targets of a service, in the order of their numbers: ready, in service or draining, never shadow."""
    instances = [one for one in state.instances if one.service == service and _is_target(one)]
    rollout = next((one.rollout for one in state.services if one.name == service), None)
    new, old = _weights(rollout, instances)
    return tuple(
        Target(
            instance=one.id,
            zone=one.zone,
            weight=new if rollout is not None and one.release == rollout.to_release else old,
            draining=one.lifecycle is Lifecycle.DRAINING or _parked(rollout, one),
        )
        for one in instances
    )


def _is_target(instance: Instance) -> bool:
    ready = instance.ready_at is not None and not instance.shadow
    return ready and instance.lifecycle is not Lifecycle.TERMINATING


def _parked(rollout: Rollout | None, instance: Instance) -> bool:
    return rollout is not None and rollout.parks_old and instance.release != rollout.to_release


def _weights(rollout: Rollout | None, instances: Sequence[Instance]) -> tuple[int, int]:
    if rollout is None or rollout.strategy not in SPLIT or rollout.phase is not RolloutPhase.RUNNING:
        return 1, 1
    serving = [one.release for one in instances if one.lifecycle is Lifecycle.IN_SERVICE]
    new = serving.count(rollout.to_release)
    return weights(rollout.percent, new, len(serving) - new)
