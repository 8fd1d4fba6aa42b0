"""What this machine saw since the last step, as the core's `Observation`."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import psutil

from flyball.core.control.cadence import SHORTEST_GLANCE_S
from flyball.core.control.glance import Glance
from flyball.core.control.observation import (
    InstanceSample,
    InstanceSeen,
    LatencySample,
    Observation,
    QueueSample,
    TargetHealth,
)

from .envoy.admin import TargetStats, Use
from .envoy.balancer import Balancer
from .instances.instances import Instances, Running
from .instances.limits import Limits

WRONG_FOR_S = 3.0
"""An instance that answers its checks wrongly is asked four times a second, so its last wrong answer is not old."""

_Counted = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """What the last look found: requests sent to each instance since the balancer's start, and those that wait."""

    at: float = 0.0
    sent: Mapping[str, int] = field(default_factory=dict)
    waiting: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Observer:
    """Turns process facts and the balancer's counters into observations; remembers only the last counters."""

    instances: Instances
    balancer: Balancer
    limits: Limits
    _counters: dict[str, _Counted] = field(default_factory=dict)
    _wrong: dict[str, tuple[int, float]] = field(default_factory=dict)
    _turned_away: Mapping[str, int] = field(default_factory=dict)
    _ended: Mapping[str, int] = field(default_factory=dict)
    _inside_ms: Mapping[str, int] = field(default_factory=dict)
    _began: bool = False
    _looked: _Looked = field(default_factory=_Looked)

    async def observe(self, *, sampled: bool, now: float, glanced: Collection[str] = ()) -> Observation:
        """Look at everything once. With `sampled`, usage since the last sampled observation comes with it.
        Without it, the services `glanced` at tell what came since the last look.

        The first one has none: what was counted before it, perhaps for days, is not of one second.
        """
        stats = await self.balancer.targets()
        by_instance = {target.instance: target for target in stats or ()}
        latencies, queues = await self._traffic(now) if sampled and stats is not None else ((), ())
        samples = self._samples(by_instance, now) if sampled else ()
        began, self._began = self._began, self._began or sampled
        glances = await self._glances(glanced, stats, now) if glanced and stats is not None else ()
        return Observation(
            instances=tuple(self._seen(one, by_instance.get(one.id), now) for one in self.instances.running.values()),
            sampled=sampled,
            samples=samples if began else (),
            latencies=latencies if began else (),
            queues=queues,
            glances=() if sampled else glances,
            busy_percent=psutil.cpu_percent() if sampled else None,  # of all cores, since the last call
            cores=os.cpu_count(),
            balancer=stats is not None,
        )

    def _samples(self, targets: dict[str, TargetStats], now: float) -> tuple[InstanceSample, ...]:
        alive = [one for one in self.instances.running.values() if one.process is not None and not one.exited]
        return tuple(self._sample(one, targets.get(one.id), now) for one in alive)

    def _sample(self, running: Running, target: TargetStats | None, now: float) -> InstanceSample:
        assert running.process is not None
        requests, answered, errors = self._counted(running.id, target)
        usage = self.limits.usage(running.id, (running.process.pid,))
        cpu_percent = memory_percent = None
        if usage is not None:
            if running.cpu_s is not None and running.sampled_at is not None and now > running.sampled_at:
                cores = (usage.cpu_s - running.cpu_s) / (now - running.sampled_at)
                cpu_percent = max(100.0 * cores / running.size.cpu, 0.0)
            running.cpu_s, running.sampled_at = usage.cpu_s, now
            memory_percent = 100.0 * usage.memory_bytes / running.size.memory_bytes
        return InstanceSample(
            id=running.id,
            cpu_percent=cpu_percent,
            memory_percent=memory_percent,
            memory_bytes=None if usage is None else usage.memory_bytes,
            requests=requests,
            answered=answered,
            errors=errors,
        )

    def _counted(self, instance: str, target: TargetStats | None) -> _Counted:
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

    async def _traffic(self, now: float) -> tuple[tuple[LatencySample, ...], tuple[QueueSample, ...]]:
        try:
            use = await self.balancer.admin.use()
        except (OSError, ValueError, TimeoutError):
            return (), ()
        for service, count in use.wrong.items():
            if count > self._wrong.get(service, (0, now))[0]:
                self._wrong[service] = (count, now)
        latencies = tuple(
            LatencySample(service=service, p50_ms=of["p50"], p95_ms=of["p95"], p99_ms=of["p99"])
            for service, of in use.latencies.items()
        )
        return latencies, self._queues(use)

    async def _glances(
        self, services: Collection[str], stats: Collection[TargetStats], now: float
    ) -> tuple[Glance, ...]:
        """What came to each service since the last look: sent to its instances, or waiting more than before."""
        before = self._looked
        if now - before.at < SHORTEST_GLANCE_S:
            return ()
        try:
            waiting = await self.balancer.admin.waiting()
        except (OSError, ValueError, TimeoutError):
            return ()
        self._looked = _Looked(at=now, sent={one.instance: one.requests for one in stats}, waiting=waiting)
        return tuple(
            Glance(
                service=service,
                requests=max(sum(max(one.requests - before.sent.get(one.instance, 0), 0) for one in mine) + grown, 0),
                over_s=now - before.at,
                in_flight=sum(one.in_flight for one in mine),
                waiting=waiting.get(service, 0),
            )
            for service in (services if before.at else ())
            for mine in [[one for one in stats if one.service == service]]
            for grown in [waiting.get(service, 0) - before.waiting.get(service, 0)]
        )

    def _queues(self, use: Use) -> tuple[QueueSample, ...]:
        away, self._turned_away = _since(self._turned_away, use.turned_away), use.turned_away
        ended, self._ended = _since(self._ended, use.ended), use.ended
        inside_ms, self._inside_ms = _since(self._inside_ms, use.inside_ms), use.inside_ms
        if not self._began:
            return tuple(QueueSample(service=service, waiting=count) for service, count in use.waiting.items())
        samples = (
            QueueSample(
                service=service,
                waiting=use.waiting.get(service, 0),
                waited_p50_ms=waited.get("p50"),
                waited_p99_ms=waited.get("p99"),
                turned_away=away.get(service, 0),
                ended=ended.get(service),
                inside_ms=inside_ms[service] / ended[service] if ended.get(service) else None,
            )
            for service in sorted({*use.waiting, *use.waited, *use.turned_away, *use.ended})
            for waited in [use.waited.get(service, {})]
        )
        return tuple(one for one in samples if replace(one, ended=None) != QueueSample(service=one.service, waiting=0))

    def _seen(self, running: Running, target: TargetStats | None, now: float) -> InstanceSeen:
        timed_out = target is not None and target.timed_out
        return InstanceSeen(
            id=running.id,
            ready=running.ready and not running.exited,
            exited=running.exited,
            exit_code=running.exit_code,
            target_health=_health(target),
            in_flight=0 if target is None else target.in_flight,
            unanswered=timed_out or (target is not None and not self._answers_wrongly(target.service, now)),
            astray=bool(running.astray) and not running.exited,
            detail="no answer in time" if timed_out and not running.exited else running.detail,
        )

    def _answers_wrongly(self, service: str, now: float) -> bool:
        """Whether a check of the service got a wrong answer lately. Envoy counts these by service, not by instance."""
        seen = self._wrong.get(service)
        return seen is not None and now - seen[1] < WRONG_FOR_S

    def forget_gone(self) -> None:
        """Drop counters of instances that are no more."""
        for gone in self._counters.keys() - self.instances.running.keys():
            del self._counters[gone]


def _since(before: Mapping[str, int], after: Mapping[str, int]) -> Mapping[str, int]:
    """What was counted in between; a balancer that was started again counts from zero."""
    return {
        service: count - before.get(service, 0) if count >= before.get(service, 0) else count
        for service, count in after.items()
    }


def _health(target: TargetStats | None) -> TargetHealth:
    if target is None:
        return TargetHealth.UNUSED
    if target.draining:
        return TargetHealth.DRAINING
    return TargetHealth(target.health)
