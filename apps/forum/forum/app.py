"""Puts a service together: routes, errors, CORS, log, and what opens at start and closes at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from forum import docs, problems
from forum.endpoints import Endpoints
from forum.log import RequestLog, Verbosity
from forum.openapi import document
from forum.peers import HttpPeers, Peers
from forum.resource import Resource
from forum.store import Store, StoreDown, open_store


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What differs between places. `address` is where all services are reached together: the balancer's.

    `instance` is this one's name, for the log.
    """

    store: str
    address: str = ""
    instance: str = ""
    log: Verbosity = Verbosity.REQUESTS

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """From FORUM_URL, FORUM_LOG, FLYBALL_URL and FLYBALL_INSTANCE. Raises ValueError for bad ones."""
        store = environment.get("FORUM_URL", "")
        if not store:
            raise ValueError("FORUM_URL is not set: it is the store's address, such as sqlite:///tmp/forum.db")
        log = environment.get("FORUM_LOG", Verbosity.REQUESTS)
        if log not in list(Verbosity):
            raise ValueError(f"FORUM_LOG is {log!r}; it can be {', '.join(Verbosity)}")
        return cls(
            store=store,
            address=environment.get("FLYBALL_URL", ""),
            instance=environment.get("FLYBALL_INSTANCE", ""),
            log=Verbosity(log),
        )


def create_app(
    resource: Resource, settings: Settings, *, pages: Sequence[BaseRoute] = (), peers: Peers | None = None
) -> Starlette:
    """The service for `resource` as an ASGI app. The store is opened when the server starts it, not before.

    `peers` None means: the services behind `settings.address`.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[dict[str, object]]:
        store = await open_store(settings.store)
        others = peers or HttpPeers(settings.address)
        try:
            yield {"endpoints": Endpoints(resource, store=store, peers=others), "store": store}
        finally:
            await others.close()
            await store.close()

    app = Starlette(
        routes=[*_routes(resource), *pages],
        lifespan=lifespan,
        middleware=[
            Middleware(RequestLog, service=resource.name, instance=settings.instance, verbosity=settings.log),
            Middleware(
                CORSMiddleware,  # a public API without cookies: any page may use it
                allow_origins=["*"],
                allow_methods=["GET", "POST", "PATCH", "DELETE"],
                allow_headers=["Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "X-Request-Id"],
                expose_headers=["ETag", "Location", "Idempotency-Replayed", "Retry-After"],
            ),
        ],
        exception_handlers={
            problems.Problem: problems.on_problem,
            HTTPException: problems.on_http_error,
            StoreDown: problems.on_store_down,
            Exception: problems.on_crash,
        },
    )
    app.router.redirect_slashes = False  # one address per thing
    return app


def _routes(resource: Resource) -> list[BaseRoute]:
    described = document(resource)
    openapi, page = msgspec.json.encode(described), docs.page(described)

    async def one(request: Request) -> Response:
        endpoints: Endpoints = request.state.endpoints
        return await endpoints.one(request)

    async def collection(request: Request) -> Response:
        endpoints: Endpoints = request.state.endpoints
        return await endpoints.collection(request)

    async def health(request: Request) -> Response:
        store: Store = request.state.store
        await store.get("health", resource.name)
        return Response(msgspec.json.encode({"status": "ok", "service": resource.name}), media_type="application/json")

    async def openapi_document(_: Request) -> Response:
        return Response(openapi, media_type="application/json")

    async def docs_page(_: Request) -> Response:
        return Response(page, headers=docs.HEADERS, media_type="text/html")

    return [
        Route(f"{resource.path}/openapi.json", openapi_document),
        Route(f"{resource.path}/docs", docs_page),
        Route(f"{resource.path}/{{id}}", one, methods=["GET", "PATCH", "DELETE"]),
        Route(resource.path, collection, methods=["GET", "POST"]),
        Route("/health", health),
    ]
