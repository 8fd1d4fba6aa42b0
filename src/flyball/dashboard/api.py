"""The routes that the page needs beside the control API, and `/metrics`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, Response
from fastapi.responses import JSONResponse as Json
from fastapi.sse import EventSourceResponse
from fastapi.staticfiles import StaticFiles

from flyball.core.model import StoreKind
from flyball.local.control_api import Control, Moment, Number, last_heard, told
from flyball.local.face import Address
from flyball.local.runtime.runtime import Runtime

from . import topology
from .feed import Feed
from .past import Past
from .prometheus import CONTENT_TYPE, Metrics

STATIC = Path(__file__).parent / "static"
POINTS = 720


def add_to(api: FastAPI, runtime: Runtime, control: Control) -> None:
    """Add the dashboard's routes to the control API."""
    past = Past(runtime.paths.journal)
    feed, metrics = Feed(runtime, control, past), Metrics(runtime)
    api.include_router(_page(metrics))
    api.include_router(_live(runtime, feed, past))
    api.include_router(_stores(runtime))
    api.mount("/static", StaticFiles(directory=STATIC))


def _page(metrics: Metrics) -> APIRouter:
    routes = APIRouter()

    @routes.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", media_type="text/html; charset=utf-8")

    @routes.get("/metrics", response_class=Response)
    async def prometheus() -> Response:
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return routes


def _live(runtime: Runtime, feed: Feed, past: Past) -> APIRouter:
    routes = APIRouter(prefix="/api")

    @routes.get("/live")
    async def live(request: Request, after: Number | None = None) -> EventSourceResponse:
        return EventSourceResponse(feed.stream(last_heard(request, after)))

    @routes.get("/series")
    async def series(
        since: Moment,
        until: Moment | None = None,
        service: str | None = None,
        points: Annotated[int, Query(ge=10, le=10_000)] = POINTS,
    ) -> Json:
        end = time.time() if until is None else until
        return Json(await past.series(since=since, until=end, service=service, points=points))

    @routes.get("/decisions")
    async def decisions(
        before: Number | None = None,
        since: Moment = 0.0,
        service: str | None = None,
        kind: Annotated[list[str] | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
    ) -> Json:
        found = await past.ask(
            lambda journal: journal.events(before=before, since=since, service=service, kinds=kind or (), limit=limit)
        )
        return Json(told(found))

    @routes.get("/map")
    async def the_map() -> Json:
        return Json(topology.topology(runtime.app, runtime.url))

    @routes.get("/pipeline/runs")
    async def runs(limit: Annotated[int, Query(ge=1, le=50)] = 8) -> Json:
        found = [asdict(run) for run in runtime.pipeline.records.runs(limit=limit)]
        return Json([{name: value for name, value in run.items() if name != "lines"} for run in found])

    @routes.get("/logs")
    async def log_names() -> list[str]:
        return sorted(path.stem for path in runtime.paths.logs.glob("*.log"))

    return routes


def _stores(runtime: Runtime) -> APIRouter:
    routes = APIRouter(prefix="/api/stores")

    def address_of(name: str) -> Address:
        at = runtime.stores.redis_address(name)
        if at is None:
            raise HTTPException(404, f"there is no redis store {name!r}")
        return at

    @routes.get("")
    async def stores() -> Json:
        problems = await runtime.stores.check()
        found = [
            {
                "name": store.name,
                "kind": store.kind,
                "problem": problems.get(store.name),
                "viewable": store.kind is StoreKind.REDIS,
            }
            for store in runtime.app.stores
        ]
        return Json(found)

    @routes.get("/{name}/keys")
    async def keys(name: str, cursor: str = "0", pattern: str = "*") -> Json:
        from . import redis_view  # noqa: PLC0415 - imported where there is a Redis store

        return Json(await redis_view.keys(address_of(name), cursor=cursor, pattern=pattern))

    @routes.get("/{name}/value/{key}")
    async def value(name: str, key: str) -> Json:
        from . import redis_view  # noqa: PLC0415 - as above

        try:
            exact = bytes.fromhex(key)
        except ValueError as error:
            raise HTTPException(404, "a key is named by its bytes in hexadecimal") from error
        return Json(await redis_view.value(address_of(name), exact))

    return routes
