"""The balancer of this machine: one Envoy process, started orphaned so that it outlives the control plane.

It is fed by files alone; when it dies it is started again at once with the files as they lie. One that runs and does
not answer is ended for that.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import structlog

from flyball.core.control.lifecycle import exit_text
from flyball.core.control.news import Mishap, MishapKind
from flyball.core.control.observation import InstanceSeen
from flyball.core.errors import Failed, FlyballError
from flyball.core.model import Application
from flyball.local.paths import StateDirectory
from flyball.local.process import descriptors, logs, processes
from flyball.local.process.pulse import Pulse
from flyball.local.process.watch import Watch

from . import files as envoy_files
from . import process as envoy_process
from .admin import Admin, TargetStats
from .config import bootstrap as envoy_bootstrap
from .config import resources
from .config.connections import connections
from .config.endpoints import Endpoint
from .config.queue import PROGRAM, has_queue
from .config.rooms import Rooms
from .config.types import Json

START_TIMEOUT_S = 20.0
MARK = "FLYBALL_BALANCER_OF"  # in Envoy's environment: the state directory that it serves
LASTED_S = 60.0  # a balancer that ran so long is started again without a pause
LONGEST_PAUSE_S = 5.0
ASK_EVERY_S = 1.0

log = structlog.get_logger()


class Balancer:
    """Envoy of one application. `wake` is called when it died (and is being started again), `hear` to tell of it."""

    def __init__(
        self,
        paths: StateDirectory,
        name: str,
        wake: Callable[[], None],
        hear: Callable[[Mishap], None] = lambda _: None,
    ) -> None:
        self._paths = paths
        self._name = name
        self._wake = wake
        self._hear = hear
        self._hung = ""  # why the one that ran last had to be ended
        self._guard: asyncio.Task[None] | None = None
        self._started_at = 0.0
        self._pause_s = 0.0
        self._told = False
        # Envoy may use every descriptor that this user may have; instances keep the usual, lower limit.
        self._descriptors = descriptors.most()
        self.process: processes.Process | None = None
        self.restarts = 0
        self.admin = Admin(str(self._admin_socket))

    @property
    def _admin_socket(self) -> Path:
        return self._paths.sockets / "envoy.sock"

    @property
    def access_log(self) -> Path:
        """One line per request."""
        return self._paths.logs / "access.log"

    @property
    def log(self) -> Path:
        """Envoy's own words."""
        return self._paths.logs / "envoy.log"

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
    ) -> bool:
        """Write what changed for the balancer to pick up; True when something did."""
        queue = envoy_process.has_v8()
        if not queue and has_queue(app) and not self._told:
            self._told = True
            log.warning("this Envoy runs no WebAssembly: requests wait at the instance they are for, not in one queue")
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
        )
        return self.write(files)

    def write(self, files: Mapping[str, Json]) -> bool:
        """Write a complete set of files for Envoy to pick up; True when something changed."""
        return bool(envoy_files.write(self._paths.xds, files))

    def take_over(self) -> bool:
        """Take over a running balancer of an earlier control plane; False when there is none."""
        loaded = processes.load(self._paths.balancer_file)
        if loaded is not None and processes.alive(loaded[0]):
            self._guarded(loaded[0])
            return True
        # A control plane that was killed between starting and recording it: two cannot have the same port.
        unrecorded = processes.carriers(MARK, self._marked())
        if not unrecorded:
            return False
        process = unrecorded[0][0]
        self._guarded(process)
        self._save(process)
        return True

    def _marked(self) -> str:
        return str(self._paths.root.resolve())

    async def start(self) -> None:
        """Start Envoy and wait until it takes its configuration. Raises `Failed` with its last words."""
        bootstrap = self._paths.xds / "bootstrap.json"
        content = envoy_bootstrap.bootstrap(
            directory=str(self._paths.xds),
            admin_socket=str(self._admin_socket),
            name=self._name,
            limits=connections((), descriptors=self._descriptors),
        )
        envoy_files.write(self._paths.xds, {bootstrap.name: content})
        self._admin_socket.unlink(missing_ok=True)
        process = await processes.spawn(
            envoy_process.command(bootstrap=bootstrap, log=self.log, concurrency=1),
            environment={"PATH": "/usr/bin:/bin", MARK: self._marked()},
            directory=self._paths.root,
            log=self.log,
        )
        self._raise_limit(process.pid)
        self._guarded(process)
        self._save(process)

    def _save(self, process: processes.Process) -> None:
        try:
            processes.save(self._paths.balancer_file, process)
        except OSError as error:  # it serves all the same, and is known by its mark
            log.warning("the balancer cannot be recorded", error=str(error))

    def _raise_limit(self, pid: int) -> None:
        if hasattr(resource, "prlimit"):
            with contextlib.suppress(OSError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, (self._descriptors, self._descriptors))

    async def until_ready(self) -> None:
        """Wait until the balancer serves. Raises `Failed` with its last words."""
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while not await self.admin.ready():
            if not self._hung and (self.process is None or not processes.alive(self.process)):
                raise Failed(f"the balancer did not start: {logs.last_line(self.log)}")
            if asyncio.get_running_loop().time() > deadline:
                raise Failed(f"the balancer was not ready after {START_TIMEOUT_S:g} s: {logs.last_line(self.log)}")
            await asyncio.sleep(0.02)

    def _guarded(self, process: processes.Process) -> None:
        self.process = process
        self._started_at = asyncio.get_running_loop().time()
        self._guard = asyncio.ensure_future(self._until_exit(Watch(process)))

    async def _until_exit(self, watch: Watch) -> None:
        asking = asyncio.ensure_future(self._end_when_it_hangs(watch))
        try:
            await watch.wait()
        finally:
            asking.cancel()
            code = watch.exit_code()
            watch.close()
        self.restarts += 1
        self._wake()
        how = self._hung or exit_text(InstanceSeen(id="", exit_code=code))
        await self._start_again(f"the balancer {how}")
        self._hung = ""

    async def _end_when_it_hangs(self, watch: Watch) -> None:
        pulse = Pulse(watch.process)
        while not self._hung:
            await asyncio.sleep(ASK_EVERY_S)
            why = await pulse.felt(self.admin.answers)
            if why:
                log.warning("the balancer hangs", why=why)
                self._hung = f"{why} and was ended"
                watch.signal(signal.SIGKILL)

    async def _start_again(self, died: str = "the balancer died") -> None:
        told = False
        if asyncio.get_running_loop().time() - self._started_at > LASTED_S:
            self._pause_s = 0.0
        while True:
            await asyncio.sleep(self._pause_s)
            self._pause_s = min(2 * self._pause_s + 0.2, LONGEST_PAUSE_S)  # one that keeps dying must not spin
            try:
                await self.start()
            except (FlyballError, OSError) as error:  # a full disk, above all: it may be free again in a moment
                log.warning("the balancer cannot be started", error=str(error))
                if not told:
                    self._hear(Mishap(kind=MishapKind.BALANCER_FAILED, text=f"{died} and cannot be started: {error}"))
                told = True
            else:
                self._hear(Mishap(kind=MishapKind.BALANCER_RESTARTED, text=f"{died}; it was started again"))
                return

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
        if self.process is not None:
            watch = Watch(self.process)
            watch.signal(signal.SIGKILL)
            await watch.wait()
            watch.close()
        self._paths.balancer_file.unlink(missing_ok=True)

    async def close(self) -> None:
        """Stop watching; Envoy keeps running."""
        if self._guard is not None:
            self._guard.cancel()
            await asyncio.gather(self._guard, return_exceptions=True)
        await self.admin.close()
