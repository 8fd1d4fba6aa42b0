"""Counters of the balancer and of processes become shares and rates; a restarted balancer counts from zero again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flyball.core.control.glance import Glance
from flyball.core.control.observation import QueueSample, TargetHealth
from flyball.core.model import Size
from flyball.local.envoy.admin import TargetStats, Use
from flyball.local.instances.instances import Running
from flyball.local.instances.limits import Usage
from flyball.local.observe import Observer
from flyball.local.process.processes import Process

TARGET = TargetStats(
    service="web", instance="web-1", health="healthy", draining=False, requests=100, errors=2, in_flight=3, weight=1
)


class FakeBalancer:
    """Answers with what a test put into it."""

    def __init__(self) -> None:
        self.stats: tuple[TargetStats, ...] | None = (TARGET,)
        self.admin = self
        self.wrong = 0
        self.queued = {"web": 7}
        self.waited: dict[str, dict[str, float]] = {}
        self.turned_away = 0
        self.ended: dict[str, int] = {}
        self.inside_ms: dict[str, int] = {}

    async def targets(self) -> tuple[TargetStats, ...] | None:
        return self.stats

    async def use(self) -> Use:
        latencies = {"web": {"p50": 1.0, "p95": 2.0, "p99": 3.0}}
        return Use(
            latencies=latencies,
            waiting=self.queued,
            waited=self.waited,
            turned_away={"web": self.turned_away},
            wrong={"web": self.wrong},
            ended=self.ended,
            inside_ms=self.inside_ms,
        )

    async def waiting(self) -> dict[str, int]:
        if self.stats == ():
            raise TimeoutError
        return self.queued


class FakeLimits:
    """Says that an instance has used so much so far."""

    def __init__(self) -> None:
        self.cpu_s = 1.0

    def usage(self, instance: str, pids: tuple[int, ...]) -> Usage:
        return Usage(cpu_s=self.cpu_s, memory_bytes=64 * 1024 * 1024)


class FakeInstances:
    def __init__(self, *running: Running) -> None:
        self.running = {one.id: one for one in running}


def running(**rest: Any) -> Running:
    values: dict[str, Any] = {
        "id": "web-1",
        "service": "web",
        "release": 1,
        "zone": "a",
        "port": 12000,
        "size": Size(cpu=0.25, memory_bytes=512 * 1024 * 1024),
        "health_path": "/",
        "started_at": 0.0,
        "directory": "",
        "process": Process(pid=1, started=1, boot_id="x"),
        "ready": True,
    }
    return Running(**(values | rest))


@pytest.fixture
def observer() -> Observer:
    return Observer(FakeInstances(running()), FakeBalancer(), FakeLimits())  # type: ignore[arg-type]


async def look(observer: Observer, now: float, *, sampled: bool = True):
    return await observer.observe(sampled=sampled, now=now)


async def test_use_is_a_share_of_the_reservation(observer: Observer) -> None:
    await look(observer, 10.0)
    observer.limits.cpu_s += 0.125
    (sample,) = (await look(observer, 11.0)).samples

    assert sample.cpu_percent == pytest.approx(50.0)
    assert sample.memory_percent == pytest.approx(12.5)


async def test_requests_and_errors_are_those_since_the_last_sample(observer: Observer) -> None:
    first = await look(observer, 10.0)
    observer.balancer.stats = (replace(TARGET, requests=140, errors=5),)
    await look(observer, 10.5, sampled=False)
    (sample,) = (await look(observer, 12.0)).samples

    assert first.samples == ()
    assert (sample.requests, sample.errors) == (40, 3)


async def test_the_first_look_is_of_no_time_so_nothing_is_counted_in_it(observer: Observer) -> None:
    first = await look(observer, 10.0)
    observer.balancer.stats = (replace(TARGET, requests=101),)
    unsampled = await look(observer, 10.5, sampled=False)
    second = await look(observer, 11.0)

    assert (first.samples, first.latencies, unsampled.samples) == ((), (), ())
    assert (second.samples[0].requests, second.samples[0].memory_bytes) == (1, 64 * 1024 * 1024)
    assert second.latencies[0].p99_ms == 3.0


async def test_answered_are_those_that_are_no_longer_in_flight(observer: Observer) -> None:
    await look(observer, 10.0)
    observer.balancer.stats = (replace(TARGET, requests=140, in_flight=13),)
    seen = await look(observer, 11.0)

    assert (seen.samples[0].requests, seen.samples[0].answered) == (40, 30)
    assert [(queue.service, queue.waiting) for queue in seen.queues] == [("web", 7)]
    assert seen.busy_percent is not None


async def test_the_queue_tells_what_became_of_those_that_waited_since_the_last_sample(observer: Observer) -> None:
    observer.balancer.turned_away, observer.balancer.waited = 500, {"web": {"p50": 1.0, "p99": 1.0}}
    first = await look(observer, 10.0)
    observer.balancer.turned_away, observer.balancer.waited = 503, {"web": {"p50": 20.0, "p95": 30.0, "p99": 40.0}}
    second = await look(observer, 11.0)
    observer.balancer.turned_away, observer.balancer.waited, observer.balancer.queued = 2, {}, {}
    restarted = await look(observer, 12.0)
    nothing = await look(observer, 13.0)

    assert first.queues == (QueueSample(service="web", waiting=7),)
    expected = QueueSample(service="web", waiting=7, waited_p50_ms=20.0, waited_p99_ms=40.0, turned_away=3)
    assert second.queues == (expected,)
    assert restarted.queues == (QueueSample(service="web", waiting=0, turned_away=2),)
    assert nothing.queues == ()


async def test_requests_that_ended_are_told_with_the_time_that_they_were_inside(observer: Observer) -> None:
    balancer = observer.balancer
    balancer.ended, balancer.inside_ms, balancer.queued = {"web": 100}, {"web": 9000}, {}
    await look(observer, 10.0)
    balancer.ended, balancer.inside_ms = {"web": 104}, {"web": 9050}
    second = await look(observer, 11.0)
    idle = await look(observer, 12.0)
    balancer.ended, balancer.inside_ms = {"web": 2}, {"web": 10}
    restarted = await look(observer, 13.0)

    assert second.queues == (QueueSample(service="web", waiting=0, ended=4, inside_ms=12.5),)
    assert idle.queues == ()
    assert restarted.queues == (QueueSample(service="web", waiting=0, ended=2, inside_ms=5.0),)


async def test_a_wrong_answer_is_told_from_none(observer: Observer) -> None:
    assert (await look(observer, 10.0)).instances[0].unanswered
    observer.balancer.wrong = 1
    await look(observer, 11.0)
    assert not (await look(observer, 12.5, sampled=False)).instances[0].unanswered
    observer.balancer.stats = (replace(TARGET, timed_out=True),)
    (late,) = (await look(observer, 12.6, sampled=False)).instances
    assert (late.unanswered, late.detail) == (True, "no answer in time")
    observer.balancer.stats = (TARGET,)
    assert (await look(observer, 14.5)).instances[0].unanswered


async def test_a_restarted_balancer_counts_from_zero(observer: Observer) -> None:
    await look(observer, 10.0)
    observer.balancer.stats = (replace(TARGET, requests=7, errors=0),)
    (sample,) = (await look(observer, 11.0)).samples

    assert (sample.requests, sample.errors) == (7, 0)


async def test_without_a_balancer_nobody_is_judged(observer: Observer) -> None:
    observer.balancer.stats = None
    seen = await look(observer, 10.0)

    assert not seen.balancer
    assert seen.instances[0].target_health is TargetHealth.UNUSED
    assert seen.latencies == ()


async def test_draining_is_what_the_balancer_says(observer: Observer) -> None:
    observer.balancer.stats = (replace(TARGET, draining=True),)
    (instance,) = (await look(observer, 10.0)).instances

    assert instance.target_health is TargetHealth.DRAINING
    assert instance.in_flight == 3


async def test_what_has_exited_is_not_ready_and_is_not_sampled(observer: Observer) -> None:
    observer.instances.running["web-1"] = running(exited=True, exit_code=-9, detail="killed")
    seen = await look(observer, 10.0)

    assert seen.samples == ()
    assert not seen.instances[0].ready
    assert (seen.instances[0].exited, seen.instances[0].exit_code, seen.instances[0].detail) == (True, -9, "killed")


async def test_counters_of_the_gone_are_dropped(observer: Observer) -> None:
    await look(observer, 10.0)
    observer.instances.running.clear()
    observer.forget_gone()
    observer.instances.running["web-1"] = running()
    (sample,) = (await look(observer, 11.0)).samples

    assert sample.requests == 100


async def glance(observer: Observer, now: float):
    return (await observer.observe(sampled=False, now=now, glanced=("web",))).glances


async def test_between_samples_a_glance_tells_what_came_since_the_last_one(observer: Observer) -> None:
    assert await glance(observer, 10.0) == ()
    other = replace(TARGET, instance="web-2", requests=20, in_flight=1)
    observer.balancer.stats, observer.balancer.queued = (replace(TARGET, requests=130), other), {"web": 12}
    assert await glance(observer, 10.05) == ()
    (seen,) = await glance(observer, 10.25)

    assert seen == Glance(service="web", requests=30 + 20 + 5, over_s=0.25, in_flight=4, waiting=12)
    assert (await observer.observe(sampled=True, now=10.5, glanced=("web",))).glances == ()


async def test_without_an_answer_of_the_balancer_there_is_no_glance(observer: Observer) -> None:
    await glance(observer, 10.0)
    observer.balancer.stats = ()

    assert await glance(observer, 11.0) == ()
