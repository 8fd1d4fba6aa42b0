"""The control plane's HTTP interface: what the command line and the dashboard ask and tell it.

The command line reaches it over a Unix socket in a directory that only the user can enter; the dashboard adds its own
guard for TCP. Reading is GET, acting is POST. Errors are `{"detail": sentence}`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, TypedDict

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse as Json
from fastapi.sse import EventSourceResponse, format_sse_event
from pydantic import BaseModel, Field

from flyball.core.control.observation import Replace, Scale
from flyball.core.control.reasons import Event
from flyball.core.errors import FlyballError
from flyball.core.view import as_json
from flyball.core.view.shapes import ApplicationJson, EventJson

from .network import Crossing, tried
from .process import logs
from .runtime.runtime import Runtime

STREAM_QUEUE = 1000
LONGEST_HOLD_S = 366 * 86_400.0
LARGEST = 2**63 - 1  # what the journal can write down

Moment = Annotated[float, Query(ge=-1e16, le=1e16, allow_inf_nan=False)]
"""Seconds since the epoch."""
Number = Annotated[int, Query(ge=0, le=LARGEST)]
"""Of an event."""


class Control(TypedDict):
    """What `control.json` holds; the dashboard's address has its token."""

    pid: int
    url: str
    socket: str
    dashboard: str | None


class ScaleRequest(BaseModel):
    """Desired capacity in instances, and for how many seconds policies keep their hands off."""

    desired: int = Field(ge=0)
    hold_s: float = Field(default=0.0, ge=0.0, le=LONGEST_HOLD_S, allow_inf_nan=False)


class DeployRequest(BaseModel):
    """A directory to take the source from (absolute; the file's own when absent) and where it came from."""

    source: str | None = None
    note: str = ""


class FileRequest(BaseModel):
    """The one service whose part of the file is meant; all of it when absent."""

    service: str | None = None


class RollbackRequest(BaseModel):
    """The release to go back to; the last completed one when absent."""

    release: int | None = Field(default=None, ge=0, le=LARGEST)


def router(runtime: Runtime, control: Control) -> APIRouter:
    """All routes."""
    routes = APIRouter(prefix="/api")

    @routes.get("/application")
    async def application() -> Json:
        return Json(described(runtime, control))

    @routes.get("/events")
    async def events(
        after: Number = 0,
        since: Moment = 0.0,
        service: str | None = None,
        limit: Annotated[int, Query(ge=1, le=100_000)] = 10_000,
    ) -> Json:
        return Json(told(runtime.journal.events(after=after, since=since, service=service, limit=limit)))

    @routes.get("/stream")
    async def stream(request: Request, after: Number | None = None) -> EventSourceResponse:
        return EventSourceResponse(event_stream(runtime, last_heard(request, after)))

    @routes.get("/history")
    async def history(since: Moment, until: Moment = 1e12, resolution: Number = 1, service: str | None = None) -> Json:
        found = runtime.journal.history(since=since, until=until, resolution=resolution, service=service)
        return Json([{"at": one.at, "service": one.service, **one.row} for one in found])

    @routes.get("/releases")
    async def releases(service: str | None = None) -> Json:
        services = [one for one in runtime.view().services if service in {None, one.of.name}]
        return Json([release for one in services for release in as_json.releases(one)])

    @routes.get("/logs/{name}")
    async def log_lines(name: str, lines: Annotated[int, Query(ge=1, le=10_000)] = 200) -> list[str]:
        path = runtime.paths.logs / f"{name}.log"
        if path.parent != runtime.paths.logs or not path.exists():
            raise HTTPException(
                404, f"there is no log {name!r}; of instances and builds that ended, {logs.KEPT} logs are kept"
            )
        return await asyncio.to_thread(logs.tail, path, lines)

    @routes.get("/pipeline")
    async def pipeline(job: str | None = None) -> Json:
        return Json([asdict(run) for run in runtime.pipeline.records.runs(job=job)])

    @routes.get("/plan")
    async def planned() -> Json:
        return Json(await runtime.deploys.plan())

    _add_actions(routes, runtime)
    return routes


def _add_actions(routes: APIRouter, runtime: Runtime) -> None:
    @routes.post("/services/{service}/scale")
    async def scale(service: str, wish: ScaleRequest) -> Json:
        return Json(told(await runtime.submit(Scale(service=service, desired=wish.desired, hold_s=wish.hold_s))))

    @routes.post("/services/{service}/deploy")
    async def deploy(service: str, wish: DeployRequest) -> Json:
        source = None if wish.source is None else Path(wish.source)
        return Json(told(await runtime.deploys.deploy(service, source=source, note=wish.note)))

    @routes.post("/services/{service}/rollback")
    async def rollback(service: str, wish: RollbackRequest) -> Json:
        return Json(told(await runtime.deploys.rollback(service, wish.release)))

    @routes.post("/instances/{instance}/drain")
    async def drain(instance: str) -> Json:
        if all(one.id != instance for one in runtime.state.instances):
            raise HTTPException(404, f"there is no instance {instance!r}")
        return Json(told(await runtime.submit(Replace(instance=instance))))

    @routes.post("/file")
    async def file(wish: FileRequest | None = None) -> Json:
        """Apply the file as it lies: the services that get a new release for it, and what else has changed."""
        return Json(await runtime.deploys.apply_file(None if wish is None else wish.service))

    @routes.post("/pipeline")
    async def notice() -> Json:
        runtime.pipeline.notice()
        return Json({})

    @routes.post("/network")
    async def network() -> Json:
        """Try every path of the application."""
        return Json([_crossing(one) for one in await tried(runtime)])

    @routes.post("/down")
    async def down() -> Json:
        await runtime.stop()
        return Json({"stopping": True})


def _crossing(of: Crossing) -> dict[str, str]:
    words = {True: "open", False: "closed", None: "unknown"}
    return {"from": of.way.start, "to": of.way.end, "declared": words[of.way.declared], "found": words[of.found]}


def told(events: list[Event]) -> list[EventJson]:
    """Events as JSON."""
    return [as_json.event(event) for event in events]


def described(runtime: Runtime, control: Control) -> ApplicationJson:
    """The shape that `flyball ps --json` promises."""
    balancer = runtime.balancer.process
    push, places = runtime.deploys.remote, runtime.places()
    return {
        "application": runtime.app.name,
        "url": runtime.url,
        "dashboard": control["dashboard"],
        "control": {"pid": control["pid"], "journal_error": runtime.loop.journal_error},
        "balancer": {
            "pid": None if balancer is None else balancer.pid,
            "standby": runtime.balancer.standby.pid,
        },
        "firewall": runtime.refusals.told(runtime.app.listener.firewall),
        "stopping": runtime.stopping,
        "push": None
        if push is None
        else {"url": push.url, "name": push.name, "branch": push.branch, "note": push.note},
        "last_event": runtime.journal.last_event,
        "boundary": runtime.boundary,
        "certificate": runtime.certificate,
        "services": [as_json.service(one, places) for one in runtime.view().services],
    }


def last_heard(request: Request, after: int | None) -> int | None:
    """The number of the last event that a client has: what it says when it comes back, else `after`."""
    last = request.headers.get("last-event-id", "")
    return int(last) if last.isdecimal() and len(last) < len(str(LARGEST)) else after


async def event_stream(runtime: Runtime, after: int | None) -> AsyncIterator[bytes]:
    """Server-sent events: those since `after` (None: only new ones), then each as it happens, and a beat a second."""
    queue: asyncio.Queue[Event] = asyncio.Queue(STREAM_QUEUE)

    def listener(event: Event) -> None:
        if not queue.full():
            queue.put_nowait(event)

    runtime.listeners.add(listener)
    try:
        last = 0
        for event in runtime.journal.events(after=after) if after is not None else ():
            last = event.id
            yield as_sse(event)
        while not runtime.closing.is_set():
            try:
                async with asyncio.timeout(1.0):
                    event = await queue.get()
            except TimeoutError:
                yield format_sse_event(comment="beat")
                continue
            if event.id == 0 or event.id > last:  # one that came while the old ones were read is among them
                yield as_sse(event)
    finally:
        runtime.listeners.discard(listener)


def as_sse(event: Event) -> bytes:
    """One server-sent event. What was not written down has no number to ask for it again."""
    number = str(event.id) if event.id else None
    return format_sse_event(event="decision", data_str=json.dumps(as_json.event(event)), id=number)


def create(runtime: Runtime, control: Control) -> FastAPI:
    """The application served on the Unix socket."""
    api = FastAPI(title="Flyball control API", docs_url=None, redoc_url=None)
    api.include_router(router(runtime, control))

    @api.exception_handler(FlyballError)
    async def failed(_: Request, error: FlyballError) -> Json:
        return Json({"detail": str(error), "exit_code": error.exit_code}, status_code=409)

    @api.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Json:
        mistakes = (f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors())
        return Json({"detail": "; ".join(mistakes)}, status_code=422)

    return api
