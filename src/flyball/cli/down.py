"""`flyball down`: drain and stop everything; keep the data."""

from __future__ import annotations

import asyncio
import signal
import time
from dataclasses import replace
from pathlib import Path

from flyball.core.errors import NotRunning
from flyball.core.model import Application
from flyball.local import face
from flyball.local.face import Process, Watch, free_port, processes
from flyball.local.paths import StateDirectory
from flyball.local.runtime.start import AlreadyRunning, start
from flyball.regions.ask import control_process
from flyball.regions.edge import Edge

from . import talk
from .client import Control
from .files import find_running, load
from .parts import regions_of
from .up import until_gone


def run(path: Path | None) -> int:
    """Stop the application as it is running, whatever its file says now.

    If its control plane is gone, or hangs, start one to stop it; if that cannot be, end what runs.
    """
    file = find_running(path)
    control = Control(file)
    try:
        if (hung := control.hung()) is not None:
            talk.say(f"the control plane (process {hung.pid}) does not answer: it is ended")
            _end(hung)
        process = processes.identify(control.get("application")["control"]["pid"])
    except NotRunning:
        regions = [control.paths.of_region(name) for name in regions_of(file)]
        if not any(face.any_alive(paths) or face.left(paths) for paths in (control.paths, *regions)):
            for paths in (control.paths, *regions):
                face.clear(paths)
            raise
        return _stop_without_control_plane(file, control.paths, regions)
    control.post("down")
    until_gone(control, process)
    talk.say("stopped; the data is kept")
    return 0


def _end(process: Process) -> None:
    watch = Watch(process)
    watch.signal(signal.SIGKILL)
    while not watch.exited:
        time.sleep(0.02)
    watch.close()


def _stop_without_control_plane(file: Path, paths: StateDirectory, regions: list[StateDirectory]) -> int:
    try:
        if regions:
            return asyncio.run(_edge_taken_over_and_stopped(file, regions))
        app = without_files(face.application(paths) or load(file))
        # A dead balancer is started again to drain; another program may have taken its old port.
        port = None if face.balancer_alive(paths) else free_port()
        return asyncio.run(_taken_over_and_stopped(app, file, port))
    except AlreadyRunning:
        raise
    except Exception as error:  # noqa: BLE001 - whatever is damaged, what runs must end
        talk.say(f"it cannot be drained, so it is ended at once: {error}", "yellow")
        for each in (*regions, paths):
            if (control := control_process(each)) is not None:
                _end(control)  # it would start again what has been ended
            asyncio.run(face.end_all(each))
        talk.say("stopped; the data is kept")
        return 0


async def _edge_taken_over_and_stopped(file: Path, regions: list[StateDirectory]) -> int:
    known = next((app for app in map(face.application, regions) if app is not None), None)
    app = load(file) if known is None else replace(known, region=None)
    app = without_files(replace(app, listener=replace(app.listener, tls=None)))
    port = None if face.balancer_alive(Control(file).paths) else free_port()
    edge = await Edge.start(app, file=file, port=port)
    await edge.stop()
    await edge.leave()
    talk.say("stopped; the data is kept")
    return 0


def without_files(app: Application) -> Application:
    """With the firewall's own words only: a set of rules that is gone from the disk must keep nothing running."""
    return replace(app, listener=replace(app.listener, firewall=replace(app.listener.firewall, core_rules=None)))


async def _taken_over_and_stopped(app: Application, file: Path, port: int | None) -> int:
    runtime = await start(app, file=file, port=port)
    work = asyncio.ensure_future(runtime.run())
    await runtime.stop()
    await work
    await runtime.finish()
    talk.say("stopped; the data is kept")
    return 0
