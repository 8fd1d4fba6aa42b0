"""`flyball down`: drain and stop everything; keep the data."""

from __future__ import annotations

import asyncio
from pathlib import Path

from flyball.core.errors import NotRunning
from flyball.core.model import Application
from flyball.local import face
from flyball.local.face import free_port, processes
from flyball.local.paths import StateDirectory
from flyball.local.start import start

from . import talk
from .client import Control
from .files import find_running, load
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
        if not face.any_alive(control.paths):
            face.clear(control.paths)
            raise NotRunning(f"nothing of the application in {file.parent} is running") from None
        return _stop_without_control_plane(file, control.paths)
    control.post("down")
    until_gone(control, process)
    talk.say("stopped; the data is kept")
    return 0


def _stop_without_control_plane(file: Path, paths: StateDirectory) -> int:
    app = face.application(paths) or load(file)
    # A dead balancer is started again to drain; another program may have taken its old port.
    port = None if face.balancer_alive(paths) else free_port()
    return asyncio.run(_taken_over_and_stopped(app, file, port))


async def _taken_over_and_stopped(app: Application, file: Path, port: int | None) -> int:
    runtime = await start(app, file=file, port=port)
    work = asyncio.ensure_future(runtime.run())
    await runtime.stop()
    await work
    await runtime.finish()
    talk.say("stopped; the data is kept")
    return 0
