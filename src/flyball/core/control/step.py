"""The governor: one pure function that measures, decides, acts.

What happens next? A step looks at what is, not at what happened. For each service: intents, then each instance's life,
finished builds, the capacity wanted, the rollout, and what must start or go for it. Actions follow from the state alone
and are asked for until they are seen done, so a lost one costs one step. It may run at any moment, not only on a tick.

AWS runs these as separate services that poll each other (CloudWatch, Auto Scaling, ECS, ELB); the rules are theirs, the
delays between them are not: https://docs.aws.amazon.com/autoscaling/ec2/userguide/what-is-amazon-ec2-auto-scaling.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flyball.core.model import Application, Service

from . import capacity, clock, concurrency, intents, lifecycle, overload, reconcile, releases, rollout
from .actions import Action, Build, Launch, Terminate
from .news import StoreSeen
from .observation import InstanceSample, Observation, Shutdown
from .reasons import Reason, ReasonKind
from .state import Instance, Lifecycle, ReleaseStatus, ServiceState, State
from .turn import Turn
from .windows import Windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step decided: the next state, what to do, and why."""

    state: State
    actions: tuple[Action, ...]
    reasons: tuple[Reason, ...]


def begin(app: Application, *, now: float) -> State:
    """The state before the first step: no instances, no releases, desired capacities from the file."""
    return State(origin=now, services=tuple(_new_service(service, now) for service in app.services))


def step(app: Application, state: State, seen: Observation, *, now: float) -> Step:
    """Decide what happens next. Same inputs, same `Step`; a satisfied observation gives no actions."""
    state, told = clock.caught_up(state, now=now)
    shutting_down = state.shutting_down or any(isinstance(intent, Shutdown) for intent in seen.intents)
    since = state.balancer_since
    balancer_since = (now if since is None else since) if seen.balancer else None
    starved = overload.starved(seen.busy_percent) if seen.sampled else state.starved
    state = replace(state, stepped_at=now, shutting_down=shutting_down, balancer_since=balancer_since, starved=starved)
    turns = _turns(app, state, seen, now=now)
    unknown = [reason for intent in seen.intents if (reason := intents.apply(intent, turns))]
    for turn in turns.values():
        _run(turn)
    kept = [turn for turn in turns.values() if turn.instances or turn.of is not None]
    after = replace(
        state,
        services=tuple(turn.state for turn in kept),
        instances=tuple(instance for turn in kept for instance in turn.instances.values()),
    )
    actions = [action for turn in kept for action in _actions(turn)]
    return Step(
        state=after,
        actions=(*actions, *_strangers(state, after, seen)),
        reasons=(
            *told,
            *unknown,
            *(_told(store) for store in seen.stores),
            *(Reason(kind=ReasonKind(one.kind.value), service=one.service, text=one.text) for one in seen.mishaps),
            *(reason for turn in turns.values() for reason in turn.reasons),
        ),
    )


def _run(turn: Turn) -> None:
    lifecycle.observe(turn)
    overload.observe(turn)
    if turn.leaving:
        for instance in turn.staying():
            lifecycle.leave(turn, instance, "the application stops")
        return
    built = releases.newly_built(turn)
    if built is not None:
        rollout.start(turn, built)
    capacity.update(turn)
    concurrency.adapt(turn)
    if not turn.at_rest:
        rollout.advance(turn)
        reconcile.reconcile(turn)
    releases.forget(turn)


def _turns(app: Application, state: State, seen: Observation, *, now: float) -> dict[str, Turn]:
    by_id = {instance.id: instance for instance in seen.instances}
    known = {service.name: service for service in state.services}
    services = {service.name: service for service in app.services}
    names = [*services, *(name for name in known if name not in services)]
    instances: dict[str, dict[str, Instance]] = {name: {} for name in names}
    for instance in state.instances:
        instances[instance.service][instance.id] = instance
    samples = _samples(state, seen)
    return {
        name: Turn(
            of=services.get(name),
            zones=app.zones,
            state=known.get(name) or _new_service(services[name], now),
            instances=instances[name],
            by_id=by_id,
            samples=tuple(samples.get(name, ())),
            seen=seen,
            origin=state.origin,
            balancer_since=state.balancer_since,
            awake_since=state.awake_since,
            starved=state.starved,
            leaving=state.shutting_down or name not in services,
            now=now,
        )
        for name in names
    }


def _samples(state: State, seen: Observation) -> dict[str, list[InstanceSample]]:
    service_of = {instance.id: instance.service for instance in state.instances} if seen.samples else {}
    found: dict[str, list[InstanceSample]] = {}
    for sample in seen.samples:
        if sample.id in service_of:
            found.setdefault(service_of[sample.id], []).append(sample)
    return found


def _new_service(service: Service, now: float) -> ServiceState:
    windows = Windows(sampled_at=now)
    first, adaptive = service.capacity.first, concurrency.at_first(service)
    return ServiceState(name=service.name, desired=first, windows=windows, schedule_at=now, adaptive=adaptive)


def _told(store: StoreSeen) -> Reason:
    if store.problem:
        text = f"the store {store.name} died and does not start again: {store.problem}"
        return Reason(kind=ReasonKind.STORE_FAILED, service="", text=text)
    last = f"; its last words: {store.last_words}" if store.last_words else ""
    how = "did not answer, was ended" if store.hung else "died"
    text = f"the store {store.name} {how} and was started again with its data{last}"
    return Reason(kind=ReasonKind.STORE_RESTARTED, service="", text=text)


def _actions(turn: Turn) -> Iterator[Action]:
    specs = {release.number: release.spec for release in turn.state.releases}
    for release in turn.state.releases:
        if release.status is ReleaseStatus.BUILDING and not turn.leaving:
            yield Build(service=turn.state.name, release=release.number, spec=release.spec)
    for one in turn.instances.values():
        if one.lifecycle is Lifecycle.LAUNCHING and not one.seen:
            spec = specs[one.release]
            yield Launch(instance=one.id, service=one.service, release=one.release, zone=one.zone, spec=spec)
        elif one.lifecycle is Lifecycle.TERMINATING:
            yield Terminate(instance=one.id, force=lifecycle.must_be_killed(turn, one))


def _strangers(before: State, after: State, seen: Observation) -> Iterator[Action]:
    known = {instance.id for instance in (*before.instances, *after.instances)}
    for instance in seen.instances:
        if instance.id not in known and not instance.exited:
            yield Terminate(instance=instance.id)
