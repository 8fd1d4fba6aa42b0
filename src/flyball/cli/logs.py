"""`flyball logs`: the output of instances, each line with the instance's name."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from flyball.core.errors import FileError, NotRunning
from flyball.local import face
from flyball.local.face import logs
from flyball.local.paths import StateDirectory

from . import talk
from .files import find_running

# An instance's log is SERVICE-NUMBER.log; builds (SERVICE-RELEASE), stores and the balancer write logs beside them.
INSTANCE = re.compile(r"(?!(build|pipeline)-.+-\d+$).+-\d+")
LOOK_FOR_NEW_S = 0.5


def run(path: Path | None, *, service: str | None, follow: bool, lines: int, json: bool) -> int:
    """Print the last lines of every instance's log; with `follow`, keep printing, also for instances that start later.

    Past output can be read when nothing is running; following ends when nothing is running any more.
    """
    paths = StateDirectory(find_running(path).parent / ".flyball")
    if not paths.logs.exists():
        raise NotRunning
    found = of_instances(paths.logs, service)
    if service is not None and not found:
        raise FileError(f"there is no log of a service or instance {service!r}")
    asyncio.run(_tell(paths, found, service, follow=follow, lines=lines, json=json))
    return 0


async def _tell(
    paths: StateDirectory, found: list[Path], service: str | None, *, follow: bool, lines: int, json: bool
) -> None:
    offsets = {}
    for log in found:
        offsets[log] = log.stat().st_size
        for line in logs.tail(log, lines):
            _print(log.stem, line, json=json)
    if not follow:
        return
    if not face.any_alive(paths):
        raise NotRunning
    await _follow_all(paths, service, offsets, json=json)


def of_instances(directory: Path, service: str | None) -> list[Path]:
    """The logs of all instances, or of one service or instance, ordered by number."""
    found = [log for log in directory.glob("*.log") if INSTANCE.fullmatch(log.stem)]
    mine = [log for log in found if service is None or service in {log.stem, log.stem.rpartition("-")[0]}]
    return sorted(mine, key=lambda log: (log.stem.rpartition("-")[0], int(log.stem.rpartition("-")[2])))


async def _follow_all(paths: StateDirectory, service: str | None, offsets: dict[Path, int], *, json: bool) -> None:
    followed: dict[Path, asyncio.Task[None]] = {}
    alive = True
    while alive:
        alive = face.any_alive(paths)
        for log in of_instances(paths.logs, service):
            if log not in followed:
                followed[log] = asyncio.ensure_future(_follow(log, offsets.get(log, 0), json=json))
        await asyncio.sleep(LOOK_FOR_NEW_S)
        for task in followed.values():
            if task.done():
                task.result()  # following never ends by itself: the reader of stdout is gone


async def _follow(log: Path, offset: int, *, json: bool) -> None:
    async for _, line in logs.follow(log, offset):
        _print(log.stem, line, json=json)


def _print(instance: str, line: str, *, json: bool) -> None:
    if json:
        talk.emit({"instance": instance, "line": line})
    else:
        talk.console(sys.stdout).print(talk.log_line(instance, line))
