"""One push on its way through the stages: source, build, test, release, rollout. A failing stage ends it.

Until the release stage nothing has changed for users. A push whose control plane died goes on where it was when it had
made its releases, else from the beginning.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from zoneinfo import available_timezones

from flyball.core.control.observation import Deploy, Intent, ReleaseSpec
from flyball.core.control.reasons import Event, Reason, ReasonKind
from flyball.core.control.state import State
from flyball.core.control.verdicts import Awaited, current, heard
from flyball.core.errors import Failed, FlyballError
from flyball.core.manifest import parse
from flyball.core.model import Application, Service
from flyball.core.plan import changes, must_be_possible
from flyball.local.paths import StateDirectory
from flyball.local.process import logs
from flyball.local.process.walls.walls import Walls
from flyball.local.releases import builds

from . import git, git_remote, testing
from .records import Records, Run, Stage, Status

LAST_LINES = 15
LOOK_EVERY_S = 1.0  # whether the file still has what is waited for
_SHOWN = frozenset(
    {
        ReasonKind.FAILED,
        ReasonKind.IN_SERVICE,
        ReasonKind.REFUSED,
        ReasonKind.ROLLOUT_STARTED,
        ReasonKind.ROLLOUT_PROGRESS,
        ReasonKind.ROLLOUT_FAILED,
        ReasonKind.ROLLED_BACK,
        ReasonKind.ROLLBACK_FAILED,
    }
)


class Deploys(Protocol):
    """What a push needs to become a release."""

    async def spec(self, service: Service, source: Path) -> ReleaseSpec:
        """Keep the source and say what a release of it would be."""

    async def change(self, app: Application, *, pushed: bool = False) -> None:
        """Go on with a changed file."""


class Plane(Protocol):
    """What the pipeline needs of the control plane."""

    paths: StateDirectory
    walls: Walls | None
    file: Path
    listeners: set[Callable[[Event], None]]

    @property
    def app(self) -> Application:
        """The application as its file has it now."""

    @property
    def state(self) -> State:
        """What the loop remembers now."""

    @property
    def inside_url(self) -> str:
        """Address of the application for its own services."""

    def now(self) -> float:
        """Seconds since the epoch."""

    @property
    def deploys(self) -> Deploys:
        """What changes the file and keeps sources."""

    async def submit(self, intent: Intent) -> list[Event]:
        """Give an intent to the loop."""

    def told(self, since: float) -> list[Event]:
        """The events since then, from the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pushed:
    """What the source stage found: the file, and the release that each changed service would get."""

    app: Application
    changed: Mapping[str, ReleaseSpec]


class Stages:
    """Takes one run through its stages. Nothing else writes to its record."""

    def __init__(self, plane: Plane, records: Records, run: Run) -> None:
        self._plane = plane
        self._records = records
        self._run = run
        self._scratch = plane.paths.root / "pipeline"

    async def go(self) -> None:
        """Take the push through all stages; how it ended stands in its record."""
        run = self._run
        try:
            if not run.releases:
                run.stages, run.lines = [], run.lines and ["the control plane ended; from the beginning"]
                await self._to_releases()
            await self._rollout()
        except (FlyballError, OSError) as error:
            run.status, run.message = Status.FAILED, str(error)
            where = run.stages[-1].name if run.stages else "source"
            last = f"pipeline {run.number} FAILED at {where} after {self._took():.1f} s; the running release stays"
        else:
            run.status = Status.SUCCEEDED
            last = f"pipeline {run.number} succeeded after {self._took():.1f} s"
        finally:
            await asyncio.to_thread(testing.clear, self._scratch)
        run.ended_at = self._plane.now()
        self._say(last)

    async def _to_releases(self) -> None:
        await asyncio.to_thread(testing.clear, self._scratch)
        self._scratch.mkdir(mode=0o700)
        pushed = await self._source()
        await self._build(pushed)
        await self._test(pushed)
        await self._release(pushed)

    # Stages

    async def _source(self) -> _Pushed:
        async with self._stage("source") as stage:
            run, repository, tree = self._run, self._plane.paths.git, self._scratch / "tree"
            commit = await asyncio.to_thread(git.commit, repository, run.commit)
            run.author, run.subject = commit.author, commit.subject
            stage.message = f"{commit.short} {commit.subject} ({commit.author})"
            tree.mkdir()
            await asyncio.to_thread(git.export, repository, run.commit, tree)
            home = tree / await asyncio.to_thread(git_remote.prefix, repository)
            app = self._parse(home / self._plane.file.name, tree)
            changed = {}
            for service in app.services:
                spec = await self._plane.deploys.spec(service, _inside(tree, home / service.source, service.name))
                serving = current(self._plane.state, service.name)
                if serving is None or serving.spec != spec:
                    changed[service.name] = spec
            return _Pushed(app=app, changed=changed)

    def _parse(self, file: Path, tree: Path) -> Application:
        name = str(file.relative_to(tree))
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise Failed(f"the commit has no {name}") from error
        except UnicodeDecodeError as error:
            raise Failed(f"{name} is not UTF-8 text") from error
        app = parse(text, filename=name, timezones=available_timezones())
        must_be_possible(self._plane.app, app)
        return app

    async def _build(self, pushed: _Pushed) -> None:
        with_log = any(spec.build for spec in pushed.changed.values())
        async with self._stage("build", skip=not pushed.changed, with_log=with_log) as stage:
            for name, spec in pushed.changed.items():
                result = await builds.build(
                    spec.content,
                    spec.build,
                    releases=self._plane.paths.releases,
                    environment=dict(spec.environment),
                    log=self._log("build"),
                    make_room=None if self._plane.walls is None else self._plane.walls.make_room,
                )
                if not result.succeeded:
                    raise Failed(f"{name}: {result.message}")
            stage.message = ", ".join(pushed.changed)

    async def _test(self, pushed: _Pushed) -> None:
        tested = [name for name in pushed.changed if pushed.app.service(name).test]
        async with self._stage("test", skip=not tested, with_log=True) as stage:
            for name in tested:
                message = await testing.test(
                    pushed.app.service(name),
                    pushed.changed[name],
                    app=pushed.app,
                    paths=self._plane.paths,
                    scratch=self._scratch / name,
                    url=self._plane.inside_url,
                    log=self._log("test"),
                    walls=self._plane.walls,
                )
                if message:
                    raise Failed(message)
            stage.message = ", ".join(tested)

    async def _release(self, pushed: _Pushed) -> None:
        changed = changes(self._plane.app, pushed.app)
        async with self._stage("release", skip=not (pushed.changed or changed)) as stage:
            await self._plane.deploys.change(pushed.app, pushed=True)
            note = f"push {self._run.commit[:7]} by {self._run.author}"
            for name, spec in pushed.changed.items():
                events = await self._plane.submit(Deploy(service=name, spec=spec, note=note))
                self._run.releases[name] = _number(events)
            made = [f"{name} {number}" for name, number in self._run.releases.items()]
            stage.message = ", ".join([*made, *(one.text for one in changed)])

    async def _rollout(self) -> None:
        wanted = self._run.releases
        async with self._stage("rollout", skip=not wanted) as stage:
            for name, ended in (await self._settled(wanted)).items():
                if ended.verdict:
                    stage.log = ended.failing
                    raise Failed(f"{name}: {ended.verdict}")
            stage.message = ", ".join(f"{name} {number}" for name, number in wanted.items())

    async def _settled(self, wanted: Mapping[str, int]) -> dict[str, Awaited]:
        """Hear what becomes of each release, from the journal and as it happens, until all is said."""
        awaited, news = {name: Awaited(release=number) for name, number in wanted.items()}, asyncio.Event()

        def hear(why: Reason) -> None:
            if why.service in awaited:
                awaited[why.service] = heard(awaited[why.service], why)
                news.set()

        def listener(event: Event) -> None:
            if event.reason.service in awaited and event.reason.kind in _SHOWN:
                self._say(f"    {event.reason.service}: {event.reason.text}")
            hear(event.reason)

        self._plane.listeners.add(listener)
        try:
            for event in self._plane.told(self._run.started_at):
                hear(event.reason)
            while any(one.verdict is None for one in awaited.values()):
                news.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY_S):
                        await news.wait()
                for name in awaited.keys() - {service.name for service in self._plane.app.services}:
                    awaited[name] = replace(awaited[name], verdict="the file no longer has it")
        finally:
            self._plane.listeners.discard(listener)
        return awaited

    # Telling

    @contextlib.asynccontextmanager
    async def _stage(self, name: str, *, skip: bool = False, with_log: bool = False) -> AsyncIterator[Stage]:
        stage = Stage(name=name, started_at=self._plane.now(), log=self._log(name).stem if with_log else None)
        self._run.stages = [one for one in self._run.stages if one.name != name] + [stage]
        self._records.save(self._run)
        try:
            yield stage
        except (FlyballError, OSError) as error:
            self._end(stage, Status.FAILED, str(error))
            if stage.log is not None:
                for line in logs.tail(self._plane.paths.logs / f"{stage.log}.log", LAST_LINES):
                    self._say(f"    {line}")
            raise
        self._end(stage, Status.SKIPPED if skip else Status.SUCCEEDED, "nothing to do" if skip else stage.message)

    def _end(self, stage: Stage, status: Status, message: str) -> None:
        stage.ended_at, stage.status, stage.message = self._plane.now(), status, message
        word = {Status.FAILED: "FAILED", Status.SKIPPED: "skipped"}.get(status, "ok")
        took = "" if status is Status.SKIPPED else f"{stage.ended_at - stage.started_at:.1f} s"
        first, *rest = message.split("\n")
        self._say(f"{stage.name:<9}{word:<8}{took:>7}  {first}", *(f"    {line}" for line in rest))

    def _say(self, *lines: str) -> None:
        self._run.lines.extend(lines)
        self._records.save(self._run)

    def _log(self, stage: str) -> Path:
        return self._plane.paths.logs / f"pipeline-{self._run.number}-{stage}.log"

    def _took(self) -> float:
        return self._plane.now() - self._run.started_at


def _number(events: list[Event]) -> int:
    for event in events:
        if event.reason.kind is ReasonKind.REFUSED:
            raise Failed(event.reason.text)
        if event.reason.kind is ReasonKind.RELEASE_CREATED and event.reason.release is not None:
            return event.reason.release
    raise Failed("the control plane is ending")


def _inside(tree: Path, source: Path, service: str) -> Path:
    found = source.resolve()
    if not found.is_relative_to(tree.resolve()):
        raise Failed(f"the source of {service} lies outside the repository")
    return found
