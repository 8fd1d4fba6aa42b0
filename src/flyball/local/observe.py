"""What this machine saw since the last step, as the core's `Observation`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import psutil

from flyball.core.control.observation import (
    BuildSeen,
    InstanceSample,
    InstanceSeen,
    Intent,
    LatencySample,
    Observation,
    QueueSample,
    StoreSeen,
    TargetHealth,
)

from .envoy.admin import TargetStats
from .envoy.balancer import Balancer
from .instances.instances import Instances, Running
from .instances.limits import Limits


@dataclass(slots=True)
class Measured:
    """The newest usage of one instance, for people to read."""

    cpu_percent: float | None = None
    memory_percent: float | None = None
    memory_bytes: int | None = None
    requests_per_s: float = 0.0
    errors_per_s: float = 0.0


@dataclass(slots=True)
class Observer:
    """Turns process facts and the balancer's counters into observations; remembers only the last counters."""

    instances: Instances
    balancer: Balancer
    limits: Limits
    measured: dict[str, Measured] = field(default_factory=dict)
    latencies: dict[str, LatencySample] = field(default_factory=dict)
    _counters: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    _sampled_at: float | None = None

    async def observe(
        self, *, news: Sequence[BuildSeen | StoreSeen], intents: Sequence[Intent], sampled: bool, now: float
    ) -> Observation:
        """Look at everything once. With `sampled`, usage since the last sampled observation comes with it."""
        stats = await self.balancer.targets()
        by_instance = {target.instance: target for target in stats or ()}
        latencies, queues = await self._traffic() if sampled and stats is not None else ((), ())
        return Observation(
            instances=tuple(_seen(one, by_instance.get(one.id)) for one in self.instances.running.values()),
            sampled=sampled,
            samples=self._samples(by_instance, now) if sampled else (),
            latencies=latencies,
            queues=queues,
            busy_percent=psutil.cpu_percent() if sampled else None,  # of all cores, since the last call
            builds=tuple(one for one in news if isinstance(one, BuildSeen)),
            stores=tuple(one for one in news if isinstance(one, StoreSeen)),
            intents=tuple(intents),
            balancer=stats is not None,
        )

    def _samples(self, targets: dict[str, TargetStats], now: float) -> tuple[InstanceSample, ...]:
        elapsed_s = None if self._sampled_at is None else now - self._sampled_at
        self._sampled_at = now
        alive = [one for one in self.instances.running.values() if one.process is not None and not one.exited]
        self.measured = {one.id: self.measured.get(one.id, Measured()) for one in alive}
        return tuple(self._sample(one, targets.get(one.id), elapsed_s, now) for one in alive)

    def _sample(
        self, running: Running, target: TargetStats | None, elapsed_s: float | None, now: float
    ) -> InstanceSample:
        measured = self.measured[running.id]
        requests, answered, errors = self._counted(running.id, target)
        if elapsed_s:
            measured.requests_per_s, measured.errors_per_s = requests / elapsed_s, errors / elapsed_s
        self._use(running, measured, now)
        return InstanceSample(
            id=running.id,
            cpu_percent=measured.cpu_percent,
            memory_percent=measured.memory_percent,
            requests=requests,
            answered=answered,
            errors=errors,
        )

    def _use(self, running: Running, measured: Measured, now: float) -> None:
        assert running.process is not None
        usage = self.limits.usage(running.id, (running.process.pid,))
        if usage is None:
            measured.cpu_percent = measured.memory_percent = None
            return
        if running.cpu_s is not None and running.sampled_at is not None and now > running.sampled_at:
            cores = (usage.cpu_s - running.cpu_s) / (now - running.sampled_at)
            measured.cpu_percent = max(100.0 * cores / running.size.cpu, 0.0)
        running.cpu_s, running.sampled_at = usage.cpu_s, now
        measured.memory_bytes = usage.memory_bytes
        measured.memory_percent = 100.0 * usage.memory_bytes / running.size.memory_bytes

    def _counted(self, instance: str, target: TargetStats | None) -> tuple[int, int, int]:
        """Requests sent, answered and failed since the last sample; a restarted balancer counts from zero again."""
        if target is None:
            return 0, 0, 0
        before = self._counters.get(instance, (0, 0, 0))
        after = (target.requests, target.requests - target.in_flight, target.errors)
        self._counters[instance] = after
        if after[0] < before[0]:
            return after
        requests, answered, errors = (max(new - old, 0) for new, old in zip(after, before, strict=True))
        return requests, answered, errors

    async def _traffic(self) -> tuple[tuple[LatencySample, ...], tuple[QueueSample, ...]]:
        try:
            latencies, waiting = await self.balancer.admin.use()
        except (OSError, ValueError, TimeoutError):
            latencies, waiting = {}, {}
        self.latencies = {
            service: LatencySample(service=service, p50_ms=of["p50"], p95_ms=of["p95"], p99_ms=of["p99"])
            for service, of in sorted(latencies.items())
        }
        queues = tuple(QueueSample(service=service, waiting=count) for service, count in sorted(waiting.items()))
        return tuple(self.latencies.values()), queues

    def forget_gone(self) -> None:
        """Drop counters of instances that are no more."""
        for gone in self._counters.keys() - self.instances.running.keys():
            del self._counters[gone]


def _seen(running: Running, target: TargetStats | None) -> InstanceSeen:
    return InstanceSeen(
        id=running.id,
        ready=running.ready and not running.exited,
        exited=running.exited,
        exit_code=running.exit_code,
        target_health=_health(target),
        in_flight=0 if target is None else target.in_flight,
        timed_out=target is not None and target.timed_out,
        detail=running.detail,
    )


def _health(target: TargetStats | None) -> TargetHealth:
    if target is None:
        return TargetHealth.UNUSED
    if target.draining:
        return TargetHealth.DRAINING
    return TargetHealth(target.health)
