"""What is measured of a service, and of how many instances?

Rule: a sampled observation is recorded into the windows of the service, of the instances that take requests. Warming
ones are left out; after a blue/green switch so is the old set. When a datapoint is closed, every alarm is evaluated.

AWS: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/cloudwatch-metrics.html
"""

from __future__ import annotations

from dataclasses import replace

from flyball.core.model import Metric

from .samples import sample_of
from .scaling import cooldown, policies, policy_alarms
from .scaling.proposal import Counts
from .state import Instance, Lifecycle
from .turn import Turn
from .windows import record, shaped

FIRST_START_S = 2.0
"""How long a start is taken to last before one has been seen."""
STARTS = 5


def measured(turn: Turn) -> bool:
    """Record the sample; whether a datapoint was closed with it."""
    service, scaling = turn.service, turn.service.scaling
    alarms = policy_alarms.thresholds(service)
    asked = policies.of(scaling)
    watched = policy_alarms.metrics(alarms) | asked.scaled_by
    windows = shaped(turn.state.windows, asked.recorded, period_s=scaling.period_s, origin=turn.origin)
    since = turn.origin if windows.sampled_at is None else windows.sampled_at
    warmup = cooldown.warmup_s(scaling)
    found = serving(turn)
    sample = sample_of(
        turn.samples,
        measured={one.id for one in found if _is_measured(one, since, warmup, turn.now)},
        in_service=len(found),
        in_flight=sum(one.in_flight for one in found) if Metric.CONCURRENCY in asked.scaled_by else 0,
        queue=next((one for one in turn.seen.queues if one.service == service.name), None),
        wanted=turn.state.desired > 0,
        latency=next((one for one in turn.seen.latencies if one.service == service.name), None),
    )
    keep = max(policy_alarms.points_kept(alarms), asked.points)
    windows, closed = record(windows, sample, keep=keep, watched=watched, origin=turn.origin, now=turn.now)
    states = policy_alarms.evaluated(alarms, windows, turn.state.alarms) if closed else turn.state.alarms
    turn.state = replace(turn.state, windows=windows, alarms=states)
    return closed


def serving(turn: Turn) -> list[Instance]:
    """The instances that take requests."""
    rollout = turn.state.rollout
    parked = rollout is not None and rollout.parks_old
    return [
        one
        for one in turn.instances.values()
        if one.lifecycle is Lifecycle.IN_SERVICE and not (parked and rollout and one.release != rollout.to_release)
    ]


def _is_measured(instance: Instance, since: float, warmup: float, now: float) -> bool:
    assert instance.in_service_at is not None
    return instance.in_service_at <= since and not (warmup > 0 and cooldown.is_warming(instance, warmup, now=now))


def counts(turn: Turn) -> Counts:
    """Where a policy starts from."""
    warmup = cooldown.warmup_s(turn.service.scaling)
    everyone = turn.instances.values() if warmup > 0 else ()
    warming = [one for one in everyone if cooldown.is_warming(one, warmup, now=turn.now)]
    still = sum(1 for one in warming if one.lifecycle is Lifecycle.IN_SERVICE)
    return Counts(desired=turn.state.desired, running=len(serving(turn)) - still, warming=bool(warming))


def start_s(turn: Turn) -> float:
    """How long an instance takes into service: the average of the newest ones."""
    found = [one.in_service_at - one.launched_at for one in serving(turn) if one.in_service_at is not None][-STARTS:]
    return sum(found) / len(found) if found else FIRST_START_S
