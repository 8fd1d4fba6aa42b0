"""What is deployed: the file and the source beside it, another directory, a push; and what of it would be new.

`flyball plan` shows that, `flyball deploy` and a push apply it. A pushed file is what runs until the one beside the
state directory is changed or deployed.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TypedDict
from zoneinfo import available_timezones

import structlog

from flyball.core.control import records
from flyball.core.control.observation import Deploy, ReleaseSpec, Rollback
from flyball.core.control.reasons import Event
from flyball.core.control.state import ReleaseStatus
from flyball.core.control.verdicts import current
from flyball.core.errors import Failed, FileError
from flyball.core.manifest import parse
from flyball.core.model import Application, Service
from flyball.core.model.edge import behind_edge
from flyball.core.plan import Change, Effect, changes, must_be_possible

from .apply import Applier
from .loop import Loop
from .paths import StateDirectory
from .pipeline import git_remote
from .record.journal import Journal
from .releases import source
from .releases.specs import Specs

log = structlog.get_logger()
ChangeJson = TypedDict("ChangeJson", {"path": str, "from": object, "to": object, "effect": Effect})


class ServicePlanJson(TypedDict):
    """What a deploy would mean for a service; `release` is the one that runs."""

    service: str
    release: int | None
    source_changed: bool
    new_release: bool


class PlanJson(TypedDict):
    """What `flyball plan --json` prints."""

    application: str
    changes: list[ChangeJson]
    services: list[ServicePlanJson]
    changed: bool


class FileJson(TypedDict):
    """What applying the file did: releases made, by service, and what else has changed, one line each."""

    changed: dict[str, int | None]
    applied: list[str]


class Deploys:
    """Deploys to one running application. `remote` is where to push, None where there is no git."""

    def __init__(
        self,
        file: Path,
        paths: StateDirectory,
        *,
        journal: Journal,
        loop: Loop,
        applier: Applier,
        remote: git_remote.Remote | None,
    ) -> None:
        self.remote = remote
        self.converged = asyncio.Event()  # what lay beside the file has been looked at once
        self._file = file
        self._paths = paths
        self._journal = journal
        self._loop = loop
        self._applier = applier
        self._specs = Specs(file.parent, paths.releases, journal, state=lambda: loop.state)

    async def converge(self, *, note: str = "up", anew: bool = False) -> dict[str, int | None]:
        """Ask for a release of every service that differs from what runs; the releases made, by service.

        Unless `anew`, what lies beside the file counts only when it has changed since it was last looked at: neither
        a push from elsewhere nor a rollback is undone by the next `up`. Until a release has served, each `up` tries.
        """
        made: dict[str, int | None] = {}
        for service in self._loop.app.services:
            spec = await self._specs.make(service)
            state = self._loop.state
            serving = current(state, service.name)
            known = next((one.releases for one in state.services if one.name == service.name), ())
            first = all(one.status in {ReleaseStatus.FAILED, ReleaseStatus.BUILD_FAILED} for one in known)
            looked_at = self._specs.looked_at(service.name, spec)
            if (serving is None or serving.spec != spec) and (first or anew or not looked_at):
                events = await self._loop.inbox.submit(Deploy(service=service.name, spec=spec, note=note))
                made[service.name] = next((one.reason.release for one in events if one.reason.release), None)
        self.converged.set()
        return made

    async def deploy(self, name: str, *, source: Path | None = None, note: str = "") -> list[Event]:
        """Make a release of a service from a directory (the file's own by default) and begin to roll it out."""
        spec = await self._specs.make(self._service(name), source)
        if source is None:
            self._specs.looked_at(name, spec)
        return await self._loop.inbox.submit(Deploy(service=name, spec=spec, note=note))

    async def rollback(self, name: str, release: int | None) -> list[Event]:
        """Begin to roll out an earlier release."""
        return await self._loop.inbox.submit(Rollback(service=self._service(name).name, release=release))

    def _service(self, name: str) -> Service:
        try:
            return self._loop.app.service(name)
        except KeyError as error:
            names = ", ".join(one.name for one in self._loop.app.services)
            raise Failed(f"there is no service {name!r}; there is: {names}") from error

    async def spec(self, service: Service, source: Path) -> ReleaseSpec:
        """Keep a copy of a source and say what a release of it would be."""
        return await self._specs.make(service, source)

    async def change(self, app: Application, *, pushed: bool = False) -> None:
        """Run a changed file (the one beside us, or a `pushed` one) from the next step on.

        Raises FileError for what cannot change while it runs.
        """
        before = self._loop.app
        must_be_possible(before, app)
        self._applier.must_be_usable(app)
        remember(self._journal, self._file, app if pushed else None)
        await self._applier.prepare(app)
        self._loop.app = app
        if app.pipeline != before.pipeline and app.region is None:
            self.remote = await git_remote.offer(self._paths, self._file, app)
        self._applier.push(app, self._loop.state)
        self._loop.inbox.wake()

    async def apply_file(self, service: str | None) -> FileJson:
        """Apply the file as it lies, or its part of one service."""
        wanted, before = self._read(), self._loop.app
        app = wanted if service is None else only(before, wanted, service)
        await self.change(app)
        changed = await self.converge(note="deploy", anew=True) if service is None else {}
        return {"changed": changed, "applied": [one.text for one in changes(before, app)]}

    async def plan(self) -> PlanJson:
        """The changed fields of the file and, for each service, whether its source has changed."""
        wanted = self._read()
        found = changes(self._loop.app, wanted)
        services = [await self._plan_of(service, found) for service in wanted.services]
        return {
            "application": wanted.name,
            "changes": [{"path": one.path, "from": one.before, "to": one.after, "effect": one.effect} for one in found],
            "services": services,
            "changed": bool(found) or any(one["source_changed"] for one in services),
        }

    async def _plan_of(self, service: Service, found: tuple[Change, ...]) -> ServicePlanJson:
        release = current(self._loop.state, service.name)
        directory = self._specs.source(service)
        content = await asyncio.to_thread(source.fingerprint, directory, built=service.build is not None)
        changed = release is None or release.spec.content != content
        mine = (f"services.{service.name}", f"services.{service.name}.")
        settings = any(
            one.effect is Effect.RELEASE and (one.path == mine[0] or one.path.startswith(mine[1])) for one in found
        )
        return {
            "service": service.name,
            "release": None if release is None else release.number,
            "source_changed": changed,
            "new_release": changed or settings,
        }

    def _read(self) -> Application:
        """The file as it lies. Raises ManifestError with every mistake, FileError when it cannot be read."""
        try:
            text = self._file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FileError(f"{self._file} cannot be read: {error}") from error
        app = parse(text, filename=self._file.name, timezones=available_timezones())
        region = self._loop.app.region
        if region is None:
            return app
        try:
            return behind_edge(app, region)
        except KeyError as error:
            raise FileError(f"{self._file.name} has no region {region} any more; `flyball deploy` stops it") from error


def only(running: Application, wanted: Application, service: str) -> Application:
    """The running application with one service, and the stores, as the file has them."""
    try:
        new = wanted.service(service)
    except KeyError as error:
        raise Failed(f"the file has no service {service!r} any more: `flyball deploy` applies all of it") from error
    services = tuple(new if one.name == service else one for one in running.services)
    added = () if any(one.name == service for one in services) else (new,)
    return replace(running, services=services + added, stores=wanted.stores)


def remember(journal: Journal, file: Path, pushed: Application | None) -> None:
    """Keep a pushed application over the control plane's death; None: the file beside is what runs again."""
    kept = "" if pushed is None else f"{_digest(file)} {records.APPLICATION.written(pushed)}"
    journal.remember("pushed", kept)


def restored(journal: Journal, file: Path, app: Application) -> Application:
    """The application to run: the one that was pushed last, unless the file beside has changed since then."""
    digest, _, text = (journal.fact("pushed") or "").partition(" ")
    try:
        return records.APPLICATION.read(text) if text and digest == _digest(file) else app
    except ValueError:
        log.warning("the file that was pushed is of another version: the one beside runs")
        return app


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else "none"
