"""One region as the edge keeps it: a control plane of its own, started again when it ends unasked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from flyball.core.errors import FlyballError
from flyball.local import face
from flyball.local.background import PAUSE_S, guarded
from flyball.local.paths import StateDirectory
from flyball.local.process import logs, processes
from flyball.local.process.watch import Watch, end_group

from . import ask

LONGEST_PAUSE_S = 10.0
LASTED_S = 60.0
STARTED_S = 10.0  # one that ends sooner says why
LOOK_EVERY_S = 0.1
GIVE_UP_S = 120.0  # a region whose control plane cannot even be started
MOST_ENDS = 3  # so often may a control plane end that is to stop its region


class RunningRegion:
    """A region whose balancer listens on `port`. `tell` hears, in one sentence, that its control plane has ended."""

    def __init__(self, name: str, file: Path, paths: StateDirectory, port: int, tell: Callable[[str], None]) -> None:
        self.name = name
        self.port = port
        self.paths = paths
        self._file = file
        self._tell = tell
        self._stopping = False
        self._last = ""
        self._ended = 0
        self._process: processes.Process | None = None
        self._keeping: asyncio.Task[None] | None = None

    def keep(self, pause_s: float = PAUSE_S) -> None:
        """From now on there is a control plane: the one that runs, or a new one."""
        self._keeping = asyncio.ensure_future(guarded(self._keep, pause_s))

    async def _keep(self) -> None:
        pause_s = 0.0
        while True:
            began = asyncio.get_running_loop().time()
            self._process = ask.control_process(self.paths) or await self._start()
            await self._until_ended()
            if self._stopping:
                return
            self._ended += 1
            lasted_s = asyncio.get_running_loop().time() - began
            if lasted_s > LASTED_S:
                pause_s, self._last = 0.0, ""
            if self._process is not None:
                words = f": {logs.last_line(self.paths.logs / 'control.log')}" if lasted_s < STARTED_S else ""
                self._told(f"{self.name}: its control plane has ended and is started again{words}")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s + 0.2, LONGEST_PAUSE_S)  # one that cannot start must not spin

    async def _start(self) -> processes.Process | None:
        argv = [sys.executable, "-m", "flyball", "control-plane", str(self._file), "--region", self.name]
        try:
            self.paths.create()
            return await processes.spawn(
                [*argv, "--port", str(self.port)],
                environment=dict(os.environ),
                directory=self._file.parent,
                log=self.paths.logs / "control.log",
            )
        except (FlyballError, OSError) as error:
            self._told(f"{self.name}: its control plane cannot be started: {error}")
            return None

    def _told(self, text: str) -> None:
        """Tell it, unless it is what was told last: what cannot start is tried again and again."""
        if text != self._last:
            self._last = text
            self._tell(text)

    async def stop(self) -> None:
        """Drain and stop everything in the region; its data stays. Needs `keep`, which starts a control plane for it.

        If no control plane can be started, everything is ended at once.
        """
        deadline, most = asyncio.get_running_loop().time() + GIVE_UP_S, self._ended + MOST_ENDS
        while self._runs() and self._ended < most and asyncio.get_running_loop().time() < deadline:
            with contextlib.suppress(FlyballError):
                await ask.down(self.paths)
                self._stopping = True
                deadline = float("inf")  # it drains as long as the file says
                await self._until_ended()
            await asyncio.sleep(LOOK_EVERY_S)
        await self.leave()
        if self._runs():
            self._told(f"{self.name}: it cannot be drained, so it is ended at once")
            if self._process is not None:
                end_group(self._process)
            await face.end_all(self.paths)

    def _runs(self) -> bool:
        control = self._process is not None and processes.alive(self._process)
        return control or face.any_alive(self.paths)

    async def _until_ended(self) -> None:
        if self._process is not None:
            watch = Watch(self._process)
            try:
                await watch.wait()
            finally:
                watch.close()

    async def leave(self) -> None:
        """Stop looking after it; it goes on by itself."""
        self._stopping = True
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
