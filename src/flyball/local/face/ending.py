"""Ending everything that an application has on this machine, without a control plane and whatever its records say.

`flyball down` does this when it cannot be done in order: the file is broken too, or a newer version has written here.
Instances get SIGTERM and ten seconds; nobody drains. What is to be ended is found by its records and, where those are
lost, by what its environment or its directory tells.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

from flyball.local.envoy.handover import MARK as OUTSIDE
from flyball.local.envoy.judge.judging import MARK as JUDGE
from flyball.local.envoy.process import MARK
from flyball.local.paths import StateDirectory
from flyball.local.process import leftovers, processes
from flyball.local.process.processes import Process
from flyball.local.process.walls import walls
from flyball.local.process.watch import Watch
from flyball.local.stores import redis

STOP_TIMEOUT_S = 10.0


def left(paths: StateDirectory) -> list[Process]:
    """Every process of the application in `paths` that runs, each once, by pid."""
    recorded = (loaded[0] for path in paths.processes.glob("*.json") if (loaded := processes.load(path)) is not None)
    found = {one.pid: one for one in (*recorded, *_unrecorded(paths)) if processes.alive(one)}
    return [found[pid] for pid in sorted(found)]


def _unrecorded(paths: StateDirectory) -> Iterator[Process]:
    for mark in (MARK, OUTSIDE, JUDGE):
        yield from (one for one, _ in processes.carriers(mark, str(paths.root.resolve())))
    # Its name may be in a file that cannot be read; the rest of its id is of the directory alone.
    mine = paths.application_id("")
    for one, environment in processes.carriers("FLYBALL_APPLICATION_ID"):
        if environment["FLYBALL_APPLICATION_ID"].endswith(mine):
            yield one
    for directory in paths.stores.glob("*"):
        server = redis.unrecorded(directory.absolute())
        if server is not None:
            yield server


async def end_all(paths: StateDirectory) -> None:
    """End it all, politely first, and forget it. The data stays."""
    watches = [Watch(one) for one in left(paths)]
    try:
        for number in (signal.SIGTERM, signal.SIGCONT):  # the second for those that are stopped and would not hear it
            for watch in watches:
                watch.signal(number)
        waiting = asyncio.gather(*(watch.wait() for watch in watches))
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await waiting
        except TimeoutError:
            for watch in watches:
                watch.signal(signal.SIGKILL)
            await asyncio.gather(*(watch.wait() for watch in watches))
        for watch in watches:
            watch.signal_group(signal.SIGKILL)
    finally:
        for watch in watches:
            watch.close()
    for record in paths.processes.glob("*.json"):
        if not record.name.startswith("store-"):  # it keeps the port that the store had
            record.unlink(missing_ok=True)
    walls.clear(paths)
    leftovers.clear(paths.application_id(""), paths.limits_file)
    paths.remove_sockets()
