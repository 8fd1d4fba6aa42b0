"""The balancer that stands by: a second Envoy with the same files, on the same port, which no connection comes to.

It knows every instance and checks their health, so it can take over at once when the one that serves is gone; the
kernel then gives it what comes (`sharing`). It costs its memory and a second set of health checks.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable

import structlog

from flyball.core.errors import FlyballError
from flyball.local.paths import StateDirectory
from flyball.local.process import processes
from flyball.local.process.processes import Process, alive, stopped
from flyball.local.process.watch import Watch

from . import sharing
from .admin import Admin
from .process import Seat

LOOK_EVERY_S = 0.1
LONGEST_PAUSE_S = 5.0

log = structlog.get_logger()


class Standby:
    """Keeps one running beside the balancer of `name`. `ready` tells whether the one that serves does, `hear` is told
    why none stands by.
    """

    def __init__(
        self,
        paths: StateDirectory,
        name: str,
        descriptors: int,
        ready: Callable[[], Awaitable[bool]],
        hear: Callable[[str], None],
    ) -> None:
        self._paths = paths
        self._name = name
        self._descriptors = descriptors
        self._ready = ready
        self._hear = hear
        self._told = False
        self._keeping: asyncio.Task[None] | None = None
        self._shared: frozenset[sharing.Entrance] = frozenset()
        self._doubtful = False
        self._listens = False
        self.seat = Seat(paths, 2)
        self.process: Process | None = None
        self.admin = Admin(str(self.seat.socket))

    @property
    def kept(self) -> bool:
        """Whether one is watched, or on its way."""
        return self._keeping is not None and not self._keeping.done()

    def keep(self, seat: Seat) -> None:
        """From now on one stands by in this seat: the one that runs there, else a new one."""
        if seat != self.seat:
            self.seat, self.admin = seat, Admin(str(seat.socket))
        self._keeping = asyncio.ensure_future(self._keep())

    def take_over(self, process: Process, seat: Seat) -> None:
        """This one stands by already; `keep` watches it."""
        self.process, self.seat, self.admin = process, seat, Admin(str(seat.socket))
        self._shared = sharing.entrances(self._paths.xds)

    def look(self) -> None:
        """The listeners changed. Of an entrance that is new nobody knows which of the two came to it first."""
        self._doubtful = self.process is not None and self._shared != sharing.entrances(self._paths.xds)

    @property
    def pid(self) -> int | None:
        """The one that stands by; None until it listens."""
        return self.process.pid if self.process is not None and self._listens else None

    @property
    def able(self) -> bool:
        """Whether one could serve now."""
        return self.process is not None and alive(self.process) and not stopped(self.process)

    def hand_over(self) -> tuple[Process, Seat, Admin]:
        """It is the one that serves, from now on; none stands by until `keep` is called."""
        assert self.process is not None
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None
        found = self.process, self.seat, self.admin
        self.process, self.seat, self._listens = None, self.seat.other, False
        self.admin = Admin(str(self.seat.socket))
        self._paths.standby_file.unlink(missing_ok=True)
        return found

    async def _keep(self) -> None:
        pause_s = 0.0
        while True:
            try:
                if self.process is None:
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s + 0.2, LONGEST_PAUSE_S)
                    await self._start()
                await self._until_exit()
            except (FlyballError, OSError) as error:
                log.warning("no balancer stands by", error=str(error))
                if not self._told:
                    self._hear(str(error))
                self._told = True
            self.process, self._listens = None, False

    async def _start(self) -> None:
        """After the one that serves, so that it has the second place."""
        while not await self._ready():
            await asyncio.sleep(LOOK_EVERY_S)
        self._shared, self._doubtful = sharing.entrances(self._paths.xds), False
        sharing.steer(self._paths.xds, sharing.FIRST)
        self.process = await self.seat.start(self._name, self._descriptors)
        with contextlib.suppress(OSError):  # it is known by its mark
            processes.save(self._paths.standby_file, self.process, seat=self.seat.number)
        self._told = False

    async def _until_exit(self) -> None:
        assert self.process is not None
        watch = Watch(self.process)
        try:
            while not watch.exited:
                if stopped(self.process) or self._doubtful:  # it would serve nobody
                    watch.signal(signal.SIGKILL)
                self._listens = self._listens or await self.admin.ready()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            watch.close()
        log.warning("the balancer that stood by has ended; another one is started")

    async def close(self) -> None:
        """Stop watching; it keeps running."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self.admin.close()
