"""The file and the source beside it, compared with what runs: what `flyball plan` shows and `flyball deploy` applies.

A pushed file is what runs until the one beside the state directory is changed or deployed.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypedDict
from zoneinfo import available_timezones

from flyball.core.control.records import application_of, application_text
from flyball.core.control.state import State
from flyball.core.control.verdicts import current
from flyball.core.errors import Failed, FileError
from flyball.core.manifest import parse
from flyball.core.model import Application, Service
from flyball.core.plan import Difference, Effect, differences

from .record.journal import Journal
from .releases import source


class Beside(Protocol):
    """A control plane and the file beside its state."""

    file: Path

    @property
    def app(self) -> Application:
        """The application as it runs."""

    @property
    def state(self) -> State:
        """What the loop remembers now."""

    def source(self, service: Service) -> Path:
        """Where the source of a service lies."""


def read(runtime: Beside) -> Application:
    """The file as it lies. Raises ManifestError with every mistake, FileError when it cannot be read."""
    try:
        text = runtime.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{runtime.file} cannot be read: {error}") from error
    return parse(text, filename=runtime.file.name, timezones=available_timezones())


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
    kept = "" if pushed is None else f"{_digest(file)} {application_text(pushed)}"
    journal.remember("pushed", kept)


def restored(journal: Journal, file: Path, app: Application) -> Application:
    """The application to run: the one that was pushed last, unless the file beside has changed since then."""
    digest, _, text = (journal.fact("pushed") or "").partition(" ")
    return application_of(text) if text and digest == _digest(file) else app


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else "none"


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


async def plan_of(runtime: Beside) -> PlanJson:
    """The changed fields and, for each service, whether its source has changed."""
    wanted = read(runtime)
    found = differences(runtime.app, wanted)
    services = [await _service(runtime, service, found) for service in wanted.services]
    return {
        "application": wanted.name,
        "changes": [{"path": one.path, "from": one.before, "to": one.after, "effect": one.effect} for one in found],
        "services": services,
        "changed": bool(found) or any(one["source_changed"] for one in services),
    }


async def _service(runtime: Beside, service: Service, found: tuple[Difference, ...]) -> ServicePlanJson:
    release = current(runtime.state, service.name)
    content = await asyncio.to_thread(source.fingerprint, runtime.source(service), built=service.build is not None)
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
