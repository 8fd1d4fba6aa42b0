"""`flyball up` of an application with regions: the edge's control plane, which starts one for each region."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

from flyball.core.control.reasons import Event, ReasonKind
from flyball.core.errors import Failed, FileError, FlyballError, NotRunning
from flyball.core.model import Application
from flyball.core.model.edge import behind_edge
from flyball.core.view import as_json
from flyball.dashboard.regions import open_panel
from flyball.local import face
from flyball.local.control_api import Control as ControlFile
from flyball.local.face import logs, processes
from flyball.local.paths import StateDirectory
from flyball.regions import api, ask
from flyball.regions.edge import Edge
from flyball.regions.starting import must_be_startable

from . import talk
from .client import Control
from .events import placed
from .files import load
from .serving import answering
from .waiting import Outcome, until_settled

STARTS_S = 90.0
AGAIN_S = 0.5


def must_start(app: Application, file: Path, picked: tuple[str, ...]) -> None:
    """Raise FileError when the edge or one of the regions cannot start here."""
    paths = StateDirectory(file.parent / ".flyball")
    must_be_startable(app, paths, picked)
    if not paths.edge_file.exists():
        face.must_be_startable(app, home=file.parent, paths=paths)
    for name in app.region_names:
        face.must_be_startable(behind_edge(app, name), home=file.parent, paths=paths.of_region(name))


# The control plane


def of_region(file: Path, region: str) -> Application:
    """The application as it runs in one region. One that runs can be stopped also when the file has it no more."""
    try:
        return behind_edge(load(file), region)
    except (FileError, KeyError) as error:
        paths = StateDirectory(file.parent / ".flyball").of_region(region)
        known = face.application(paths) if face.any_alive(paths) else None
        if known is None:
            raise FileError(f"{file}: {error}") from error
        return known


async def serve(edge: Edge, file: Path, *, on_event: Callable[[Event], None], interrupt_stops: bool) -> int:
    """Run the edge's control plane until it is stopped, or told to leave everything running."""
    edge.listeners.add(on_event)
    leaving = asyncio.Event()
    interrupted = _on_signals(edge, leaving, interrupt_stops=interrupt_stops)
    work = asyncio.ensure_future(edge.run())
    waiting = asyncio.ensure_future(leaving.wait())
    try:
        async with _served(edge, file):
            await asyncio.wait({work, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (work, waiting):
            task.cancel()
        await asyncio.gather(work, waiting, return_exceptions=True)
        await edge.leave()
    return 130 if interrupted else 0


def _on_signals(edge: Edge, leaving: asyncio.Event, *, interrupt_stops: bool) -> list[int]:
    """Ctrl-C stops everything, the second one leaves at once; what it got is in the list."""
    seen: list[int] = []

    def interrupted() -> None:
        seen.append(signal.SIGINT)
        if not interrupt_stops or len(seen) > 1:
            leaving.set()
        else:
            edge.begin_to_stop()

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, interrupted)
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, leaving.set)
    return seen


@contextlib.asynccontextmanager
async def _served(edge: Edge, file: Path) -> AsyncIterator[None]:
    panel = open_panel(edge, lambda: load(file))
    edge.dashboard = panel.url
    control: ControlFile = {
        "pid": os.getpid(),
        "url": edge.url,
        "socket": str(edge.paths.sockets / "control.sock"),
        "dashboard": panel.url,
    }
    async with answering(api.create(edge, lambda: load(file)), panel, control, edge.paths, edge.closing):
        yield


def run_control(app: Application, file: Path, port: int | None, picked: tuple[str, ...]) -> int:
    """The edge's control plane behind `up -d`: decisions go to its log."""

    async def served() -> int:
        edge = await Edge.start(app, file=file, port=port, picked=picked)
        return await serve(edge, file, on_event=_print, interrupt_stops=False)

    return asyncio.run(served())


def _print(event: Event) -> None:
    talk.console(sys.stdout).print(talk.decision(as_json.event(event)))


# In the foreground


async def foreground(app: Application, file: Path, port: int | None, picked: tuple[str, ...]) -> int:
    """Until Ctrl-C: one line per decision, of the edge and of every region, and what instances say."""
    edge = await Edge.start(app, file=file, port=port, picked=picked)
    talk.say(f"{app.name}: {', '.join(edge.regions)}", "bold")
    talk.say(f"  {'listening on':<14} {edge.url}", "bold green")
    talk.say(f"  {'dashboard':<14} `flyball open --dashboard`")
    talk.say("  Ctrl-C stops everything", "dim")
    telling = [asyncio.ensure_future(_tell(name, region.paths)) for name, region in edge.regions.items()]
    try:
        return await serve(edge, file, on_event=_print, interrupt_stops=True)
    finally:
        for task in telling:
            task.cancel()
        await asyncio.gather(*telling, return_exceptions=True)


async def _tell(region: str, paths: StateDirectory) -> None:
    """Print what happens in a region, for as long as this task lives."""
    last = await asyncio.to_thread(face.last_event, paths)
    following: set[asyncio.Task[None]] = set()
    try:
        while True:
            async for event in ask.stream(paths, after=last):
                last = event["id"] or last
                talk.console(sys.stdout).print(talk.decision(placed(event, region)))
                if event["kind"] == ReasonKind.LAUNCHED:
                    following.add(asyncio.ensure_future(_follow(region, event["instance"], paths)))
            await asyncio.sleep(AGAIN_S)
    finally:
        for task in following:
            task.cancel()


async def _follow(region: str, instance: str, paths: StateDirectory) -> None:
    path = paths.logs / f"{instance}.log"
    while not path.exists():
        await asyncio.sleep(0.1)
    async for _, line in logs.follow(path, 0):
        talk.console(sys.stdout).print(talk.log_line(f"{region}/{instance}", line))


# Detached


def until_up(
    app: Application, file: Path, process: processes.Process, log: Path, beginning: int, *, after: Mapping[str, int]
) -> int:
    """Wait until every region serves; exit code 1 when one does not, which keeps no other from serving.

    `after`: the newest event of each region before that, and under "" of the edge.
    """
    edge = Control(file)
    _until_answering(edge, process, log, beginning)
    failed = {}
    names = [one["name"] for one in edge.get("application")["regions"]]
    for name in names:
        ended = _region_up(app, Control(file, name), edge, after)
        if ended.failure is not None:
            failed[name] = ended
    for name, ended in failed.items():
        _explain(name, ended)
    url = edge.get("application")["url"]
    serving = [name for name in names if name not in failed]
    if serving:
        talk.say(f"{app.name} serves on {url} from {', '.join(serving)}", "bold green")
    elif failed:
        edge.post("down")
        while edge.running() or processes.alive(process):
            time.sleep(0.05)
    return 1 if failed else 0


def until_added(app: Application, file: Path, name: str, *, after: Mapping[str, int]) -> int:
    """Wait until a region that is new in the file serves; exit code 1 when it does not. `after` as of `until_up`."""
    ended = _region_up(app, Control(file, name), Control(file), after)
    if ended.failure is None:
        return 0
    _explain(name, ended)
    return 1


def newest(app: Application, paths: StateDirectory) -> dict[str, int]:
    """The newest event of each region, and under "" of the edge."""
    return {"": face.last_event(paths), **{one: face.last_event(paths.of_region(one)) for one in app.region_names}}


def _explain(name: str, ended: Outcome) -> None:
    talk.say(f"{name}: {ended.failure}", "bold red")
    for line in ended.lines:
        talk.say(f"    {line}", "dim")


def _region_up(app: Application, region: Control, edge: Control, after: Mapping[str, int]) -> Outcome:
    deadline = time.monotonic() + STARTS_S
    while not region.running():
        told = [
            event for event in edge.events() if event["kind"] == ReasonKind.REGION_FAILED and event["id"] > after[""]
        ]
        mine = [event["reason"] for event in told if event["reason"].startswith(f"{region.region}:")]
        if mine:
            return Outcome(mine[-1].partition(": ")[2])
        if time.monotonic() > deadline:
            return Outcome(f"its control plane did not answer within {STARTS_S:g} s")
        time.sleep(0.1)
    try:
        return until_settled(
            region.stream(after=after.get(region.region or "", 0)),
            region.application,
            region.paths,
            services={one.name: None for one in app.services},
            on_event=lambda event: talk.console(sys.stderr).print(talk.decision(placed(event, region.region))),
        )
    except (NotRunning, FlyballError) as error:
        return Outcome(str(error))


def _until_answering(edge: Control, process: processes.Process, log: Path, beginning: int) -> None:
    deadline = time.monotonic() + STARTS_S
    while time.monotonic() < deadline:
        with contextlib.suppress(NotRunning):
            if edge.get("application")["control"]["pid"] == process.pid:
                return
        if not processes.alive(process):
            with log.open("rb") as file:
                file.seek(beginning)
                raise Failed(file.read().decode(errors="replace").strip() or "the edge's control plane exited at once")
        time.sleep(0.02)
    raise Failed(f"the edge's control plane did not answer within {STARTS_S:g} s; see its log, {log}")
