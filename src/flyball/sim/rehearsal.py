"""The loop of the simulator: it keeps virtual time, and calls the core's `step` as the live loop does.

First every service comes into service; then the traffic begins, at a whole second, and ends with its curve. Requests
that are under way at the end have a minute to be answered.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from typing import Protocol

from flyball.core.arrivals import RateCurve
from flyball.core.control import cadence, concurrency
from flyball.core.control.observation import Deploy, Observation, ReleaseSpec
from flyball.core.control.pacing import Adaptive
from flyball.core.control.reasons import Reason
from flyball.core.control.resume import resumed
from flyball.core.control.state import Lifecycle, State
from flyball.core.control.step import Step, step
from flyball.core.errors import FileError
from flyball.core.model import Application, BalancingAlgorithm, Service

from .engines import Make, maker
from .numbers import Machine, Numbers, RouteNumbers, scaled
from .parts import CONNECTIONS, Engine, Kind, Rules
from .result import Bin, Result, Row
from .world import World

MONDAY = 4 * 86_400.0
"""The world begins on Monday, 1970-01-05, at midnight UTC: scheduled actions need a day."""
LONGEST_START_S = 3_600.0
LAST_ANSWERS_S = 60.0
MOST_REQUESTS = 2e9


class Record(Protocol):
    """Hears every step; a journal's way of writing one down."""

    def __call__(self, app: Application, before: State, seen: Observation, step: Step, /, *, now: float) -> object:
        """One step."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A new release of `service` at `at_s` of the traffic; its requests take `slower` times as long, `failing` fail.

    `numbers`: what was measured of it; None: it is like the one before.
    """

    service: str
    at_s: float
    slower: float = 1.0
    failing: float = 0.0
    numbers: Numbers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something breaks at `at_s` of the traffic. `happen` does it to the world and says whether the loop looks."""

    text: str
    at_s: float
    happen: Callable[[World], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is rehearsed. `shares`: of the traffic, by service; `numbers` of every service."""

    app: Application
    curve: RateCurve
    seed: int
    numbers: dict[str, Numbers]
    shares: dict[str, float]
    machine: Machine | None = None
    rollouts: tuple[Rollout, ...] = ()
    faults: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        if self.curve.expected_requests > MOST_REQUESTS:
            raise FileError(f"{self.curve.expected_requests:.3g} requests are too many to simulate; use --scale")


@dataclass(slots=True)
class Rehearsal:
    """One run of a plan. `record` hears every step; `progress` how many seconds of the traffic are over."""

    plan: Plan
    record: Record | None = None
    progress: Callable[[float], None] = lambda _done_s: None
    make: Make | None = None
    events: list[tuple[float, Reason]] = field(default_factory=list)
    _world: World = field(init=False)
    _state: State = field(init=False)
    _tick: float = field(init=False)
    _routing: tuple[object, ...] = ()

    def run(self) -> Result:
        """Rehearse all of it. Raises FileError when the application does not come up by itself."""
        plan, now = self.plan, MONDAY
        self._world = World(plan.app, plan.numbers, seed=plan.seed, now=now, machine=plan.machine)
        self._state, self._tick = resumed(plan.app, None, now=now), now
        for service in plan.app.services:
            self._world.ask(Deploy(service=service.name, spec=_spec(service, 1)))
        self._step()
        while not self._is_up():
            if self._world.now - now > LONGEST_START_S:
                raise FileError("the application does not come into service within an hour of simulated time")
            self._look()
        base = math.floor(self._world.now) + 1.0
        self._until(base)
        return self._serve(base)

    def _serve(self, base: float) -> Result:
        plan, world = self.plan, self._world
        self.events.clear()
        world.begin_traffic(self._engines(), base=base)
        for number, rollout in enumerate(plan.rollouts, 2):
            deploy = Deploy(service=rollout.service, spec=_spec(plan.app.service(rollout.service), number))
            world.at(base + rollout.at_s, partial(world.ask, deploy))
        for fault in plan.faults:
            world.at(base + fault.at_s, partial(fault.happen, world))
        ends = base + plan.curve.duration_s
        bin_s = _bin_s(plan.curve.duration_s)
        bins: list[Bin] = []
        while world.now < ends:
            self._until(min(base + (len(bins) + 1) * bin_s, ends))
            bins.append(self._bin(world.now - base))
            self.progress(world.now - base)
        hours = world.instance_hours()
        world.now = ends + LAST_ANSWERS_S
        world.run(world.now)
        return Result(
            seed=plan.seed,
            duration_s=plan.curve.duration_s,
            bins=tuple(bins),
            rest=self._rest(),
            hours=hours,
            events=tuple((at - base, reason) for at, reason in self.events),
            numbers=plan.numbers,
        )

    def _until(self, when: float) -> None:
        while self._world.now < when:
            self._look(when)

    def _look(self, latest: float = math.inf) -> None:
        look = cadence.next_look(self.plan.app, self._state, tick=self._tick, now=self._world.now)
        self._world.run(min(look, latest))
        if self._world.now < look and self._world.now == latest:
            return
        self._step()

    def _step(self) -> None:
        app, world, now = self.plan.app, self._world, self._world.now
        sampled = now >= self._tick
        if sampled:
            self._tick = cadence.next_tick(app, self._state, now=now)
        seen = world.observe(sampled=sampled, glanced=cadence.glanced(app))
        before = self._state
        done = step(app, before, seen, now=now)
        self._state = done.state
        if self.record is not None:
            self.record(app, before, seen, done, now=now)
        self.events.extend((now, reason) for reason in done.reasons)
        routing = (done.state.instances, *((one.rollout, one.adaptive.limit) for one in done.state.services))
        if done.actions or routing != self._routing:
            self._routing = routing
            world.apply(done.state, done.actions)

    def _is_up(self) -> bool:
        in_service = [one.service for one in self._state.instances if one.lifecycle is Lifecycle.IN_SERVICE]
        return all(
            one.rollout is None and one.release is not None and in_service.count(one.name) >= one.desired
            for one in self._state.services
        )

    def _engines(self) -> dict[str, tuple[Engine, tuple[float, ...]]]:
        plan = self.plan
        make = self.make or maker(plan.curve.expected_requests)
        several = sum(1 for share in plan.shares.values() if share > 0) > 1
        engines = {}
        for service in plan.app.services:
            curve = plan.curve.changed(scale=plan.shares.get(service.name, 0.0))
            seed = f"{plan.seed} arrivals of {service.name}" if several else plan.seed
            kinds = self._kinds(service)
            draws = f"{plan.seed} draws of {service.name}"
            rules = _rules(plan.app, service, plan.numbers[service.name])
            engine = make(curve, seed, draws, kinds, rules)
            engines[service.name] = (engine, tuple(kind.failing for kind in kinds[:: len(rules.mix)]))
        return engines

    def _kinds(self, service: Service) -> list[Kind]:
        """Of each release: what requests of each route cost."""
        numbers = self.plan.numbers[service.name]
        first = Rollout(service=service.name, at_s=0.0)
        return [
            Kind(
                work=scaled(found.work, one.slower),
                wait=scaled(found.wait, one.slower),
                failing=max(one.failing, numbers.failing),
            )
            for one in (first, *(one for one in self.plan.rollouts if one.service == service.name))
            for route in _routes(numbers)
            for found in [_same_route(route, numbers if one.numbers is None else one.numbers)]
        ]

    def _bin(self, now_s: float) -> Bin:
        state, world = self._state, self._world
        serving = [one.service for one in state.instances if one.lifecycle is Lifecycle.IN_SERVICE]
        return Bin(
            ends_s=now_s,
            services={
                one.name: Row(
                    totals=engine.totals(),
                    fine=engine.fine(),
                    desired=one.desired,
                    in_service=serving.count(one.name),
                    waiting=engine.queued(),
                )
                for one in state.services
                if (engine := world.wards[one.name].engine) is not None
            },
        )

    def _rest(self) -> Bin:
        """What was answered after the traffic's end."""
        return self._bin(self._world.now - self._world.base)


def _bin_s(duration_s: float) -> float:
    """A row of the timeline covers a minute, or less when there would be few rows."""
    return 60.0 if duration_s >= 3600 else 10.0 if duration_s >= 600 else 1.0


def _routes(numbers: Numbers) -> tuple[RouteNumbers, ...]:
    """What was measured by route, else all requests as of one."""
    return numbers.routes or (RouteNumbers(route="/", share=1.0, work=numbers.work, wait=numbers.wait),)


def _same_route(route: RouteNumbers, numbers: Numbers) -> RouteNumbers:
    """The route in another release, or all of that release if the route was not measured there."""
    routes = _routes(numbers)
    everything = RouteNumbers(route="/", share=1.0, work=numbers.work, wait=numbers.wait)
    return next((one for one in routes if one.route == route.route), everything)


def _spec(service: Service, number: int) -> ReleaseSpec:
    return ReleaseSpec(
        content=f"{number}",
        run=service.run,
        build=service.build,
        size=service.size,
        environment=service.environment,
        stores=service.stores,
    )


def _rules(app: Application, service: Service, numbers: Numbers) -> Rules:
    """As the live balancer is told: with a limit it looks for the free place, unless it goes by turns all the same."""
    shares = list(accumulate(one.share for one in _routes(numbers)))
    least = service.balancing.algorithm is BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS
    by_turns = not least and (service.adapts or (service.places is not None and service.balancing.slow_start_s > 0))
    seeks = service.places is not None and not by_turns
    return Rules(
        algorithm=BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS if seeks else service.balancing.algorithm,
        by_turns=by_turns,
        slow_start_s=service.balancing.slow_start_s,
        connections=CONNECTIONS,
        concurrency=concurrency.limit(service, Adaptive()) or 0,
        queue=service.queue.most,
        longest_s=service.queue.within(app.listener.idle_timeout_s),
        timeout_s=app.listener.idle_timeout_s,
        mix=(*shares[:-1], 1.0),
        way=numbers.way,
        cold_way_s=numbers.cold_way_s,
    )
