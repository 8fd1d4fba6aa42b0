"""A pretended machine: instances that start, answer, fail and stop in virtual time, as `local`'s do in real time.

It makes observations and carries out actions. What the balancer knows by itself (health checks, whom to leave out)
happens here too, between two looks of the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from heapq import heappop, heappush
from math import inf
from random import Random

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
from flyball.core.control.routing import Target, targets
from flyball.core.control.state import State
from flyball.core.model import Application, HealthCheck

from .machine import Shared
from .numbers import Machine, Numbers, drawn
from .parts import CONNECTIONS, Engine
from .wards import Member, Ward

RECHECK_S = 0.25
"""The balancer asks an instance that is down again after so long, or its interval where that is shorter."""
CHECK_S = 0.001
"""Processor time of a health check."""


class World:
    """All services of an application in virtual time. `base`: the world's time at which the engines' time is 0."""

    def __init__(
        self,
        app: Application,
        numbers: dict[str, Numbers],
        *,
        seed: int,
        now: float,
        machine: Machine | None = None,
    ) -> None:
        self.app = app
        self.now = now
        self.base = inf
        self.wards = {one.name: Ward(one, numbers[one.name]) for one in app.services}
        self.members: dict[str, Member] = {}
        self.hours: dict[str, float] = dict.fromkeys(self.wards, 0.0)
        self.lost_zones: set[str] = set()
        self._seed = seed
        self._shared = None if machine is None else Shared(machine, seed)
        self._uses: dict[str, tuple[int, float]] = {}
        self._events: list[tuple[float, int, Callable[[], bool]]] = []
        self._counter = 0
        self._builds: list[BuildSeen] = []
        self._building: set[tuple[str, int]] = set()
        self._intents: list[Intent] = []
        self._sampled_at: float | None = None
        self._routed: dict[str, tuple[Target, ...]] = {}

    def at(self, when: float, happen: Callable[[], bool]) -> None:
        """Let something happen; it answers whether the loop looks at once."""
        self._counter += 1
        heappush(self._events, (when, self._counter, happen))

    def ask(self, intent: Intent) -> bool:
        """What an operator asks for is seen by the next step."""
        self._intents.append(intent)
        return True

    def run(self, until: float) -> None:
        """Let time pass until then, or until something happens that the loop looks at."""
        while self._events and self._events[0][0] <= until:
            when, _, happen = heappop(self._events)
            self.now = max(when, self.now)
            if happen():
                until = self.now
        self.now = until
        self._run_engines()

    def _run_engines(self) -> None:
        for ward in self.wards.values():
            if ward.engine is not None:
                ward.engine.run(self.now - self.base)

    def _share_out(self) -> None:
        """Somebody begins or ends to need the machine."""
        if self._shared is not None and self.now >= self.base:
            self._run_engines()
            self._shared.share_out(self.wards, iter(self.members.values()), now=self.now - self.base)

    def _see_machine(self, elapsed_s: float | None) -> None:
        """A second is over: what instances used in it, and whether the machine stands still in the next."""
        uses, self._uses = self._uses, {}
        shared = self._shared
        if shared is None or not elapsed_s:
            return
        shared.see(uses, elapsed_s)
        stall = shared.stall()
        if stall is not None:
            at_s, lasts_s = stall
            self.at(self.now + at_s, lambda: self._stand_still(still=True))
            self.at(self.now + at_s + lasts_s, lambda: self._stand_still(still=False))
        self._share_out()

    def _stand_still(self, *, still: bool) -> bool:
        assert self._shared is not None
        self._shared.still = still
        self._share_out()
        return False

    def begin_traffic(self, engines: dict[str, tuple[Engine, tuple[float, ...]]], *, base: float) -> None:
        """From now on requests come, the first at `base` or later. Beside an engine is what fails of each release."""
        self.base = base
        for name, (engine, failing) in engines.items():
            ward = self.wards[name]
            ward.engine, ward.failing = engine, failing
            for member in ward.members.values():
                if member.ready and member.gone_at is None:
                    self._install(ward, member)
            self._open(ward)
        self._share_out()

    # What the loop sees.

    def observe(self, *, sampled: bool, glanced: Collection[str] = ()) -> Observation:
        """See `core.control.observation`."""
        glances = tuple(glance for name in glanced if (glance := self.wards[name].glance(self.base, now=self.now)))
        builds, self._builds = tuple(self._builds), []
        intents, self._intents = tuple(self._intents), []
        seen = tuple(self._seen(one) for one in self.members.values())
        for gone in [one for one in self.members.values() if one.gone_at is not None]:
            del self.members[gone.id], self.wards[gone.service.name].members[gone.id]
        cores = None if self._shared is None else max(1, round(self._shared.machine.cores))
        looked = Observation(instances=seen, glances=glances, cores=cores, builds=builds, intents=intents)
        if not sampled:
            return looked
        elapsed_s = None if self._sampled_at is None else self.now - self._sampled_at
        self._sampled_at = self.now
        latencies, queues = self._traffic()
        samples = tuple(self._sample(one, elapsed_s) for one in self.members.values())
        self._see_machine(elapsed_s)
        return replace(looked, sampled=True, glances=(), samples=samples, latencies=latencies, queues=queues)

    def _seen(self, one: Member) -> InstanceSeen:
        engine = self.wards[one.service.name].engine
        load = engine.load(one.slot) if engine is not None and one.slot is not None else 0
        return InstanceSeen(
            id=one.id,
            ready=one.ready and one.gone_at is None,
            exited=one.gone_at is not None,
            exit_code=one.exit_code,
            target_health=one.health,
            in_flight=min(load, CONNECTIONS),
            unanswered=one.health is TargetHealth.UNHEALTHY and not one.failing,
            detail=one.detail,
        )

    def _sample(self, one: Member, elapsed_s: float | None) -> InstanceSample:
        ward = self.wards[one.service.name]
        memory = ward.numbers.memory_percent
        if ward.engine is None or one.slot is None:
            first, one.first_sample = one.first_sample, False
            return InstanceSample(id=one.id, cpu_percent=None if first else 0.0, memory_percent=memory)
        use = ward.engine.use(one.slot)
        answered, used_s = self._uses.get(one.service.name, (0, 0.0))
        self._uses[one.service.name] = (answered + use.answered, used_s + use.cpu_s)
        cores = use.cpu_s / elapsed_s + ward.numbers.idle if elapsed_s else None
        cpu = None if cores is None else 100.0 * cores / one.service.size.cpu
        return InstanceSample(
            id=one.id,
            cpu_percent=cpu,
            memory_percent=memory,
            requests=use.sent,
            answered=use.answered,
            errors=use.errors,
        )

    def _traffic(self) -> tuple[tuple[LatencySample, ...], tuple[QueueSample, ...]]:
        busy = [ward for ward in self.wards.values() if ward.engine is not None]
        latencies, queues = [ward.latency() for ward in busy], [ward.queue() for ward in busy]
        return tuple(one for one in latencies if one), tuple(one for one in queues if one)

    # What the loop asks for.

    def apply(self, state: State, actions: tuple[Action, ...]) -> None:
        """Tell the balancer first, then end, launch and build."""
        for ward in self.wards.values():
            self._push(ward, targets(state, ward.service.name))
        self._limit(state)
        for action in sorted(actions, key=lambda one: not isinstance(one, Terminate)):
            match action:
                case Build():
                    self._build(action)
                case Launch():
                    self._launch(action)
                case Terminate():
                    self._terminate(action)

    def _limit(self, state: State) -> None:
        """Where the limit of an instance adapts, the balancer is told the new one."""
        for one in state.services:
            ward = self.wards[one.name]
            if ward.engine is not None and ward.service.adapts and one.adaptive.limit != ward.limit:
                ward.limit = one.adaptive.limit
                ward.engine.limit(ward.limit, now=self.now - self.base)

    def _build(self, action: Build) -> None:
        key = (action.service, action.release)
        if key in self._building:
            return
        self._building.add(key)

        def built() -> bool:
            self._build_counts(-1)
            self._builds.append(BuildSeen(service=action.service, release=action.release, succeeded=True))
            return True

        lasts_s = self.wards[action.service].numbers.build_s if action.spec.build else 0.0
        self._build_counts(1)
        self.at(self.now + lasts_s, built)

    def _build_counts(self, change: int) -> None:
        if self._shared is not None:
            self._shared.building += change
            self._share_out()

    def _launch(self, action: Launch) -> None:
        if action.instance in self.members:
            return
        ward = self.wards[action.service]
        member = Member(
            id=action.instance,
            service=ward.service,
            release=action.release,
            zone=action.zone,
            started_at=self.now,
            draw=Random(f"{self._seed} {action.instance}").random,  # noqa: S311 - repeatable, not secret
        )
        self.members[member.id] = ward.members[member.id] = member
        if member.zone in self.lost_zones:
            self.at(self.now + 1.0, lambda: self.end(member, exit_code=1, detail=f"zone {member.zone} is lost"))
        else:
            self.at(self.now + drawn(ward.numbers.start, member.draw()), lambda: self._became_ready(member))
        self._share_out()

    def _became_ready(self, member: Member) -> bool:
        if member.gone_at is not None or member.stopping:
            return False
        member.ready = True
        ward = self.wards[member.service.name]
        if ward.engine is not None:
            self._install(ward, member)
        self._share_out()
        return True

    def _install(self, ward: Ward, member: Member) -> None:
        assert ward.engine is not None
        member.slot = ward.engine.add(ward.station(member), now=self.now - self.base)
        if member.factor != 1.0:
            ward.engine.pace(member.slot, member.factor, now=self.now - self.base)

    def _terminate(self, action: Terminate) -> None:
        member = self.members.get(action.instance)
        if member is None or member.gone_at is not None:
            return
        if action.force:
            self.at(self.now, lambda: self.end(member, exit_code=-9))
        elif not member.stopping and member.factor > 0:
            member.stopping = True
            stop_s = drawn(self.wards[member.service.name].numbers.stop, member.draw())
            self.at(self.now + stop_s, lambda: self.end(member, exit_code=0))

    def end(self, member: Member, *, exit_code: int, detail: str = "") -> bool:
        """The process is gone, with what it had in hand."""
        if member.gone_at is not None:
            return False
        member.gone_at, member.exit_code, member.detail = self.now, exit_code, detail
        ward = self.wards[member.service.name]
        self.hours[member.service.name] += self._lived_s(member, self.now) / 3600
        if ward.engine is not None and member.slot is not None:
            ward.engine.run(self.now - self.base)
            ward.engine.remove(member.slot, now=self.now - self.base)
            member.slot = None
        self._open(ward)
        return True

    def _lived_s(self, member: Member, now: float) -> float:
        return max(now - max(member.started_at, self.base), 0.0)

    def instance_hours(self) -> dict[str, float]:
        """From launch to exit, since traffic began, of each service."""
        hours = dict(self.hours)
        for member in self.members.values():
            if member.gone_at is None:
                hours[member.service.name] += self._lived_s(member, self.now) / 3600
        return hours

    # What the balancer does by itself.

    def _push(self, ward: Ward, found: tuple[Target, ...]) -> None:
        if found == self._routed.get(ward.service.name):
            return
        self._routed[ward.service.name] = found
        by_id = {target.instance: target for target in found}
        for member in ward.members.values():
            before, member.target = member.target, by_id.get(member.id)
            if member.target is None:
                member.health = TargetHealth.UNUSED
            elif member.target.draining:
                member.health = TargetHealth.DRAINING
            elif before is None or before.draining:
                member.health, member.right, member.wrong = TargetHealth.INITIAL, 0, 0
                self._check_after(member, drawn(ward.numbers.health, member.draw()))
        self._open(ward)

    def _check_after(self, member: Member, seconds: float) -> None:
        member.checks += 1
        turn = member.checks
        self.at(self.now + seconds, lambda: self._check(member, turn))

    def _check(self, member: Member, turn: int) -> bool:
        if turn != member.checks or member.gone_at is not None or member.target is None or member.target.draining:
            return False
        health = member.service.health
        ward = self.wards[member.service.name]
        if self._answer_s(ward, member) > health.timeout_s:
            self.at(self.now + health.timeout_s, lambda: self._judge(member, turn, passed=False))
            return False
        return self._judge(member, turn, passed=not member.failing)

    def _answer_s(self, ward: Ward, member: Member) -> float:
        """How long a health check takes: it waits its turn, then shares the processor with the requests."""
        if member.factor == 0:
            return inf
        if ward.engine is None or member.slot is None:
            return 0.0
        beside = min(ward.engine.load(member.slot), ward.numbers.workers, CONNECTIONS)
        pace = min(member.service.size.cpu, ward.numbers.peak) * member.factor
        return ward.engine.backlog_s(member.slot) + CHECK_S * beside / pace

    def _judge(self, member: Member, turn: int, *, passed: bool) -> bool:
        if turn != member.checks or member.gone_at is not None:
            return False
        health, before = member.service.health, member.health
        member.right, member.wrong = (member.right + 1, 0) if passed else (0, member.wrong + 1)
        if before is TargetHealth.INITIAL or (passed and member.right >= health.healthy_threshold):
            member.health = TargetHealth.HEALTHY if passed else TargetHealth.UNHEALTHY
        elif not passed and member.wrong >= health.unhealthy_threshold:
            member.health = TargetHealth.UNHEALTHY
        if member.health is not before:
            late = member.health is TargetHealth.UNHEALTHY
            member.detail = ("its check is answered wrongly" if member.failing else "no answer in time") if late else ""
            self._run_engines()
            self._open(self.wards[member.service.name])
        self._check_after(member, _interval_s(health, member.health))
        return False

    def _open(self, ward: Ward) -> None:
        """Who gets new requests: the healthy targets, or all of them when none is healthy."""
        if ward.engine is None:
            return
        taking = [
            one for one in ward.members.values() if one.target and not one.target.draining and one.slot is not None
        ]
        healthy = [one for one in taking if one.health is TargetHealth.HEALTHY]
        chosen = {one.id for one in healthy or taking}
        for member in ward.members.values():
            if member.slot is not None:
                weight = float(member.target.weight) if member.target else 1.0
                ward.engine.route(member.slot, open=member.id in chosen, weight=weight, now=self.now - self.base)

    def pace(self, member: Member, factor: float) -> None:
        """The instance goes on at this share of its speed; 0 is frozen."""
        member.factor = factor
        ward = self.wards[member.service.name]
        if ward.engine is not None and member.slot is not None:
            ward.engine.run(self.now - self.base)
            ward.engine.pace(member.slot, factor, now=self.now - self.base)


def _interval_s(health: HealthCheck, verdict: TargetHealth) -> float:
    return min(health.interval_s, RECHECK_S) if verdict is TargetHealth.UNHEALTHY else health.interval_s
