"""What a journal tells of instances and of the machine: times between what was asked and what was seen, and use."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from statistics import median

from flyball.core.control.actions import Build, Launch, Terminate
from flyball.core.control.observation import InstanceSample, InstanceSeen, TargetHealth
from flyball.core.control.replay import Recorded
from flyball.core.model import Size

ENOUGH_SAMPLES = 10
MOST_STARTING = 1.0
"""An instance may use a core while it starts."""
LONGEST_TICK_S = 1.5
"""A tick that took longer is a gap: the control plane was away."""


@dataclass(slots=True)
class Measured:
    """What was seen of one service. `busy`, by release: (processor seconds, seconds, answers) of samples with requests.

    `routes`: the paths of its listener rules; `size`: that of its instances.
    """

    start: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    stop: list[float] = field(default_factory=list)
    build: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)
    busy: dict[int, list[tuple[float, float, int]]] = field(default_factory=dict)
    routes: tuple[str, ...] = ()
    size: Size = field(default_factory=Size)

    @property
    def idle_cores(self) -> float:
        """What an instance uses without requests."""
        return median(self.idle) if len(self.idle) >= ENOUGH_SAMPLES else 0.0

    def answers(self, release: int) -> int:
        """Requests that instances of a release answered."""
        return sum(count for _, _, count in self.busy.get(release, ()))

    def work_s(self, release: int) -> float | None:
        """Mean processor time of a request at a release, None without any."""
        answers = self.answers(release)
        if not answers:
            return None
        return max(sum(used - self.idle_cores * lasted for used, lasted, _ in self.busy[release]) / answers, 1e-6)

    @property
    def any_work_s(self) -> float:
        """The same over all releases; 0 without any."""
        found = [(self.work_s(release), self.answers(release)) for release in self.busy]
        real = [(work, count) for work, count in found if work is not None]
        return sum(work * count for work, count in real) / sum(count for _, count in real) if real else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The machine between two ticks: how busy all of it was, cores that instances used, answers in a second."""

    busy: float
    used: float
    answered: float
    building: bool


@dataclass(slots=True)
class Reading:
    """What is known while steps are read: what was asked for and when, and what was seen of instances since."""

    found: dict[str, Measured] = field(default_factory=dict)
    moments: list[Moment] = field(default_factory=list)
    start_cpu: dict[str, float] = field(default_factory=dict)
    late: list[float] = field(default_factory=list)
    launched: dict[str, tuple[str, int, float]] = field(default_factory=dict)
    stopped: dict[str, float] = field(default_factory=dict)
    built: dict[tuple[str, int], float] = field(default_factory=dict)
    ready_at: dict[str, float] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)
    sampled_at: float | None = None

    def see(self, step: Recorded) -> None:
        """One step: first what it saw, then what it asked for."""
        if step.seen.sampled:
            if self.sampled_at is not None:
                self._samples(step, step.at - self.sampled_at)
            self.sampled_at = step.at
        for seen in step.seen.instances:
            if seen.id in self.launched:
                self._instance(seen, step.at, self.of(self.launched[seen.id][0]))
        for build in step.seen.builds:
            begun = self.built.pop((build.service, build.release), None)
            if begun is not None and build.succeeded:
                self.of(build.service).build.append(step.at - begun)
        self._ask(step)

    def of(self, service: str) -> Measured:
        """What was seen of a service."""
        return self.found.setdefault(service, Measured())

    @property
    def starting_cores(self) -> float:
        """What an instance uses from its launch until it is ready."""
        ready = {one: cpu for one, cpu in self.start_cpu.items() if one in self.ready_at}
        took = sum(self.ready_at[one] - self.launched[one][2] for one in ready)
        return min(sum(ready.values()) / took, MOST_STARTING) if took > 0 else 1.0

    def _ask(self, step: Recorded) -> None:
        for action in step.actions:
            match action:
                case Launch():
                    self.launched.setdefault(action.instance, (action.service, action.release, step.at))
                case Terminate(force=False):
                    self.stopped.setdefault(action.instance, step.at)
                case Build():
                    self.built.setdefault((action.service, action.release), step.at)

    def _instance(self, seen: InstanceSeen, now: float, one: Measured) -> None:
        if seen.ready and seen.id not in self.ready_at:
            self.ready_at[seen.id] = now
            one.start.append(now - self.launched[seen.id][2])
        if seen.target_health is TargetHealth.HEALTHY and seen.id not in self.checked and seen.id in self.ready_at:
            self.checked.add(seen.id)
            one.health.append(now - self.ready_at[seen.id])
        if seen.exited and seen.id in self.stopped:
            one.stop.append(now - self.stopped.pop(seen.id))

    def _samples(self, step: Recorded, lasted_s: float) -> None:
        cores = {service.name: service.size.cpu for service in step.app.services}
        for service in step.app.services:
            paths = tuple(route.condition.path for route in service.routes)
            one = self.of(service.name)
            one.routes, one.size = paths, service.size
        used = 0.0
        for sample in step.seen.samples:
            name, release, _ = self.launched.get(sample.id, ("", 0, 0.0))
            if name not in cores or sample.cpu_percent is None:
                continue
            used += sample.cpu_percent / 100 * cores[name]
            self._sample(sample, release, sample.cpu_percent / 100 * cores[name], lasted_s, self.of(name))
        if step.seen.busy_percent is not None and 0 < lasted_s < LONGEST_TICK_S:
            answered = sum(sample.answered for sample in step.seen.samples) / lasted_s
            busy = step.seen.busy_percent / 100
            self.moments.append(Moment(busy=busy, used=used, answered=answered, building=bool(self.built)))
            self.late.append(max(lasted_s - 1.0, 0.0))

    def _sample(self, sample: InstanceSample, release: int, used: float, lasted_s: float, one: Measured) -> None:
        if self.ready_at.get(sample.id, inf) > (self.sampled_at or 0.0):
            self.start_cpu[sample.id] = self.start_cpu.get(sample.id, 0.0) + used * lasted_s
            return
        if sample.memory_percent is not None:
            one.memory.append(sample.memory_percent)
        if sample.requests or sample.answered:
            one.busy.setdefault(release, []).append((used * lasted_s, lasted_s, sample.answered))
        elif sample.id in self.checked:
            one.idle.append(used)
