"""A small world in virtual time that drives `step`: instances that start, serve, fail and stop as a scenario says.

A whole tick (a second by default) is a sampled step; `between` says at which shares of a tick there are others. Load is
shared by the targets' weights among healthy targets (all of them when none is healthy: the balancer fails open); CPU
percent is load over capacity, and what is above it waits inside the instance.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from flyball.core.control.actions import Action, Build, Launch, Terminate
from flyball.core.control.observation import (
    BuildSeen,
    InstanceSample,
    InstanceSeen,
    Intent,
    LatencySample,
    Observation,
    QueueSample,
    TargetHealth,
)
from flyball.core.control.reasons import Reason
from flyball.core.control.routing import Target, targets
from flyball.core.control.state import Lifecycle, State
from flyball.core.control.step import Step, begin, step
from flyball.core.model import Application


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How instances of a release behave. Times are seconds after the start (`crash_healthy_s`: after first healthy)."""

    start_s: float = 1.0
    exit_s: float | None = None
    crash_healthy_s: float | None = None
    answers: bool = True
    listens: bool = True
    errors_percent: float = 0.0
    p99_ms: float = 20.0
    stop_s: float = 0.5
    memory_percent: float = 10.0
    builds: bool = True


@dataclass(kw_only=True)
class Body:
    """One pretend process."""

    id: str
    service: str
    release: int
    started_at: float
    ready: bool = False
    healthy_at: float | None = None
    health: TargetHealth = TargetHealth.UNUSED
    draining_since: float | None = None
    stopping_at: float | None = None
    exit_code: int | None = None
    exited: bool = False
    sick: bool = False
    timed_out: bool = False
    backlog: float = 0.0
    sent: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What could be counted after one step."""

    now: float
    desired: int
    healthy: int
    alive: int
    in_rollout: bool


@dataclass(kw_only=True)
class PretendWorld:
    """Calls `step` and does what it asks.

    `capacity_rps`: requests per second that one instance takes at 100 % CPU. `unsampled`: which instances give no
    sample now. `stuck`: overloaded instances answer nothing at all. `moments`: what was counted at every step.
    """

    app: Application
    now: float = 0.0
    between: tuple[float, ...] = (0.5,)
    capacity_rps: float = 100.0
    request_s: float = 0.5
    tick_s: float = 1.0
    build_s: float = 1.0
    load_rps: float = 0.0
    balancer: bool = True
    overload_kills_checks: bool = False
    stuck: bool = False
    busy_percent: float | None = None
    waiting: int = 0
    unsampled: Callable[[Body], bool] = lambda _body: False
    behaviours: dict[int, Behaviour] = field(default_factory=dict)
    bodies: dict[str, Body] = field(default_factory=dict)
    building: dict[tuple[str, int], float] = field(default_factory=dict)
    intents: list[Intent] = field(default_factory=list)
    log: list[tuple[float, Reason]] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)
    actions: tuple[Action, ...] = ()
    on_step: Callable[[PretendWorld, Step], None] = lambda _world, _done: None
    state: State = field(init=False)

    def __post_init__(self) -> None:
        self.state = begin(self.app, now=self.now)
        self.start = self.now

    def behaviour(self, release: int) -> Behaviour:
        return self.behaviours.get(release, Behaviour())

    def run_until(self, until: float) -> None:
        while self.now < until:
            self.advance()

    def advance(self) -> None:
        """One step at the current time, then it is the time of the next one."""
        done = step(self.app, self.state, self._observation(), now=self.now)
        self.on_step(self, done)
        self.state, self.actions = done.state, done.actions
        self.log.extend((self.now, reason) for reason in done.reasons)
        self._count()
        for action in done.actions:
            self._carry_out(action)
        self._route()
        before, self.now = self.now, self._next()
        self._pile_up(self.now - before)
        self._live()

    def _pile_up(self, elapsed_s: float) -> None:
        for service in self.app.services if self.overload_kills_checks else ():
            shares = self.shares(service.name)
            for body in self.bodies.values():
                done = 0.0 if self.stuck and body.backlog else self.capacity_rps
                body.backlog = max(0.0, body.backlog + (shares.get(body.id, 0.0) - done) * elapsed_s)

    def _next(self) -> float:
        tick = self.now - (self.now - self.start) % self.tick_s
        steps = (*(tick + share * self.tick_s for share in self.between), tick + self.tick_s)
        return next(at for at in steps if at > self.now)

    def _observation(self) -> Observation:
        intents, self.intents = tuple(self.intents), []
        sampled = (self.now - self.start) % self.tick_s == 0
        builds = tuple(
            BuildSeen(service=name, release=number, succeeded=self.behaviour(number).builds, message="exit status 2")
            for (name, number), done in self.building.items()
            if done <= self.now
        )
        for build in builds:
            del self.building[build.service, build.release]
        seen = tuple(self._seen(body) for body in self.bodies.values())
        return Observation(
            instances=seen,
            sampled=sampled,
            samples=tuple(self._samples()) if sampled else (),
            latencies=tuple(self._latencies()) if sampled else (),
            queues=tuple(self._queues()) if sampled else (),
            busy_percent=self.busy_percent if sampled else None,
            builds=builds,
            intents=intents,
            balancer=self.balancer,
        )

    def _seen(self, body: Body) -> InstanceSeen:
        in_flight = self._in_flight(body)
        return InstanceSeen(
            id=body.id,
            ready=body.ready,
            exited=body.exited,
            exit_code=body.exit_code,
            target_health=body.health if self.balancer else TargetHealth.UNUSED,
            in_flight=in_flight,
            unanswered=body.timed_out,
            detail=self._detail(body),
        )

    def _detail(self, body: Body) -> str:
        if body.exited and body.stopping_at is None:
            return "boom"
        return "no answer in time" if body.timed_out else ""

    def _in_flight(self, body: Body) -> int:
        if body.draining_since is not None:
            return 1 if self.now - body.draining_since < self.request_s else 0
        return int(body.backlog) + (self.shares(body.service).get(body.id, 0.0) > 0)

    def _queues(self) -> list[QueueSample]:
        return [QueueSample(service=one.name, waiting=self.waiting) for one in self.app.services if self.waiting]

    def shares(self, service: str) -> dict[str, float]:
        """Requests per second of each target."""
        open_ = {t.instance: t for t in targets(self.state, service) if not t.draining and t.instance in self.bodies}
        well = {name: t for name, t in open_.items() if self.bodies[name].health is TargetHealth.HEALTHY}
        taking = well or {name: t for name, t in open_.items() if self.bodies[name].ready}
        total = sum(target.weight for target in taking.values())
        return {name: self.load_rps * target.weight / total for name, target in taking.items()}

    def _samples(self) -> list[InstanceSample]:
        found = []
        for service in self.app.services:
            shares = self.shares(service.name)
            found += [
                self._sample(body, shares.get(body.id, 0.0))
                for body in self.bodies.values()
                if body.service == service.name and body.ready and not body.exited and not self.unsampled(body)
            ]
        return found

    def _sample(self, body: Body, share: float) -> InstanceSample:
        behaviour = self.behaviour(body.release)
        before, body.sent = int(body.sent), body.sent + share * self.tick_s
        return InstanceSample(
            id=body.id,
            cpu_percent=min(100.0, 100.0 * share / self.capacity_rps),
            memory_percent=behaviour.memory_percent,
            requests=int(body.sent) - before,
            answered=0 if self.stuck and body.backlog else round(self.capacity_rps if body.backlog else share),
            errors=round(share * self.tick_s * behaviour.errors_percent / 100),
        )

    def _latencies(self) -> list[LatencySample]:
        found = []
        for service in self.app.services:
            serving = [self.bodies[name] for name in self.shares(service.name)]
            if serving and self.load_rps:
                worst = max(self.behaviour(body.release).p99_ms for body in serving)
                found.append(LatencySample(service=service.name, p50_ms=worst / 4, p95_ms=worst / 2, p99_ms=worst))
        return found

    def _count(self) -> None:
        rows = self.state.instances
        first = self.state.services[0] if self.state.services else None
        self.moments.append(
            Moment(
                now=self.now,
                desired=first.desired if first else 0,
                healthy=sum(1 for one in rows if one.lifecycle is Lifecycle.IN_SERVICE and one.healthy),
                alive=len(rows),
                in_rollout=first is not None and first.rollout is not None,
            )
        )

    def _carry_out(self, action: Action) -> None:
        match action:
            case Build():
                self.building.setdefault((action.service, action.release), self.now + self.build_s)
            case Launch():
                self.bodies.setdefault(
                    action.instance,
                    Body(id=action.instance, service=action.service, release=action.release, started_at=self.now),
                )
            case Terminate():
                self._terminate(action)

    def _terminate(self, action: Terminate) -> None:
        body = self.bodies.get(action.instance)
        if body is not None and action.force:
            body.exited, body.exit_code = True, -9
        elif body is not None and body.stopping_at is None:
            body.stopping_at = self.now + self.behaviour(body.release).stop_s

    def _route(self) -> None:
        for service in self.app.services:
            placed: dict[str, Target] = {target.instance: target for target in targets(self.state, service.name)}
            for body in self.bodies.values():
                if body.service == service.name:
                    self._check(body, placed.get(body.id))

    def _check(self, body: Body, target: Target | None) -> None:
        if target is None:
            body.health = TargetHealth.UNUSED
        elif target.draining:
            body.health = TargetHealth.DRAINING
            if body.draining_since is None:
                body.draining_since = self.now
        else:
            body.draining_since = None
            fit = self.behaviour(body.release).answers and not body.sick and not self._overloaded(body)
            body.health = TargetHealth.HEALTHY if fit else TargetHealth.UNHEALTHY
            body.timed_out = self._overloaded(body)
            if fit and body.healthy_at is None:
                body.healthy_at = self.now

    def _overloaded(self, body: Body) -> bool:
        return self.overload_kills_checks and body.backlog > 2 * self.capacity_rps  # a check waits for two seconds

    def _live(self) -> None:
        for body in tuple(self.bodies.values()):
            if body.exited:
                del self.bodies[body.id]  # shown once as exited, then the world forgets it
                continue
            behaviour = self.behaviour(body.release)
            age = self.now - body.started_at
            body.ready = body.ready or (behaviour.listens and age >= behaviour.start_s)
            if body.stopping_at is not None:
                body.exited, body.exit_code = self.now >= body.stopping_at, 0
            elif self._crashes(body, behaviour, age):
                body.exited, body.exit_code = True, 1

    def _crashes(self, body: Body, behaviour: Behaviour, age: float) -> bool:
        if behaviour.exit_s is not None and age >= behaviour.exit_s:
            return True
        if behaviour.crash_healthy_s is None or body.healthy_at is None:
            return False
        return self.now - body.healthy_at >= behaviour.crash_healthy_s

    def kill(self, instance: str, signal: int = 9) -> None:
        body = self.bodies[instance]
        body.exited, body.exit_code = True, -signal

    def sicken(self, instance: str, *, sick: bool = True) -> None:
        self.bodies[instance].sick = sick

    def change(self, app: Application) -> None:
        self.app = app

    def behave(self, release: int, **changes) -> None:
        self.behaviours[release] = replace(self.behaviour(release), **changes)
