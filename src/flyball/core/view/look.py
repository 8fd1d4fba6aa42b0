"""How does an application stand after a step?

Rule: a pure function of what the step was given and of the state that it made. Figures of a service are its last closed
datapoint, which is what its policies saw; figures of an instance are its share of the last sample.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flyball.core.control import breaker, concurrency
from flyball.core.control.alarms import AlarmState
from flyball.core.control.observation import InstanceSample, InstanceSeen, Observation, QueueSample
from flyball.core.control.scaling import policy_alarms
from flyball.core.control.state import Instance, Lifecycle, ReleaseStatus, Rollout, ServiceState, State
from flyball.core.control.windows import Windows
from flyball.core.model import Application, Metric, Service

from .views import (
    AlarmView,
    ApplicationView,
    CapacityView,
    InstanceView,
    Metrics,
    RolloutView,
    ServiceView,
)


def with_samples_of(seen: Observation, before: Observation) -> Observation:
    """What was seen last, with the newest samples: its own, or else those of what was seen before."""
    if seen.sampled:
        return seen
    return replace(seen, samples=before.samples, latencies=before.latencies, queues=before.queues)


def application(app: Application, state: State, seen: Observation) -> ApplicationView:
    """The application after a step; `seen` is what was seen last, with the newest samples."""
    found = {one.id: one for one in seen.instances}
    samples = {one.id: one for one in seen.samples}
    queues = {one.service: one for one in seen.queues}
    services = {one.name: one for one in app.services}
    return ApplicationView(
        name=app.name,
        services=tuple(
            _service(services[one.name], one, state.instances, found, samples, queue=queues.get(one.name))
            for one in state.services
            if one.name in services
        ),
    )


def _service(
    of: Service,
    state: ServiceState,
    instances: tuple[Instance, ...],
    found: Mapping[str, InstanceSeen],
    samples: Mapping[str, InstanceSample],
    *,
    queue: QueueSample | None,
) -> ServiceView:
    mine = [one for one in instances if one.service == of.name]
    return ServiceView(
        of=of,
        release=state.release,
        building=next((one.number for one in state.releases if one.status is ReleaseStatus.BUILDING), None),
        releases=state.releases,
        rollout=None if state.rollout is None else _rollout(of, state.rollout, state.desired),
        capacity=CapacityView(
            min=of.capacity.min,
            desired=state.desired,
            max=of.capacity.max,
            in_service=sum(1 for one in mine if one.lifecycle is Lifecycle.IN_SERVICE),
        ),
        metrics=metrics(state.windows, queue),
        alarms=_alarms(of, state),
        held_until=state.held_until,
        concurrency=concurrency.limit(of, state.adaptive),
        instances=tuple(_instance(one, found.get(one.id), samples.get(one.id), state.windows.sample_s) for one in mine),
    )


def metrics(windows: Windows, queue: QueueSample | None) -> Metrics:
    """The last closed datapoint, and the queue of the last sample; None when nothing waited."""
    rates = windows.rates
    queue = queue or QueueSample(service="", waiting=0)
    return Metrics(
        requests_per_s=None if rates is None else rates.requests_per_s,
        errors_per_s=None if rates is None else rates.errors_per_s,
        points={metric: windows.last(metric) for metric in Metric},
        waiting=queue.waiting,
        waited_p50_ms=queue.waited_p50_ms,
        waited_p99_ms=queue.waited_p99_ms,
        turned_away=queue.turned_away,
    )


def _alarms(of: Service, state: ServiceState) -> tuple[AlarmView, ...]:
    known = {alarm.name: alarm.state for alarm in state.alarms}
    return tuple(
        AlarmView(rule=rule, state=known.get(rule.name, AlarmState.INSUFFICIENT_DATA))
        for rule in policy_alarms.thresholds(of)
    )


def _rollout(of: Service, rollout: Rollout, desired: int) -> RolloutView:
    rules = of.deployment
    limit = None if rules.circuit_breaker is None else breaker.threshold(rules.circuit_breaker, desired)
    return RolloutView(of=rollout, failures_allowed=limit, fewest=rules.fewest(desired), most=rules.most(desired))


def _instance(of: Instance, seen: InstanceSeen | None, sample: InstanceSample | None, sample_s: float) -> InstanceView:
    detail = "" if seen is None else seen.detail
    if sample is None:
        return InstanceView(of=of, detail=detail)
    return InstanceView(
        of=of,
        cpu_percent=sample.cpu_percent,
        memory_percent=sample.memory_percent,
        memory_bytes=sample.memory_bytes,
        requests_per_s=sample.requests / sample_s if sample_s > 0 else None,
        detail=detail,
    )
