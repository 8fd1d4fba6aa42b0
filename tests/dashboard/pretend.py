"""A runtime that runs nothing: the core's own values in a state that a test arranges, behind the real panel."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import uvicorn

from builders import SPEC, instance
from flyball.core.control.alarms import Alarm, AlarmState
from flyball.core.control.observation import InstanceSample, InstanceSeen, LatencySample, Observation, TargetHealth
from flyball.core.control.reasons import Event, Reason, ReasonKind
from flyball.core.control.samples import sample_of
from flyball.core.control.scaling import policy_alarms
from flyball.core.control.state import (
    Instance,
    Lifecycle,
    Release,
    ReleaseStatus,
    Rollout,
    RolloutPhase,
    ServiceState,
    State,
)
from flyball.core.control.step import Step
from flyball.core.control.windows import Windows, record, shaped
from flyball.core.model import Application, Metric
from flyball.core.view import look
from flyball.core.view.as_json import Place
from flyball.core.view.rows import Moment, row_of
from flyball.dashboard.panel import Panel, open_panel
from flyball.local.loop import Clock
from flyball.local.paths import StateDirectory
from flyball.local.pipeline.records import Records
from flyball.local.record.journal import Journal
from flyball.local.record.refusals import Refusals
from flyball.local.stores.stores import Stores
from waiting import soon

SAMPLE_S = 10.0
EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


class PretendRuntime:
    """What the panel asks of a runtime. `submitted` are the intents it was given."""

    def __init__(self, app: Application, directory: Path) -> None:
        self.app = app
        self.paths = StateDirectory(directory / ".flyball")
        self.paths.create()
        self.journal = Journal(self.paths.journal)
        self.clock = Clock()
        self.state = State(
            origin=self.clock.now(), services=tuple(ServiceState(name=s.name, desired=0) for s in app.services)
        )
        self.url = "http://127.0.0.1:8080"
        self.listeners = set()
        self.closing = asyncio.Event()
        self.stopping = False
        self.boundary = "open"
        self.certificate = None
        self.refusals = Refusals({})
        self.loop = SimpleNamespace(journal_error=None, seen=Observation())
        self.balancer = SimpleNamespace(
            process=None, standby=SimpleNamespace(pid=None), access_log=self.paths.logs / "access.log"
        )
        self.samples: dict[str, tuple[InstanceSample, ...]] = {}
        self.latencies: dict[str, LatencySample] = {}
        self.stores = Stores()
        self.pipeline = SimpleNamespace(records=Records(self.paths.journal))
        self.submitted = []
        self.remote = None
        self.deploys = self

    def view(self):
        return look.application(self.app, self.state, self.loop.seen)

    def places(self):
        return {one.id: Place(4000 + number, 20000 + number) for number, one in enumerate(self.state.instances)}

    async def submit(self, intent) -> list[Event]:
        self.submitted.append(intent)
        name = getattr(intent, "service", "web")
        return [self.say(ReasonKind.SCALED_BY_HAND, f"asked for {type(intent).__name__}", service=name)]

    async def rollback(self, name, release):
        self.submitted.append(("rollback", name, release))
        return [self.say(ReasonKind.ROLLOUT_STARTED, f"rollback to release {release}", service=name)]

    async def deploy(self, name, *, source=None, note=""):
        self.submitted.append(("deploy", name, source))
        return []

    def close(self) -> None:
        self.pipeline.records.close()
        self.journal.close()

    # What a test arranges

    def say(self, kind: ReasonKind, text: str, *, service: str = "web", at: float | None = None, **rest) -> Event:
        """Decide something: written down, and told to everybody who listens."""
        reason = Reason(kind=kind, service=service, text=text, **rest)
        done = Step(state=self.state, actions=(), reasons=(reason,))
        [event] = self.journal.record(self.app, self.state, Observation(), done, now=at or self.clock.now())
        for listener in list(self.listeners):
            listener(event)
        return event

    def change(self, name: str = "web", **changes) -> None:
        """Change a service's state."""
        services = tuple(replace(one, **changes) if one.name == name else one for one in self.state.services)
        self.state = replace(self.state, services=services)

    def run(self, instances: Iterable[Instance], *, desired: int | None = None, name: str = "web", **use) -> None:
        """Have these instances of a service, used so; releases 1 and, where one is newer, more."""
        mine = tuple(instances)
        others = tuple(one for one in self.state.instances if one.service != name)
        self.state = replace(self.state, instances=(*others, *mine))
        newest = max((one.release for one in mine), default=1)
        releases = tuple(made(number) for number in range(1, newest + 1))
        self.change(name, desired=len(mine) if desired is None else desired, release=1, releases=releases)
        self.samples[name] = tuple(used(one.id, position, **use) for position, one in enumerate(mine))
        self._measure(name)

    def _measure(self, name: str) -> None:
        """Have seen this use in one datapoint."""
        samples = self.samples.get(name, ())
        serving = {one.id for one in self.state.instances if one.lifecycle is Lifecycle.IN_SERVICE}
        measured = serving & {one.id for one in samples}
        of = sample_of(
            samples,
            measured=measured,
            in_service=len(measured),
            wanted=True,
            latency=self.latencies.get(name),
        )
        windows = shaped(Windows(), Metric, period_s=SAMPLE_S, origin=0.0)
        windows, _ = record(windows, of, keep=1, origin=0.0, now=SAMPLE_S)
        self.change(name, windows=windows)
        seen = tuple(InstanceSeen(id=one.id) for one in self.state.instances)
        everyone = tuple(sample for samples in self.samples.values() for sample in samples)
        self.loop.seen = Observation(instances=seen, sampled=True, samples=everyone)

    def alarms(self, name: str, state: AlarmState, *, holding: str) -> None:
        """Put the alarms whose name holds a word into a state, the others to OK."""
        thresholds = policy_alarms.thresholds(self.app.service(name))
        self.change(
            name,
            alarms=tuple(Alarm(name=t.name, state=state if holding in t.name else AlarmState.OK) for t in thresholds),
        )

    def latency(self, name: str, p50: float, p95: float, p99: float) -> None:
        self.latencies[name] = LatencySample(service=name, p50_ms=p50, p95_ms=p95, p99_ms=p99)
        self._measure(name)

    def past(self, seconds: int, *, minutes: int = 0, rps: float = 40.0) -> None:
        """Write down a history: waves of load over the last seconds, and minutes before."""
        now = self.clock.now()
        names = [one.name for one in self.app.services]
        for resolution, count in ((1, seconds), (60, minutes)):
            for step in range(count, 0, -1):
                wave = 1 + math.sin(step / 40) * 0.8
                desired = max(1, round(4 * wave))
                row = {"rps": rps * wave, "eps": 0.0, "cpu": 45 + 20 * math.sin(step / 13), "memory": 12.0}
                row |= {"p50": 3 * wave, "p95": 9 * wave, "p99": 14 * wave, "desired": desired, "in_service": desired}
                at = now - step * resolution
                self.journal.record_history([Moment(at, name, row) for name in names], resolution=resolution)

    def tick(self) -> None:
        """What the loop does every second beside deciding: write down how it is."""
        at = round(self.clock.now(), 2)
        self.journal.record_history([Moment(at, one.of.name, row_of(one)) for one in self.view().services])


class OneRedis:
    """Stores of which one is this server."""

    def __init__(self, port: int) -> None:
        self._port = port

    def redis_address(self, name):
        return self._port if name == "sessions" else None

    async def check(self):
        return {"sessions": None}


def used(name: str, position: int, *, cpu: float = 40.0, rps: float = 20.0, errors: float = 0.0) -> InstanceSample:
    spread = 1 + (position % 5 - 2) / 20
    return InstanceSample(
        id=name,
        cpu_percent=cpu * spread,
        memory_percent=12.0,
        memory_bytes=63_000_000,
        requests=round(rps * spread * SAMPLE_S),
        errors=round(errors * SAMPLE_S),
    )


def made(number: int, status: ReleaseStatus = ReleaseStatus.COMPLETED, message: str = "") -> Release:
    return Release(
        number=number, spec=SPEC, status=status, created_at=1.7e9 + number, note=f"push {number}", message=message
    )


def serving(count: int, *, service: str = "web", release: int = 1, first: int = 1, **rest) -> list[Instance]:
    """So many healthy instances in turns in two zones."""
    now = Clock().now()
    return [
        instance(number, service=service, release=release, zone="ab"[number % 2], launched_at=now - 300, **rest)
        for number in range(first, first + count)
    ]


def empty(runtime: PretendRuntime) -> None:
    """Nothing runs yet."""


def calm(runtime: PretendRuntime) -> None:
    """Three instances at work, two scale-outs and a scale-in behind them."""
    runtime.run(serving(3))
    runtime.past(290)
    runtime.latency("web", 3.1, 9.0, 14.2)
    runtime.alarms("web", AlarmState.OK, holding="high")
    now = runtime.clock.now()
    out, into = ReasonKind.SCALE_OUT, ReasonKind.SCALE_IN
    runtime.say(out, "cpu 83 % > 50 % for 3 of 3 points", at=now - 200, before=1, after=2)
    runtime.say(out, "cpu 71 % > 50 % for 3 of 3 points", at=now - 150, before=2, after=4)
    runtime.say(into, "cpu 31 % < 45 % for 15 of 15 points", at=now - 60, before=4, after=3)
    runtime.say(ReasonKind.HELD, "scale-in held: cooldown, 4 s left", at=now - 55)


def overloaded(runtime: PretendRuntime) -> None:
    """At its maximum, and that is not enough: one instance fails its checks, requests fail."""
    calm(runtime)
    ill = {"health": TargetHealth.UNHEALTHY, "unhealthy_since": runtime.clock.now() - 7}
    starting = {"lifecycle": Lifecycle.LAUNCHING, "health": TargetHealth.UNUSED, "in_service_at": None}
    instances = [*serving(7), *serving(1, first=8, **ill), *serving(2, first=9, **starting)]
    runtime.run(instances, cpu=102.0, rps=180.0, errors=3.5)
    runtime.latency("web", 240.0, 1900.0, 4200.0)
    runtime.alarms("web", AlarmState.ALARM, holding="high")
    runtime.say(ReasonKind.UNHEALTHY, "/health answered 503 twice", instance="web-8")
    runtime.say(ReasonKind.HELD, "scale-out held: already at max 10 (cpu 102 % > 50 % for 3 of 3 points)")


def rolling(runtime: PretendRuntime) -> None:
    """In the middle of a rollout from release 1 to 2."""
    calm(runtime)
    new = serving(2, first=4, release=2)
    starting = serving(1, first=6, release=2, lifecycle=Lifecycle.LAUNCHING, health=TargetHealth.UNUSED)
    leaving = serving(1, first=3, lifecycle=Lifecycle.DRAINING, health=TargetHealth.DRAINING)
    runtime.run([*serving(2), *leaving, *new, *starting], desired=3)
    began = runtime.clock.now() - 14
    rollout = Rollout(from_release=1, to_release=2, started_at=began, phase_started_at=began, in_service=2)
    runtime.change(rollout=rollout, releases=(made(1), made(2, ReleaseStatus.BUILT)))
    runtime.say(ReasonKind.ROLLOUT_STARTED, "rollout of release 2 begins (rolling, from release 1)", release=2)


def failed_rollout(runtime: PretendRuntime) -> None:
    """A release that crashes is taken back."""
    rolling(runtime)
    why = f"3 failed instances (limit 3), the last: web-6 exited with 1: {EVIL}"
    began = runtime.clock.now() - 3
    rollout = Rollout(
        from_release=2, to_release=1, phase=RolloutPhase.ROLLING_BACK, started_at=began, phase_started_at=began, why=why
    )
    runtime.change(rollout=rollout, releases=(made(1), made(2, ReleaseStatus.FAILED, why)))
    runtime.say(ReasonKind.ROLLOUT_FAILED, f"rollout of release 2 failed: {why}", release=2)


STATES = {f.__name__: f for f in (empty, calm, overloaded, rolling, failed_rollout)}


@dataclass
class Served:
    """A panel that is served in the test's own loop."""

    runtime: PretendRuntime
    panel: Panel
    server: uvicorn.Server
    task: asyncio.Task[None] = field(repr=False)

    @property
    def url(self) -> str:
        return self.panel.url

    async def end(self) -> float:
        """End as the control plane does, with whatever streams are open; how long it took, in seconds."""
        began = asyncio.get_running_loop().time()
        self.runtime.closing.set()
        self.server.should_exit = True
        await self.task
        self.panel.listener.close()
        return asyncio.get_running_loop().time() - began


async def start(runtime: PretendRuntime) -> Served:
    """Serve the runtime's panel, as cli/serving does."""
    panel = open_panel(runtime, {"pid": 1, "url": runtime.url, "dashboard": None})
    config = uvicorn.Config(
        panel.app,
        fd=panel.listener.fileno(),
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=60,  # streams end by themselves
    )
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext
    task = asyncio.ensure_future(server.serve())
    await soon(lambda: server.started)
    return Served(runtime, panel, server, task)


@contextlib.asynccontextmanager
async def served(runtime: PretendRuntime) -> AsyncIterator[Served]:
    """The panel while the block runs, and a tick every second."""

    async def ticking():
        while True:
            await asyncio.sleep(1.0)
            runtime.tick()

    running = await start(runtime)
    ticks = asyncio.ensure_future(ticking())
    try:
        yield running
    finally:
        ticks.cancel()
        if not running.task.done():
            await running.end()
