"""`flyball down`: drain and stop everything; keep the data."""

from __future__ import annotations

import asyncio
from pathlib import Path

from flyball.core.errors import NotRunning
from flyball.local.paths import StateDirectory
from flyball.local.process import processes
from flyball.local.process.ports import free_port
from flyball.local.runtime import Runtime

from . import talk
from .client import Control
from .files import anything_running, find_running, last_known, load
from .up import until_gone


def run(path: Path | None) -> int:
    """Stop the application as it is running, whatever its file says now.

    If its control plane is gone, start one to stop it.
    """
    file = find_running(path)
    control = Control(file)
    try:
        process = processes.identify(control.get("application")["control"]["pid"])
    except NotRunning:
        if not anything_running(control.paths):
            raise
        return _stop_without_control_plane(file, control.paths)
    control.post("down")
    until_gone(control, process)
    talk.say("stopped; the data is kept")
    return 0


def _stop_without_control_plane(file: Path, paths: StateDirectory) -> int:
    app = last_known(paths) or load(file)
    balancer = processes.load(paths.processes / "balancer.json")
    # A dead balancer is started again to drain; another program may have taken its old port.
    port = None if balancer is not None and processes.alive(balancer[0]) else free_port()
    return asyncio.run(_taken_over_and_stopped(Runtime(app, file=file, port=port)))


async def _taken_over_and_stopped(runtime: Runtime) -> int:
    await runtime.start()
    work = asyncio.ensure_future(runtime.run())
    await runtime.stop()
    await work
    await runtime.finish()
    talk.say("stopped; the data is kept")
    return 0
