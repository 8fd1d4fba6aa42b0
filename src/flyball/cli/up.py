"""`flyball up`: start an application, or take over one whose control plane is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import sys
import time
from pathlib import Path

from flyball.core.control.reasons import Event, Reason, ReasonKind
from flyball.core.control.state import Lifecycle, ReleaseStatus
from flyball.core.control.verdicts import Awaited, heard
from flyball.core.errors import Failed, FileError, FlyballError, NotRunning
from flyball.core.model import Application
from flyball.core.view import as_json
from flyball.local import face
from flyball.local.control_api import Control as ControlFile
from flyball.local.face import logs, processes
from flyball.local.paths import StateDirectory
from flyball.local.runtime.runtime import Runtime
from flyball.local.runtime.start import start

from . import control_log, edge, talk
from .check import not_here
from .client import Control
from .files import find_file, load
from .parts import regions_of
from .serving import serve
from .waiting import GONE, Outcome, outcome, until_settled

CONTROL_STARTS_S = 90.0  # longer than the balancer and a large store need; an early exit is noticed at once
LAST_WORDS_S = 2.0


def run(path: Path | None, *, detach: bool, port: int | None, regions: tuple[str, ...] = ()) -> int:
    """Bring the application up: in the foreground until Ctrl-C, with `detach` until every service is up.

    `regions`: only these, of an application that has some.
    """
    if port is not None and not 1 <= port <= 65535:
        raise FileError(f"--port must be 1 to 65535, found {port}")
    file = find_file(path)
    app = load(file)
    if app.regions or regions_of(file) or regions:
        edge.must_start(app, file, regions)
    else:
        face.must_be_startable(app, home=file.parent, paths=StateDirectory(file.parent / ".flyball"))
    for line in not_here(app):
        talk.say(f"not honoured here: {line}", "yellow")
    if not detach:
        control_log.prepare()
    if detach:
        return _detached(app, file, port, regions)
    return asyncio.run(edge.foreground(app, file, port, regions) if app.regions else _foreground(app, file, port))


def control(file: Path, port: int | None, region: str | None = None, regions: tuple[str, ...] = ()) -> int:
    """Run the control plane behind `up -d`, or that of one region: without a terminal, decisions go to its log."""
    control_log.prepare()
    app = load(file) if region is None else edge.of_region(file, region)
    if app.regions and region is None:
        return edge.run_control(app, file, port, regions)

    async def served() -> int:
        return await serve(
            await start(app, file=file, port=port),
            on_event=lambda event: talk.console(sys.stdout).print(talk.decision(as_json.event(event))),
            on_started=lambda _runtime, _control: None,
            interrupt_stops=False,
        )

    return asyncio.run(served())


# In the foreground


async def _foreground(app: Application, file: Path, port: int | None) -> int:
    runtime = await start(app, file=file, port=port)
    screen = _Screen(runtime)
    try:
        return await serve(
            runtime,
            on_event=screen.on_event,
            on_started=screen.on_started,
            interrupt_stops=True,
            watcher=screen.watch,
        )
    finally:
        screen.goodbye()


class _Screen:
    """What `up` shows: where it listens, one line per decision, and each instance's output with its name."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._console = talk.console(sys.stdout)
        self._followed: dict[str, asyncio.Task[None]] = {}
        self._greeted = False
        self._awaited: dict[str, Awaited] = {}
        self._failed = asyncio.Event()
        self._outcome: Outcome | None = None

    def on_started(self, runtime: Runtime, control: ControlFile) -> None:
        """Say what was started."""
        self._greeted = True
        services = ", ".join(one.name for one in runtime.app.services)
        talk.say(f"{runtime.app.name}: {services}", "bold")
        talk.say(f"  {'listening on':<14} {runtime.url}", "bold green")
        talk.say(f"  {'dashboard':<14} {control['dashboard']}")
        talk.say(f"  {'limits':<14} {runtime.limits.describe()}")
        talk.say(f"  {'boundary':<14} {runtime.boundary}")
        if (push := runtime.deploys.remote) is not None:
            talk.say(f"  {'deploy by':<14} {pushing(push.name or push.url, push.branch, push.note)}")
        if runtime.taken_over:
            talk.say(f"  {'taken over':<14} {', '.join(runtime.taken_over)}")
        talk.say("  Ctrl-C stops everything", "dim")
        for instance in runtime.taken_over:
            self._follow(instance, from_end=True)

    def on_event(self, event: Event) -> None:
        """Print one decision as one line."""
        why = event.reason
        self._console.print(talk.decision(as_json.event(event)))
        if why.kind is ReasonKind.LAUNCHED and why.instance is not None:
            self._follow(why.instance, from_end=False)
        build = f"build-{why.service}-{why.release}"
        if why.kind is ReasonKind.RELEASE_CREATED:
            self._follow(build, from_end=False)
        if why.kind in {ReasonKind.BUILD_COMPLETED, ReasonKind.BUILD_FAILED} and build in self._followed:
            asyncio.get_running_loop().call_later(LAST_WORDS_S, self._unfollow, build)
        if why.kind in {ReasonKind.FAILED, ReasonKind.TERMINATED} and why.instance is not None:
            # Its last lines are read by then; following it would never end.
            asyncio.get_running_loop().call_later(LAST_WORDS_S, self._unfollow, why.instance)
        self._judge(why)

    def _judge(self, why: Reason) -> None:
        awaited = heard(self._awaited.get(why.service, Awaited(release=None)), why)
        self._awaited[why.service] = awaited
        if awaited.verdict is None or self._outcome is not None:
            return
        if self._has_served(why.service):
            del self._awaited[why.service]  # what comes next is another story
        else:
            self._outcome = outcome([awaited], self._runtime.paths)
            self._failed.set()

    def _has_served(self, service: str) -> bool:
        """Whether the service serves or has a release to go back to; then a failed deploy does not end `up`."""
        state = self._runtime.state
        known = next((one.releases for one in state.services if one.name == service), ())
        return any(one.status is ReleaseStatus.COMPLETED for one in known) or any(
            one.service == service and one.lifecycle is Lifecycle.IN_SERVICE for one in state.instances
        )

    async def watch(self, _: Runtime) -> int:
        """Stop everything, with exit code 1, once a service can never come up."""
        await self._failed.wait()
        assert self._outcome is not None
        explain(self._runtime.app.name, self._outcome)
        return 1

    def _follow(self, instance: str, *, from_end: bool) -> None:
        """Print what an instance says, or a build such as "build-web-1"; both are names of logs."""
        if instance not in self._followed:
            self._followed[instance] = asyncio.ensure_future(self._print(instance, from_end=from_end))

    def _unfollow(self, instance: str) -> None:
        if instance in self._followed and instance not in self._runtime.instances.running:
            self._followed[instance].cancel()

    async def _print(self, instance: str, *, from_end: bool) -> None:
        path = self._runtime.paths.logs / f"{instance}.log"
        while not path.exists():
            await asyncio.sleep(0.1)
        offset = path.stat().st_size if from_end else 0
        async for _, line in logs.follow(path, offset):
            self._console.print(talk.log_line(instance, line))

    def goodbye(self) -> None:
        """Say what is still running, if anything."""
        if self._greeted and self._runtime.state.instances:
            talk.say("the control plane has stopped; instances and balancer keep running. `flyball up` takes them over")
        elif self._greeted:
            talk.say(f"{self._runtime.app.name} has stopped; its data stays in {self._runtime.paths.stores}")


# Detached


def _detached(app: Application, file: Path, port: int | None, regions: tuple[str, ...]) -> int:
    control_plane = Control(file)
    if control_plane.running():
        raise Failed(
            f"{app.name} is already running here; change it with `flyball deploy`, stop it with `flyball down`"
        )
    paths = StateDirectory(file.parent / ".flyball")
    paths.create()
    fresh = not face.instances_alive(paths)
    log = paths.logs / "control.log"
    beginning = log.stat().st_size if log.exists() else 0
    last = face.last_event(paths)
    lasts = edge.newest(app, paths)
    process = asyncio.run(_spawn(file, port, log, regions))
    if app.regions:
        return edge.until_up(app, file, process, log, beginning, after=lasts)
    _until_answering(control_plane, process, log, beginning)
    ended = until_settled(
        control_plane.stream(after=last),
        control_plane.application,
        paths,
        services={one.name: None for one in app.services},
        on_event=lambda event: talk.console(sys.stderr).print(talk.decision(event)),
    )
    if ended.failure is None:
        described = control_plane.application()
        talk.say(f"{app.name} serves on {described['url']}", "bold green")
        talk.say(f"dashboard {described['dashboard']}")
        talk.say(f"boundary {described['boundary']}")
        if described["push"] is not None:
            push = described["push"]
            talk.say(f"deploy by {pushing(push['name'] or push['url'], push['branch'], push['note'])}")
        return 0
    if ended.failure == GONE:
        until_gone(control_plane, process)
        raise Failed(f"{app.name}: {ended.failure}: {_words(log, beginning).rpartition(chr(10))[2]}")
    explain(app.name, ended)
    if fresh:
        with contextlib.suppress(FlyballError):
            control_plane.post("down")
            until_gone(control_plane, process)
    return 1


async def _spawn(file: Path, port: int | None, log: Path, regions: tuple[str, ...]) -> processes.Process:
    argv = [sys.executable, "-m", "flyball", "control-plane", str(file)]
    if port is not None:
        argv += ["--port", str(port)]
    for name in regions:
        argv += ["--only", name]
    return await processes.spawn(argv, environment=dict(os.environ), directory=file.parent, log=log)


def _until_answering(control_plane: Control, process: processes.Process, log: Path, beginning: int) -> None:
    """Wait for the control plane. Raises `Failed` with its own output if it exits instead."""
    deadline = time.monotonic() + CONTROL_STARTS_S
    while time.monotonic() < deadline:
        with contextlib.suppress(NotRunning):  # another `up` may have been quicker: its answer does not count
            if control_plane.get("application")["control"]["pid"] == process.pid:
                return
        if not processes.alive(process):
            raise Failed(_words(log, beginning) or "the control plane exited at once and printed nothing")
        time.sleep(0.02)
    raise Failed(f"the control plane did not answer within {CONTROL_STARTS_S:g} s; see its log, {log}")


def _words(log: Path, beginning: int) -> str:
    with log.open("rb") as file:
        file.seek(beginning)
        return file.read().decode(errors="replace").replace("\0", "").strip()


def pushing(remote: str, branch: str, note: str) -> str:
    """The command that pushes, with a note if there is one."""
    command = f"git push {shlex.quote(remote)} {branch}"
    return f"{command} ({note})" if note else command


def explain(name: str, outcome: Outcome) -> None:
    """Say why it did not come up, with the last lines of what failed."""
    talk.say(f"{name}: {outcome.failure}", "bold red")
    for line in outcome.lines:
        talk.say(f"    {line}", "dim")


def until_gone(control_plane: Control, process: processes.Process | None = None) -> None:
    """Wait until the control plane has ended."""
    while control_plane.running() or (process is not None and processes.alive(process)):
        time.sleep(0.05)
