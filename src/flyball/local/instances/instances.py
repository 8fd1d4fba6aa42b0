"""The instances of this machine: launch, watch, take over, end. Knows processes, decides nothing.

An instance's record lies in `processes/<id>.json` (written before anything else can happen to it), so a control plane
that comes back takes over what runs, by boot id, pid and start time.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import structlog

from flyball.core.control import records
from flyball.core.control.actions import Launch
from flyball.core.control.observation import ReleaseSpec
from flyball.core.errors import FlyballError
from flyball.core.model import Service, Size
from flyball.core.remaking import Found
from flyball.local.paths import StateDirectory
from flyball.local.process import environments, logs, processes
from flyball.local.process.ports import free_port
from flyball.local.process.walls.address import Address
from flyball.local.process.walls.rooms import Room
from flyball.local.process.walls.walls import Walls
from flyball.local.process.watch import Watch

from .astray import LOOK_EVERY_S, Doubt
from .limits import Limits
from .probe import probe

log = structlog.get_logger()
PROBE_EVERY_S = 0.05
MOST_PROCESSES = 4096  # and threads, of an instance behind walls
OUT_OF_MEMORY = "out of memory"
_RECORDED = (
    "service", "release", "zone", "port", "health_path", "started_at", "directory", "ready", "number", "network",
)  # fmt: skip
OOM_FRESH_S = 5.0


@dataclass(slots=True)
class Running:
    """One instance as this machine knows it. `cpu_s` and `sampled_at` belong to the last usage sample.

    `oom_kills`: how often the kernel has killed in it for memory, as last looked at; `oom_seen_at` when that rose last.
    """

    id: str
    service: str
    release: int
    zone: str
    port: int
    size: Size
    health_path: str
    started_at: float
    directory: str
    number: int = 0  # of its room, and of the network between the rooms; 0 without walls
    network: int = 0
    spec: ReleaseSpec | None = None
    process: processes.Process | None = None
    watch: Watch | None = None
    ready: bool = False
    exited: bool = False
    exit_code: int | None = None
    detail: str = ""
    astray: str = ""
    ending: bool = False
    recorded: bool = True
    cpu_s: float | None = None
    sampled_at: float | None = None
    oom_kills: int = 0
    oom_seen_at: float | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def speaks_tls(self) -> bool:
        """Whether its program does, as its release says."""
        return self.spec is not None and self.spec.tls


class Instances:
    """All instances of one application. `wake` is called whenever one becomes ready or exits."""

    def __init__(
        self, paths: StateDirectory, limits: Limits, wake: Callable[[], None], walls: Walls | None = None
    ) -> None:
        self._paths = paths
        self._limits = limits
        self._walls = None if walls is None or walls.problem else walls
        self._wake = wake
        self.running: dict[str, Running] = {}

    def launch(
        self,
        action: Launch,
        service: Service,
        *,
        directory: Path,
        environment: Callable[[int], Mapping[str, str]],
        now: float,
    ) -> None:
        """Start an instance unless it is known already. `environment` is asked with the port chosen for it."""
        if action.instance in self.running:
            return
        port = free_port({one.port for one in self.running.values()})
        running = Running(
            id=action.instance,
            service=action.service,
            release=action.release,
            zone=action.zone,
            port=port,
            size=action.spec.size,
            health_path=service.health.path,
            started_at=now,
            directory=str(directory),
            spec=action.spec,
        )
        if self._walls is not None:
            running.number = self._walls.free_number({one.number for one in self.running.values()})
            running.network = self._walls.router.number
        self.running[running.id] = running
        self._task(running, self._start(running, action.spec, service, environment(port)))

    def address(self, running: Running) -> Address:
        """Where an instance listens."""
        if self._walls is None or not running.number:
            return Address(running.port)
        return Address(running.port, self._walls.address(running.number), self._walls.router)

    def _room(self, running: Running, stores: tuple[str, ...], argv: list[str], path: str) -> Room | None:
        if self._walls is None:
            return None
        return self._walls.room(
            running.service,
            stores,
            number=running.number,
            port=running.port,
            argv=argv,
            directory=Path(running.directory),
            path=path,
        )

    async def _start(
        self, running: Running, spec: ReleaseSpec, service: Service, environment: Mapping[str, str]
    ) -> None:
        try:
            argv = environments.run_command(spec.run, directory=Path(running.directory), environment=environment)
            joins = self._limits.create(running.id, processes=None if self._walls is None else MOST_PROCESSES)
            self._limits.boost(running.id, running.size)
            running.process = await processes.spawn(
                argv,
                environment=environment,
                directory=Path(running.directory),
                log=self.log(running.id),
                cgroup_procs=joins,
                room=self._room(running, spec.stores, argv, environment["PATH"]),
            )
        except (FlyballError, OSError) as error:
            running.exited, running.exit_code, running.detail = True, 127, str(error)
            self._wake()
            return
        self._watch(running)
        self._save(running)
        if running.ending:
            self.terminate(running.id, force=True)
        await self._until_ready(running, service)

    async def _until_ready(self, running: Running, service: Service) -> None:
        health, doubt = service.health, Doubt()
        while not running.exited and not running.ending:
            answer = await probe(
                self.address(running), running.health_path, timeout_s=health.timeout_s, tls=running.speaks_tls
            )
            if isinstance(answer, int) and health.status_min <= answer <= health.status_max:
                self._limits.apply(running.id, running.size)
                running.ready, running.detail, running.astray = True, "", ""
                self._save(running)
                self._wake()
                return
            if running.process is not None and not running.astray:
                running.astray = await doubt.sure(running.process.pid, running.port, running.health_path, answer)
                if running.astray:
                    self._wake()
            plain = answer if isinstance(answer, str) else f"{running.health_path} answered {answer}"
            running.detail = running.astray or plain
            await asyncio.sleep(LOOK_EVERY_S if running.astray else PROBE_EVERY_S)

    def _task(self, running: Running, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        running.tasks.add(task)
        task.add_done_callback(running.tasks.discard)

    def _watch(self, running: Running) -> None:
        assert running.process is not None
        running.watch = Watch(running.process)
        self._task(running, self._until_exit(running))

    async def _until_exit(self, running: Running) -> None:
        assert running.watch is not None
        await running.watch.wait()
        running.exit_code = running.watch.exit_code()
        if self.ran_out_of_memory(running):
            megabytes = running.size.memory_bytes // (1024 * 1024)
            running.detail = f"{OUT_OF_MEMORY}: it may use {megabytes} MB"
        else:
            running.detail = logs.last_line(self.log(running.id)) or running.detail
        running.exited = True
        self._wake()

    def look_for_memory(self) -> None:
        """Note which instances lost a process for memory lately; call it every few seconds."""
        for one in self.running.values():
            if not one.exited:
                self.ran_out_of_memory(one)

    def ran_out_of_memory(self, running: Running) -> bool:
        """Look whether the kernel has killed in the instance for memory a moment ago.

        An older kill was of a child that it did without: what it dies of now is something else.
        """
        now, kills = asyncio.get_running_loop().time(), self._limits.oom_kills(running.id)
        if kills > running.oom_kills:
            running.oom_kills, running.oom_seen_at = kills, now
        return running.oom_seen_at is not None and now - running.oom_seen_at < OOM_FRESH_S

    def terminate(self, instance: str, *, force: bool) -> None:
        """SIGTERM once, or end the whole process group and cgroup at once with `force`."""
        running = self.running.get(instance)
        if running is None or running.exited:
            return
        if running.watch is None:
            running.ending = True  # still being spawned: `_start` ends it
            return
        if force:
            self._limits.kill(instance)
            running.watch.signal_group(signal.SIGKILL)
        elif not running.ending:
            running.watch.signal(signal.SIGTERM)
        running.ending = True

    def forget(self, keep: Collection[str]) -> None:
        """Drop the records of exited instances that the governor no longer remembers."""
        for gone in [one for one in self.running.values() if one.exited and one.id not in keep]:
            del self.running[gone.id]
            self._clear(gone)

    def _clear(self, gone: Running) -> None:
        if gone.watch is not None:
            # What it started and left behind goes with it: the cgroup knows all, the process group most.
            gone.watch.signal_group(signal.SIGKILL)
            gone.watch.close()
        self._limits.kill(gone.id)
        self._limits.remove(gone.id)
        self._record(gone.id).unlink(missing_ok=True)

    def take_over(self, services: Mapping[str, Service]) -> list[str]:
        """Take over what an earlier control plane started and still runs. Returns the ids, in order of launch."""
        for path in sorted(self._paths.processes.glob("*.json")):
            loaded = processes.load(path)
            if loaded is None:
                path.unlink(missing_ok=True)
                continue
            process, facts = loaded
            if "instance" not in facts:
                continue
            try:
                running = _restored(process, facts)
            except (KeyError, TypeError, ValueError):  # not of our making: it runs as nobody's
                path.unlink(missing_ok=True)
                continue
            self.running[running.id] = running
            if not processes.alive(process):
                running.exited, running.detail = True, logs.last_line(self.log(running.id)) or ""
                continue
            self._watch(running)
            if running.network != (self._walls.router.number if self._walls is not None else 0):
                self.terminate(running.id, force=True)  # its room belongs to a network that is gone
                continue
            service = services.get(running.service)
            if not running.ready and service is not None:
                self._task(running, self._until_ready(running, service))
        return [one.id for one in self.running.values() if not one.exited]

    def found(self) -> tuple[Found, ...]:
        """What runs, as far as its records tell all that a state needs; the rest is nobody's."""
        return tuple(
            Found(
                id=one.id,
                service=one.service,
                release=one.release,
                zone=one.zone,
                spec=one.spec,
                started_at=one.started_at,
                ready=one.ready,
            )
            for one in self.running.values()
            if one.spec is not None and not one.exited
        )

    def _save(self, running: Running) -> None:
        """Record it. On a full disk it runs and is watched without: the next control plane would end it."""
        before, running.recorded = running.recorded, False
        try:
            self._write(running)
        except OSError as error:
            if before:
                log.warning("an instance cannot be recorded", instance=running.id, error=str(error))
        else:
            running.recorded = True

    def record_again(self) -> None:
        """Record those that could not be; call it every few seconds."""
        for one in self.running.values():
            if not one.recorded and not one.exited:
                self._save(one)

    def _write(self, running: Running) -> None:
        assert running.process is not None
        facts = {name: getattr(running, name) for name in _RECORDED}
        facts |= {} if running.spec is None else {"spec": records.SPEC.written(running.spec)}
        processes.save(self._record(running.id), running.process, instance=running.id, **facts, **asdict(running.size))

    def _record(self, instance: str) -> Path:
        return self._paths.processes / f"{instance}.json"

    def log(self, instance: str) -> Path:
        """Where an instance's output goes."""
        return self._paths.logs / f"{instance}.log"

    async def close(self) -> None:
        """Stop watching; the instances keep running."""
        tasks = [task for one in self.running.values() for task in one.tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in self.running.values():
            if one.watch is not None:
                one.watch.close()


def _restored(process: processes.Process, facts: Mapping[str, Any]) -> Running:
    size = Size(**{field.name: facts[field.name] for field in fields(Size)})
    spec = records.SPEC.read(facts["spec"]) if "spec" in facts else None
    recorded = {name: facts[name] for name in _RECORDED if name in facts}
    return Running(id=facts["instance"], size=size, process=process, spec=spec, **recorded)
