"""The HTTP interface of the edge's control plane: the words of a region's own, for all regions together."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse as Json
from fastapi.sse import EventSourceResponse, format_sse_event

from flyball.core.control.reasons import Event
from flyball.core.errors import FlyballError
from flyball.core.model import Application
from flyball.core.view import as_json

from .edge import Edge

STREAM_QUEUE = 1000


def create(edge: Edge, read: Callable[[], Application]) -> FastAPI:
    """The application served on the Unix socket; `read` reads the file again."""
    api = FastAPI(title="Flyball edge API", docs_url=None, redoc_url=None)

    @api.get("/api/application")
    async def application() -> Json:
        return Json(await edge.described())

    @api.get("/api/events")
    async def events(after: int = 0, since: float = 0.0, limit: int = 10_000) -> Json:
        found = edge.journal.events(after=after, since=since, limit=limit)
        return Json([as_json.event(event) for event in found])

    @api.get("/api/stream")
    async def stream(after: int | None = None) -> EventSourceResponse:
        return EventSourceResponse(_stream(edge, after))

    @api.post("/api/file")
    async def file() -> Json:
        return Json({"applied": await edge.apply(read())})

    @api.post("/api/down")
    async def down() -> Json:
        edge.begin_to_stop()
        return Json({"stopping": True})

    @api.exception_handler(FlyballError)
    async def failed(_: Request, error: FlyballError) -> Json:
        return Json({"detail": str(error), "exit_code": error.exit_code}, status_code=409)

    return api


async def _stream(edge: Edge, after: int | None) -> AsyncIterator[bytes]:
    queue: asyncio.Queue[Event] = asyncio.Queue(STREAM_QUEUE)

    def listener(event: Event) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            queue.put_nowait(event)

    edge.listeners.add(listener)
    try:
        for event in edge.journal.events(after=after) if after is not None else ():
            yield _sse(event)
        while not edge.closing.is_set():
            try:
                async with asyncio.timeout(1.0):
                    yield _sse(await queue.get())
            except TimeoutError:
                yield format_sse_event(comment="beat")
    finally:
        edge.listeners.discard(listener)


def _sse(event: Event) -> bytes:
    return format_sse_event(event="decision", data_str=json.dumps(as_json.event(event)), id=str(event.id))
