"""What instances of this application really do, from the journal of a live run and the balancer's access log.

Start, first check, stop and build are the times between what the loop asked for and what it saw. Processor time of a
request is what instances used, less what they use without requests, over what they answered. How requests differ is
what the access log says of those that an instance had to itself: among others they only show how long they waited.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from statistics import fmean

from pydantic import TypeAdapter

from flyball.core.control.actions import Build, Launch, Terminate
from flyball.core.control.observation import InstanceSample, InstanceSeen, TargetHealth
from flyball.core.control.replay import Recorded

from .numbers import Numbers, Source, Table, constant, mean, of_samples, scaled

ENOUGH_REQUESTS = 100
ENOUGH_SAMPLES = 10
MOSTLY_WORK = 0.7
"""Where requests spend this share of their time on the processor, the rest is noise, not waiting for a store."""

_NUMBERS: TypeAdapter[dict[str, Numbers]] = TypeAdapter(dict[str, Numbers])


@dataclass(slots=True)
class Measured:
    """What was seen of one service. `busy`: (processor seconds, seconds, answers) of samples with requests."""

    start: list[float] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    stop: list[float] = field(default_factory=list)
    build: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)
    busy: list[tuple[float, float, int]] = field(default_factory=list)
    alone_ms: list[float] = field(default_factory=list)

    @property
    def work_s(self) -> float | None:
        """Mean processor time of a request."""
        answers = sum(count for _, _, count in self.busy)
        if answers < ENOUGH_REQUESTS:
            return None
        idle = fmean(self.idle) if len(self.idle) >= ENOUGH_SAMPLES else 0.0
        return max(sum(used - idle * lasted for used, lasted, _ in self.busy) / answers, 1e-6)


def calibrated(steps: Iterable[Recorded], log: Iterable[str], assumed: Numbers) -> dict[str, Numbers]:
    """Numbers of every service that was seen; what was not measured is as assumed."""
    found: dict[str, Measured] = {}
    reading = _Reading(found)
    for step in steps:
        reading.see(step)
    _read_log(log, found)
    return {name: _numbers(one, assumed) for name, one in sorted(found.items())}


def to_text(numbers: dict[str, Numbers]) -> str:
    """The calibration as a file."""
    return _NUMBERS.dump_json(numbers, indent=1).decode() + "\n"


def from_text(text: str) -> dict[str, Numbers]:
    """The calibration of such a file. Raises ValueError."""
    return _NUMBERS.validate_json(text)


@dataclass(slots=True)
class _Reading:
    """What is known while steps are read: what was asked for and when, and what was seen of instances since."""

    found: dict[str, Measured]
    launched: dict[str, tuple[str, float]] = field(default_factory=dict)
    stopped: dict[str, float] = field(default_factory=dict)
    built: dict[tuple[str, int], float] = field(default_factory=dict)
    ready_at: dict[str, float] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)
    sampled_at: float | None = None

    def see(self, step: Recorded) -> None:
        """One step: first what it saw, then what it asked for."""
        for seen in step.seen.instances:
            if seen.id in self.launched:
                self._instance(seen, step.at, _of(self.found, self.launched[seen.id][0]))
        for build in step.seen.builds:
            begun = self.built.pop((build.service, build.release), None)
            if begun is not None and build.succeeded:
                _of(self.found, build.service).build.append(step.at - begun)
        if step.seen.sampled:
            if self.sampled_at is not None:
                self._samples(step, step.at - self.sampled_at)
            self.sampled_at = step.at
        self._ask(step)

    def _ask(self, step: Recorded) -> None:
        for action in step.actions:
            match action:
                case Launch():
                    self.launched.setdefault(action.instance, (action.service, step.at))
                case Terminate(force=False):
                    self.stopped.setdefault(action.instance, step.at)
                case Build():
                    self.built.setdefault((action.service, action.release), step.at)

    def _instance(self, seen: InstanceSeen, now: float, one: Measured) -> None:
        if seen.ready and seen.id not in self.ready_at:
            self.ready_at[seen.id] = now
            one.start.append(now - self.launched[seen.id][1])
        if seen.target_health is TargetHealth.HEALTHY and seen.id not in self.checked and seen.id in self.ready_at:
            self.checked.add(seen.id)
            one.health.append(now - self.ready_at[seen.id])
        if seen.exited and seen.id in self.stopped:
            one.stop.append(now - self.stopped.pop(seen.id))

    def _samples(self, step: Recorded, lasted_s: float) -> None:
        cores = {service.name: service.size.cpu for service in step.app.services}
        for sample in step.seen.samples:
            service, _ = self.launched.get(sample.id, ("", 0.0))
            if sample.id in self.ready_at and service in cores and sample.cpu_percent is not None:
                _read_sample(sample, sample.cpu_percent / 100 * cores[service], lasted_s, _of(self.found, service))


def _of(found: dict[str, Measured], service: str) -> Measured:
    return found.setdefault(service, Measured())


def _read_sample(sample: InstanceSample, used_cores: float, lasted_s: float, one: Measured) -> None:
    if sample.memory_percent is not None:
        one.memory.append(sample.memory_percent)
    if sample.requests or sample.answered:
        one.busy.append((used_cores * lasted_s, lasted_s, sample.answered))
    else:
        one.idle.append(used_cores)


def _read_log(log: Iterable[str], found: dict[str, Measured]) -> None:
    """Requests that no other one at the same instance overlaps."""
    by_instance: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for line in log:
        try:
            row = json.loads(line)
            if row["instance"] and row["instance_ms"] is not None and int(row["status"]) < 500:
                key = (str(row["service"]), str(row["instance"]))
                by_instance.setdefault(key, []).append((float(row["at"]), float(row["instance_ms"])))
        except (ValueError, KeyError, TypeError):  # a torn line
            continue
    for (service, _), rows in by_instance.items():
        rows.sort()
        free_at = 0.0
        for index, (at, lasted_ms) in enumerate(rows):
            ends = at + lasted_ms / 1000
            after = rows[index + 1][0] if index + 1 < len(rows) else ends
            if at >= free_at and after >= ends:
                # The balancer cuts off parts of a millisecond: between two whole ones anything is as likely.
                _of(found, service).alone_ms.append(lasted_ms + (index % 10 + 0.5) / 10)
            free_at = max(free_at, ends)


def _numbers(one: Measured, assumed: Numbers) -> Numbers:
    known: dict[str, Table | float] = {}
    for name in ("start", "health", "stop"):
        samples = getattr(one, name)
        if samples:
            known[name] = of_samples(samples) if len(samples) >= ENOUGH_SAMPLES else constant(fmean(samples))
    if one.build:
        known["build_s"] = fmean(one.build)
    if len(one.memory) >= ENOUGH_SAMPLES:
        known["memory_percent"] = fmean(one.memory)
    known.update(_requests(one, assumed))
    shown = {"start": "start_s", "health": "health_s", "stop": "stop_s", "work": "work_ms", "wait": "wait_ms"}
    sources = tuple((shown.get(name, name), Source.MEASURED) for name in known)
    return replace(assumed, **known, sources=sources)  # type: ignore[arg-type]


def _requests(one: Measured, assumed: Numbers) -> dict[str, Table]:
    work_s = one.work_s
    if work_s is None:
        return {}
    if len(one.alone_ms) < ENOUGH_REQUESTS:
        return {"work": scaled(assumed.work, work_s / mean(assumed.work))}
    took = scaled(of_samples(one.alone_ms), 0.001)
    share = min(work_s / mean(took), 1.0)
    if share >= MOSTLY_WORK:
        return {"work": scaled(took, work_s / mean(took)), "wait": constant(0.0)}
    return {"work": scaled(took, share), "wait": scaled(took, 1 - share)}
