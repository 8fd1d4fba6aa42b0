"""`flyball down`: drain and stop everything; the data stays."""

from __future__ import annotations

import asyncio
from pathlib import Path

from flyball.core.errors import NotRunning
from flyball.local import processes
from flyball.local.paths import StateDirectory
from flyball.local.ports import free_port
from flyball.local.runtime import Runtime

from . import talk
from .client import Control
from .files import find_file, load
from .up import until_gone


def run(path: Path | None) -> int:
    """Stop the application. When its control plane is gone, one is started for the purpose."""
    file = find_file(path)
    control = Control(file)
    try:
        process = processes.identify(control.get("application")["control"]["pid"])
    except NotRunning:
        if not _anything_runs(control.paths):
            raise
        return _stop_leftovers(file)
    control.post("down")
    until_gone(control, process)
    talk.say("stopped; the data is kept")
    return 0


def _anything_runs(paths: StateDirectory) -> bool:
    loaded = [processes.load(path) for path in paths.processes.glob("*.json")] if paths.processes.exists() else []
    return any(one is not None and processes.alive(one[0]) for one in loaded)


def _stop_leftovers(file: Path) -> int:
    app = load(file)
    balancer = processes.load(StateDirectory(file.parent / ".flyball").processes / "balancer.json")
    # A balancer that is gone is started once more to drain; its old port may be somebody else's by now.
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
