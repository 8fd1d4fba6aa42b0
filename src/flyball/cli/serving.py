"""The control plane as a process: the runtime and its HTTP interface in one event loop, until a signal ends it.

Ctrl-C (SIGINT) in the foreground stops everything. SIGTERM ends only the control plane: instances, balancer and stores
keep running, and the next `flyball up` takes them over.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import uvicorn

from flyball.core.control.reasons import Event
from flyball.core.errors import FlyballError
from flyball.dashboard.panel import Panel, open_panel
from flyball.local import control_api
from flyball.local.face import processes
from flyball.local.paths import StateDirectory
from flyball.local.runtime.runtime import Runtime

STREAMS_END_S = 1


class Server(uvicorn.Server):
    """uvicorn inside our own event loop, which handles the signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Do not touch the signals."""
        yield


@contextlib.asynccontextmanager
async def served(runtime: Runtime) -> AsyncIterator[control_api.Control]:
    """Serve the control API while the block runs; gives what `control.json` holds."""
    socket = runtime.paths.sockets / "control.sock"
    control: control_api.Control = {"pid": os.getpid(), "url": runtime.url, "socket": str(socket), "dashboard": None}
    panel = open_panel(runtime, control)
    control["dashboard"] = panel.url
    async with answering(control_api.create(runtime, control), panel, control, runtime.paths, runtime.closing):
        yield control


@contextlib.asynccontextmanager
async def answering(
    api: Any, panel: Panel, control: control_api.Control, paths: StateDirectory, closing: asyncio.Event
) -> AsyncIterator[None]:
    """Serve an API on the control socket, which only its owner may open, and the dashboard, while the block runs.

    `control` is what `control.json` holds; `closing` is set at the end, so that streams end.
    """
    socket = paths.sockets / "control.sock"
    socket.unlink(missing_ok=True)
    servers = [
        Server(config(api, uds=str(socket))),
        Server(config(panel.app, fd=panel.listener.fileno())),
    ]
    tasks = [asyncio.ensure_future(server.serve()) for server in servers]
    while not all(server.started for server in servers):
        await asyncio.sleep(0.005)
    socket.chmod(0o600)
    write(paths.control_file, control)
    try:
        yield
    finally:
        closing.set()
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks, return_exceptions=True)
        panel.listener.close()
        paths.control_file.unlink(missing_ok=True)
        socket.unlink(missing_ok=True)


def config(app: Any, **where: Any) -> uvicorn.Config:
    """How a server of ours runs; `where` is its socket."""
    return uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=STREAMS_END_S, **where
    )


def write(path: Path, control: control_api.Control) -> None:
    """Tell the command line how this control plane is reached."""
    me = processes.identify(os.getpid())
    assert me is not None
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({**control, "started": me.started, "boot_id": me.boot_id}), encoding="utf-8")
    temporary.chmod(0o600)
    temporary.replace(path)


async def serve(
    runtime: Runtime,
    *,
    on_event: Callable[[Event], None],
    on_started: Callable[[Runtime, control_api.Control], None],
    interrupt_stops: bool,
    watcher: Callable[[Runtime], Any] | None = None,
) -> int:
    """Run what `flyball.local.runtime.start` made until it is stopped; return the exit code.

    `watcher` runs alongside; its non-zero result stops everything.
    """
    runtime.listeners.add(on_event)
    ending = _Ending(runtime, interrupt_stops=interrupt_stops)
    work = asyncio.ensure_future(runtime.run())
    code = 0
    try:
        async with served(runtime) as control:
            on_started(runtime, control)
            await _converged(runtime, work)
            beside = asyncio.ensure_future(watcher(runtime)) if watcher is not None else None
            code = await ending.until_over(work, beside)
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        if runtime.state.shutting_down and not runtime.state.instances:
            await runtime.finish()
        else:
            await runtime.leave()
    return code


async def _converged(runtime: Runtime, work: asyncio.Future[None]) -> None:
    """Release what the source calls for. If the source is unusable, stop what was just started."""
    try:
        await runtime.deploys.converge()
    except (FlyballError, OSError):
        if not runtime.taken_over:
            await runtime.stop()
            await work
        raise


class _Ending:
    """How it ends: with everything stopped, or left running."""

    def __init__(self, runtime: Runtime, *, interrupt_stops: bool) -> None:
        self._runtime = runtime
        self._leave = asyncio.Event()
        self._interrupts = 0
        self._interrupt_stops = interrupt_stops
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._leave.set)
        loop.add_signal_handler(signal.SIGINT, self._interrupted)
        loop.add_signal_handler(signal.SIGHUP, self._leave.set)

    def _interrupted(self) -> None:
        self._interrupts += 1
        if not self._interrupt_stops or self._interrupts > 1:
            self._leave.set()
        else:
            self._stopping = asyncio.ensure_future(self._stop())

    async def _stop(self) -> None:
        with contextlib.suppress(FlyballError):
            await self._runtime.stop()

    async def until_over(self, work: asyncio.Future[None], beside: asyncio.Future[int] | None) -> int:
        leaving = asyncio.ensure_future(self._leave.wait())
        code = 0
        waiting: set[asyncio.Future[Any]] = {work, leaving}
        if beside is not None:
            waiting.add(beside)
        try:
            while not (work.done() or leaving.done()):
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if beside is not None and beside.done():
                    waiting.discard(beside)
                    code, beside = beside.result(), None
                    if code != 0:
                        await self._runtime.stop()
        finally:
            leaving.cancel()
            if beside is not None:
                beside.cancel()
        if self._interrupts:
            return 130
        return code
