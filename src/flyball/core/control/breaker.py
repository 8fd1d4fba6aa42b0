"""When has a rollout failed too often, and when may a failed instance be started again?

Circuit breaker: BOUNDED_PERCENT 50 trips at clamp(ceil(0.5 x desired), 3, 200) failed instances; COUNT at a number;
UNBOUNDED_PERCENT without the clamp. An instance of the new release has failed when it exits, is not in service within
the grace period, or has to be replaced because it is unhealthy.
Back-off: the place of an instance that died young (before 60 s in service) stays empty for 1, 2, 4 ... 60 s; one that
had been in service is replaced at once the first time. Only that place waits: a scale-out and the replacement of an
instance that had lasted never do. It starts anew when an instance that came after the last failure has stayed in
service for 60 s. Deaths in one step count once.

AWS: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ThresholdConfiguration.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-throttle-logic.html
Ours: instances that crash after they were healthy count too (ECS misses them: aws/containers-roadmap#1206), also for 60
s after the rollout has ended; so a healthy one starts the count anew only where the file says so (on ECS by default).
ECS's restart delay grows to 15 minutes and only for tasks that never ran.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from flyball.core.model import CircuitBreaker, ThresholdType

from .pacing import Backoff
from .state import Instance, Rollout, RolloutPhase
from .turn import Turn

YOUNG_S = 60.0
LONGEST_BACKOFF_S = 60.0
BOUNDS = (3, 200)


def threshold(breaker: CircuitBreaker, desired: int) -> int:
    """How many failed instances fail a rollout."""
    if breaker.threshold_type is ThresholdType.COUNT:
        return breaker.value
    share = math.ceil(breaker.value * desired / 100)
    if breaker.threshold_type is ThresholdType.UNBOUNDED_PERCENT:
        return max(share, 1)
    return min(max(share, BOUNDS[0]), BOUNDS[1])


def tripped(breaker: CircuitBreaker | None, rollout: Rollout, desired: int) -> str:
    """Why the rollout has failed by now, "" when it has not."""
    if breaker is None or rollout.failures < (limit := threshold(breaker, desired)):
        return ""
    return f"{rollout.failures} failed instances (limit {limit}), the last: {rollout.failure}"


def count(turn: Turn, instance: Instance, failure: str) -> None:
    """Count a failed instance for back-off, and for the rollout that brought its release."""
    turn.state = replace(
        turn.state,
        backoff=backed_off(turn.state.backoff, instance, now=turn.now),
        rollout=_with_failure(turn.state.rollout, instance, failure, turn.now),
        finished=_with_failure(turn.state.finished, instance, failure, None),
    )


def came_into_service(turn: Turn, instance: Instance) -> None:
    """Start the rollout's count anew where the file says so."""
    rollout, rule = turn.state.rollout, turn.deployment.circuit_breaker
    if rollout is not None and rollout.to_release == instance.release and rule is not None and rule.reset_on_healthy:
        turn.set_rollout(replace(rollout, failures=0))


def _with_failure(rollout: Rollout | None, instance: Instance, failure: str, again: float | None) -> Rollout | None:
    if rollout is None or rollout.to_release != instance.release:
        return rollout
    rollout = replace(rollout, failures=rollout.failures + 1, failure=failure)
    if again is None or rollout.phase is not RolloutPhase.BAKING:
        return rollout
    return replace(rollout, phase_started_at=again)  # the bake starts again


def backed_off(backoff: Backoff, instance: Instance, *, now: float) -> Backoff:
    """The back-off after this instance died."""
    served = instance.in_service_at is not None
    if instance.in_service_at is not None and now - instance.in_service_at >= YOUNG_S:
        return backoff
    backoff = backoff if backoff.release == instance.release else Backoff()
    failures = backoff.failures + (backoff.failed_at != now)
    wait_s = 0.0 if served and failures == 1 else min(2.0 ** min(failures - 1, 10), LONGEST_BACKOFF_S)
    retry_at = (*(at for at in backoff.retry_at if at > now), now + wait_s)
    return Backoff(failures=failures, failed_at=now, release=instance.release, retry_at=retry_at)


def launchable(backoff: Backoff, count: int, *, release: int, now: float) -> int:
    """How many of `count` instances of a release may start now: all but those whose places wait."""
    if backoff.release != release:
        return count
    return max(count - sum(1 for at in backoff.retry_at if at > now), 0)


def recovered(backoff: Backoff, instances: Iterable[Instance], *, now: float) -> Backoff:
    """The back-off, started anew when an instance that came after the last failure has lasted."""
    if (failed_at := backoff.failed_at) is None:
        return backoff
    since = [one.in_service_at for one in instances if one.staying and one.in_service_at is not None]
    return Backoff() if any(at >= failed_at and now - at >= YOUNG_S for at in since) else backoff
