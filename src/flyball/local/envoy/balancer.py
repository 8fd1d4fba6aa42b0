"""The balancer of this machine: one Envoy process, started orphaned so that it outlives the control plane.

It is fed by files alone; when it dies it is started again at once with the files as they lie. One that runs and does
not answer is ended for that. With a standby, a second Envoy goes on in its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import structlog

from flyball.core.control.lifecycle import exit_text
from flyball.core.control.news import Mishap, MishapKind
from flyball.core.control.observation import InstanceSeen
from flyball.core.errors import Failed
from flyball.core.model import Application
from flyball.local.paths import StateDirectory
from flyball.local.process import descriptors, logs, processes
from flyball.local.process.pulse import DEADLINE_S, Pulse, Silence, told
from flyball.local.process.vigil import ASK_EVERY_S, LASTED_S, end, started_again
from flyball.local.process.walls.router import Router
from flyball.local.process.watch import Watch, end_group

from . import files as envoy_files
from . import process as envoy_process
from . import sharing
from .admin import Admin, TargetStats
from .config import resources
from .config.bootstrap import LISTENERS_FILE
from .config.connections import connections
from .config.endpoints import Endpoint
from .config.queue import PROGRAM, has_queue
from .config.rooms import Rooms
from .config.types import Json
from .process import DRAIN_S, MARK, SEAT, Seat
from .standby import LOOK_EVERY_S, Standby

START_TIMEOUT_S = 20.0

log = structlog.get_logger()


class Balancer:
    """Envoy of one application. `wake` is called when it died (and is being started again), `hear` to tell of it."""

    def __init__(
        self,
        paths: StateDirectory,
        name: str,
        wake: Callable[[], None],
        hear: Callable[[Mishap], None] = lambda _: None,
        router: Router | None = None,
    ) -> None:
        self._paths = paths
        self._router = router
        self._name = name
        self._wake = wake
        self._hear = hear
        self._hung = ""  # why the one that ran last had to be ended
        self._guards: set[asyncio.Task[None]] = set()
        self._started_at = 0.0
        self._pause_s = 0.0
        self._told = self._told_shared = False
        # Envoy may use every descriptor that this user may have; instances keep the usual, lower limit.
        self._descriptors = descriptors.most()
        self.process: processes.Process | None = None
        self.restarts = 0
        self._seat = Seat(paths)
        self.admin = Admin(str(self._seat.socket))
        self._settled: object = None  # of files written in full: what they were made from, and their state on disk
        self._shared: bool | None = None  # whether its port is shared with a standby; it stays while it runs
        self.standby = Standby(paths, name, self._descriptors, self._ready, self._no_standby)

    def share(self, wanted: bool) -> None:
        """Whether a standby is wanted. What runs already keeps its port as it has it."""
        if self._shared is None:
            kept = self._router is not None and self._router.users is not None
            self._shared = wanted and sharing.possible() and not kept
            if wanted and not self._shared:
                where = "behind walls without root" if kept else "on this system"
                self._no_standby(f"two balancers cannot share a port {where}")
        elif wanted != self._shared and not self._told_shared:
            self._told_shared = True
            log.warning("the balancer gets or loses its standby when it starts anew: flyball down, then flyball up")

    def _no_standby(self, why: str) -> None:
        self._hear(Mishap(kind=MishapKind.BALANCER_FAILED, text=f"no balancer stands by: {why}"))

    @property
    def access_log(self) -> Path:
        """One line per request."""
        return self._paths.logs / "access.log"

    @property
    def log(self) -> Path:
        """Envoy's own words."""
        return self._seat.log

    def push(
        self,
        app: Application,
        endpoints: Mapping[str, Sequence[Endpoint]],
        *,
        port: int,
        inside_port: int,
        certificate: tuple[str, str] | None,
        concurrency: Mapping[str, int],
        challenges: Mapping[str, str] = MappingProxyType({}),
        rooms: Rooms | None = None,
        core_rules: str | None = None,
    ) -> bool:
        """Write what changed for the balancer to pick up; True when something did."""
        self.share(app.listener.standby)
        queue = envoy_process.has_v8()
        if not queue and has_queue(app) and not self._told:
            self._told = True
            log.warning("this Envoy runs no WebAssembly: requests wait at the instance they are for, not in one queue")
        facts = (app, certificate, dict(concurrency), dict(challenges), rooms, core_rules, queue)
        asked = (facts, port, inside_port, self._shared, {name: tuple(some) for name, some in endpoints.items()})
        if self._settled == (asked, envoy_files.stamp(self._paths.xds)):
            return False  # most steps change nothing: not even the files are made
        files = resources.files(
            app,
            endpoints,
            directory=str(self._paths.xds),
            port=port,
            inside_port=inside_port,
            access_log=str(self.access_log),
            certificate=certificate,
            limits=connections(app.services, descriptors=self._descriptors),
            concurrency=concurrency,
            queue=PROGRAM if queue else None,
            challenges=challenges,
            rooms=rooms,
            core_rules=core_rules,
        )
        changed = self.write(files)
        done = not changed and envoy_files.settled(self._paths.xds, self._shareable(files))
        self._settled = (asked, envoy_files.stamp(self._paths.xds)) if done else None
        return changed

    def _shareable(self, files: Mapping[str, Json]) -> Mapping[str, Json]:
        return resources.shareable(files) if self._shared else files

    def write(self, files: Mapping[str, Json]) -> bool:
        """Write a complete set of files for Envoy to pick up; True when something changed."""
        written = envoy_files.write(self._paths.xds, self._shareable(files))
        if LISTENERS_FILE in written:
            self.standby.look()
        return bool(written)

    def take_over(self) -> bool:
        """Take over a running balancer of an earlier control plane; False when there is none."""
        serving, second = (_recorded(path) for path in (self._paths.balancer_file, self._paths.standby_file))
        if serving is not None and not self._reaches(serving[0]):
            end_group(serving[0])
            serving = None
        if serving is None and second is not None:
            text = "the balancer died while no control plane ran; its standby took over"
            self._hear(Mishap(kind=MishapKind.BALANCER_TOOK_OVER, text=text))
            serving, second = second, None
        # A control plane that was killed between starting and recording it: two cannot have the same seat.
        self._shared = envoy_files.shared(self._paths.xds) or None
        doubtful = serving is None or (self._shared and second is None)
        ours = processes.carriers(MARK, str(self._paths.root.resolve())) if doubtful else []
        known = {one[0].pid for one in (serving, second) if one is not None}
        for process, environment in ours:
            if serving is None and self._reaches(process):
                serving = (process, int(environment.get(SEAT, "1")))
            elif process.pid not in known:
                end_group(process)
        if serving is None:
            self._shared = None  # the next one is as its file wants it
            return False
        self._shared = bool(self._shared)
        self._serve(*serving)
        if second is not None:
            self.standby.take_over(second[0], Seat(self._paths, second[1]))
        return True

    def _reaches(self, process: processes.Process) -> bool:
        """Whether it runs in the network between the rooms, where it must; that of a keeper ends with the keeper."""
        if self._router is None or self._router.users is None:
            return True
        with contextlib.suppress(OSError):
            return Path(f"/proc/{process.pid}/ns/net").stat().st_ino == self._router.number
        return False

    def _serve(self, process: processes.Process, seat: int) -> None:
        self._seat = Seat(self._paths, seat)
        self.admin = Admin(str(self._seat.socket))
        self._guarded(process)
        self._save(process)

    async def start(self) -> None:
        """Start Envoy and wait until it takes its configuration. Raises `Failed` with its last words."""
        process = await self._seat.start(self._name, self._descriptors, self._router)
        if not self._reaches(process):  # the network was lost meanwhile, and may have been made again
            end_group(process)
            raise Failed("the network between the rooms has ended")
        self._guarded(process)
        self._save(process)

    def _save(self, process: processes.Process) -> None:
        try:
            processes.save(self._paths.balancer_file, process, seat=self._seat.number)
        except OSError as error:  # it serves all the same, and is known by its mark
            log.warning("the balancer cannot be recorded", error=str(error))

    async def until_ready(self) -> None:
        """Wait until the balancer serves. Raises `Failed` with its last words."""
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while not await self.admin.ready():
            if not self._hung and (self.process is None or not processes.alive(self.process)):
                raise Failed(f"the balancer did not start: {logs.last_line(self.log)}")
            if asyncio.get_running_loop().time() > deadline:
                raise Failed(f"the balancer was not ready after {START_TIMEOUT_S:g} s: {logs.last_line(self.log)}")
            await asyncio.sleep(0.02)
        if self._shared and not self.standby.kept:
            self.standby.keep(self._seat.other)

    async def _ready(self) -> bool:
        return await self.admin.ready()

    def _guarded(self, process: processes.Process) -> None:
        self.process = process
        self._started_at = asyncio.get_running_loop().time()
        guard = asyncio.ensure_future(self._until_exit(Watch(process)))
        self._guards.add(guard)
        guard.add_done_callback(self._guards.discard)

    async def _until_exit(self, watch: Watch) -> None:
        asking = asyncio.ensure_future(self._end_when_it_hangs(watch))
        try:
            await watch.wait()
        finally:
            asking.cancel()
            code = watch.exit_code()
            watch.close()
        if watch.process == self.process:
            await self._replace(self._hung or exit_text(InstanceSeen(id="", exit_code=code)))
        if self._shared and not self.standby.kept:
            self.standby.keep(self._seat.other)

    async def _replace(self, how: str) -> None:
        self.restarts += 1
        if self.standby.able:
            await self._give_way(how).close()
        else:
            self._wake()
            await self._start_again(f"the balancer {how}")
        self._hung = ""

    def _give_way(self, how: str) -> Admin:
        """The one that stands by is the one that serves; the admin interface of the other."""
        before = self.admin
        process, self._seat, self.admin = self.standby.hand_over()
        self._guarded(process)
        self._save(process)
        self._hear(Mishap(kind=MishapKind.BALANCER_TOOK_OVER, text=f"the balancer {how}; its standby took over"))
        return before

    async def _end_when_it_hangs(self, watch: Watch) -> None:
        pulse = Pulse(watch.process)
        while not self._hung:
            if self._shared and await self._stopped_within(watch.process, ASK_EVERY_S):
                await self._let_finish(watch)
                return
            if not self._shared:
                await asyncio.sleep(ASK_EVERY_S)
            why = await pulse.felt(self.admin.answers)
            late = pulse.slow and pulse.silent_s >= DEADLINE_S
            if not why and late and self.standby.able and await self.standby.admin.answers():
                why = told(pulse.silent_s, Silence.SLOW)  # no patience is needed: the other one answers
            if why:
                log.warning("the balancer hangs", why=why)
                self._hung = f"{why} and was ended"
                watch.signal(signal.SIGKILL)

    async def _stopped_within(self, process: processes.Process, seconds: float) -> bool:
        """Whether it is stopped while another listens."""
        deadline = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < deadline:
            if processes.stopped(process) and self.standby.able and self.standby.pid is not None:
                return True
            await asyncio.sleep(LOOK_EVERY_S)
        return False

    async def _let_finish(self, watch: Watch) -> None:
        """New connections go to the other one; this one goes on with those it holds, and is ended then."""
        try:
            sharing.steer(self._paths.xds, sharing.SECOND)
        except OSError as error:
            log.warning("the port cannot be steered", error=str(error))  # it ends at once, so the kernel does it
        else:
            before = self._give_way("was stopped (SIGSTOP)")
            watch.signal(signal.SIGCONT)
            try:
                await before.drained(within_s=DRAIN_S)
            finally:
                await before.close()
        watch.signal(signal.SIGKILL)

    async def _start_again(self, died: str = "the balancer died") -> None:
        if asyncio.get_running_loop().time() - self._started_at > LASTED_S:
            self._pause_s = 0.0
        self._pause_s = await started_again(died, self.start, self._tell_again, pause_s=self._pause_s)

    def _tell_again(self, runs: bool, text: str) -> None:
        self._hear(Mishap(kind=MishapKind.BALANCER_RESTARTED if runs else MishapKind.BALANCER_FAILED, text=text))

    async def targets(self) -> tuple[TargetStats, ...] | None:
        """What the balancer says of every target; None while it does not answer."""
        try:
            return await self.admin.targets()
        except (OSError, ValueError, TimeoutError):
            return None

    async def matched(self) -> dict[str, int] | None:
        """What each rule of the firewall has matched since the balancer started; None while it does not answer."""
        try:
            return await self.admin.matched()
        except (OSError, ValueError, TimeoutError):
            return None

    async def stop(self) -> None:
        """End Envoy; its listener closes at once."""
        await self.close()  # first: it must not be started again meanwhile
        # One that has given way may still finish what it holds: only its mark tells of it.
        marked = {one for one, _ in processes.carriers(MARK, str(self._paths.root.resolve()))}
        await asyncio.gather(*(end(one) for one in {self.process, self.standby.process, *marked} if one is not None))
        self._paths.balancer_file.unlink(missing_ok=True)
        self._paths.standby_file.unlink(missing_ok=True)

    async def close(self) -> None:
        """Stop watching; Envoy keeps running."""
        await self.standby.close()
        for guard in (guards := tuple(self._guards)):
            guard.cancel()
        await asyncio.gather(*guards, return_exceptions=True)
        await self.admin.close()


def _recorded(path: Path) -> tuple[processes.Process, int] | None:
    """An Envoy that runs, and its seat."""
    loaded = processes.load(path)
    return (loaded[0], int(loaded[1].get("seat", 1))) if loaded is not None and processes.alive(loaded[0]) else None
