"""`flyball logs`: the output of all instances as one, by time, each line with the instance's name."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from heapq import merge
from pathlib import Path

from flyball.core.errors import FileError, NotRunning
from flyball.local import face
from flyball.local.face import logs, times
from flyball.local.paths import NAME as STATE
from flyball.local.paths import StateDirectory

from . import lines, talk
from .files import find_running
from .parts import parts

# An instance's log is SERVICE-NUMBER.log; builds (SERVICE-RELEASE), stores and the balancer write logs beside them.
INSTANCE = re.compile(r"(?!(build|pipeline)-.+-\d+$).+-\d+")
LOOK_FOR_NEW_S = 0.5
MOST_LINES = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lines: of one service or instance or of all, at most `newest` of each instance, since then, that match."""

    service: str | None
    newest: int | None
    since: float
    grep: re.Pattern[str] | None

    def matches(self, line: lines.Line) -> bool:
        """Whether it is one of them."""
        return line.at >= self.since and (self.grep is None or self.grep.search(line.text) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How lines are printed."""

    json: bool
    times: bool

    def tell(self, line: lines.Line) -> None:
        """Print one line."""
        if self.json:
            talk.emit(line.as_json(timed=self.times))
        else:
            at = line.at if self.times else None
            talk.console(sys.stdout).print(talk.log_line(line.source, line.shown(), at))


def run(path: Path | None, wanted: Wanted, form: Form, *, follow: bool, region: str | None = None) -> int:
    """Print the lines of every instance's log; with `follow`, keep printing, also for instances that start later.

    Past output can be read when nothing is running; following ends when nothing is running any more.
    """
    places = [control.paths for control in parts(find_running(path), region)]
    if not any(paths.logs.exists() for paths in places):
        raise NotRunning
    found = [log for paths in places for log in of_instances(paths.logs, wanted.service)]
    if wanted.service is not None and not found:
        raise FileError(f"there is no log of a service or instance {wanted.service!r}")
    asyncio.run(_tell(places, found, wanted, form, follow=follow))
    return 0


def asked(service: str | None, newest: int | None, since_s: float | None, grep: str | None) -> Wanted:
    """What the command line asks for. Without a number, 100 lines, or all where something else limits them."""
    try:
        pattern = None if grep is None else re.compile(grep)
    except re.error as wrong:
        raise FileError(f"--grep {grep!r} is not a regular expression: {wrong}") from None
    limited = newest if newest is not None or since_s is not None or grep is not None else 100
    since = 0.0 if since_s is None else time.time() - since_s
    return Wanted(service=service, newest=limited, since=since, grep=pattern)


async def _tell(places: list[StateDirectory], found: list[Path], wanted: Wanted, form: Form, *, follow: bool) -> None:
    offsets = {log: log.stat().st_size for log in found}
    for line in merge(*(past(log, wanted) for log in found), key=lambda line: line.at):
        form.tell(line)
    if not follow:
        return
    if not any(map(face.any_alive, places)):
        raise NotRunning
    await _follow_all(places, wanted, form, offsets)


def past(log: Path, wanted: Wanted) -> list[lines.Line]:
    """The wanted lines of one log, in their order; no line is older than the one before it."""
    plain = wanted.newest is not None and wanted.grep is None
    ended = logs.tail_with_ends(log, (wanted.newest or 0) if plain else MOST_LINES)
    found = [line for line in _dated(log, ended) if wanted.matches(line)]
    return found if wanted.newest is None else found[max(len(found) - wanted.newest, 0) :]


def _dated(log: Path, ended: list[tuple[int, str]]) -> Iterator[lines.Line]:
    known, latest = times.Times(log), 0.0
    for end, text in ended:
        line = lines.read(log.stem, text, known.at(end))
        latest = max(latest, line.at)
        yield replace(line, at=latest, region=_region_of(log))


def _region_of(log: Path) -> str | None:
    """The region whose log this is; None without regions."""
    place = log.parent.parent
    return place.name if place.parent.name == "regions" and place.parent.parent.name == STATE else None


def of_instances(directory: Path, service: str | None) -> list[Path]:
    """The logs of all instances, or of one service or instance, ordered by number."""
    found = [log for log in directory.glob("*.log") if INSTANCE.fullmatch(log.stem)]
    mine = [log for log in found if service is None or service in {log.stem, log.stem.rpartition("-")[0]}]
    return sorted(mine, key=lambda log: (log.stem.rpartition("-")[0], int(log.stem.rpartition("-")[2])))


async def _follow_all(places: list[StateDirectory], wanted: Wanted, form: Form, offsets: dict[Path, int]) -> None:
    followed: dict[Path, asyncio.Task[None]] = {}
    alive = True
    while alive:
        alive = any(map(face.any_alive, places))
        for log in [one for paths in places for one in of_instances(paths.logs, wanted.service)]:
            if log not in followed:
                followed[log] = asyncio.ensure_future(_follow(log, offsets.get(log, 0), wanted, form))
        await asyncio.sleep(LOOK_FOR_NEW_S)
        for task in followed.values():
            if task.done():
                task.result()  # following never ends by itself: the reader of stdout is gone


async def _follow(log: Path, offset: int, wanted: Wanted, form: Form) -> None:
    async for _, text in logs.follow(log, offset):
        line = replace(lines.read(log.stem, text, time.time()), region=_region_of(log))
        if wanted.matches(line):
            form.tell(line)
