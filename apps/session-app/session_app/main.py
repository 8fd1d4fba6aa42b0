"""The application: `uvicorn --factory session_app.main:create`."""

import asyncio
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from session_app.burn import burn
from session_app.files import add_files
from session_app.pages import HEADERS, Pages, Refused
from session_app.sessions import COOKIE, Sessions, SessionsFailed, View
from session_app.settings import Settings, from_environment
from session_app.uploads import Uploads, UploadsFailed

LOAD_MAX_MS = 60_000
_HEALTH_WAIT_S = 3.0
_BURNERS = 4
"""Threads that burn processor time; more requests for it wait."""


def create() -> ASGIApp:
    """The application as the environment describes it."""
    return create_app(from_environment(os.environ))


def create_app(settings: Settings) -> ASGIApp:
    """The application. It connects to its stores when they are needed, so it starts, and waits, without them."""
    sessions = Sessions(settings.sessions_url, ttl_s=settings.session_ttl_s)
    uploads = Uploads(settings.uploads_url)
    pages = Pages(instance=settings.instance)
    burners = ThreadPoolExecutor(_BURNERS, thread_name_prefix="burn")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        burners.shutdown(wait=False, cancel_futures=True)
        await sessions.close()

    app = FastAPI(title="Session app", lifespan=lifespan, docs_url=None, redoc_url=None)
    _add_sessions(app, sessions, pages, settings)
    _add_health(app, sessions, uploads)
    _add_load(app, burners, settings)
    add_files(app, uploads, pages, settings)
    _add_refusals(app, pages)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return _guarded(app)


def _add_sessions(app: FastAPI, sessions: Sessions, pages: Pages, settings: Settings) -> None:
    def remember(answer: Response, request: Request, view: View) -> Response:
        secure = request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
        answer.set_cookie(
            COOKIE, view.cookie, max_age=settings.session_ttl_s, httponly=True, samesite="lax", secure=secure
        )
        return answer

    @app.get("/", include_in_schema=False)
    async def home(request: Request) -> Response:
        view = await sessions.view(request.cookies.get(COOKIE))
        return remember(pages.page("home.html", view=view, ttl_s=settings.session_ttl_s), request, view)

    @app.get("/session", responses=_DOWN)
    async def session(request: Request) -> Response:
        """Count a view of the bearer's session and tell the total, whichever copy answers."""
        view = await sessions.view(request.cookies.get(COOKIE))
        answer = JSONResponse(
            {
                "views": view.views,
                "session": view.session[:8],
                "since": view.since,
                "new": view.new,
                "instance": settings.instance,
            }
        )
        return remember(answer, request, view)


def _add_health(app: FastAPI, sessions: Sessions, uploads: Uploads) -> None:
    async def state(check: Any) -> str:
        try:
            async with asyncio.timeout(_HEALTH_WAIT_S):
                await check()
        except TimeoutError:
            return f"no answer in {_HEALTH_WAIT_S:.0f} s"
        except (SessionsFailed, UploadsFailed) as error:
            return str(error).partition("\n")[0]
        return "ok"

    @app.get("/health", responses=_DOWN)
    async def health() -> JSONResponse:
        """200 when both stores answer; 503 naming the one that does not."""
        redis, files = await asyncio.gather(state(sessions.check), state(uploads.check))
        good = redis == files == "ok"
        return JSONResponse(
            {"status": "ok" if good else "failing", "sessions": redis, "uploads": files}, 200 if good else 503
        )


def _add_load(app: FastAPI, burners: ThreadPoolExecutor, settings: Settings) -> None:
    @app.get("/load/{ms}", responses=_BAD)
    async def load(ms: Annotated[int, Path(ge=0, le=LOAD_MAX_MS)]) -> JSONResponse:
        """Keep a processor busy for `ms` milliseconds of its time, off the event loop."""
        took_s = await asyncio.get_running_loop().run_in_executor(burners, burn, ms)
        return JSONResponse({"burned_ms": ms, "took_ms": round(took_s * 1000), "instance": settings.instance})


def _add_refusals(app: FastAPI, pages: Pages) -> None:
    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> Response:
        return pages.refusal(request, error)

    @app.exception_handler(HTTPException)
    async def no_route(request: Request, error: HTTPException) -> Response:
        headers = dict(error.headers or {})
        if error.status_code == 405:
            # Starlette names only the methods of the first route that has this path.
            headers["allow"] = ", ".join(_methods(app, request.url.path))
        return pages.refusal(request, Refused(error.status_code, f"{error.detail}.", headers))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:]) or "request"
        return pages.refusal(request, Refused(400, f"{place}: {first['msg']}."))

    @app.exception_handler(SessionsFailed)
    @app.exception_handler(UploadsFailed)
    async def failed(request: Request, error: Exception) -> Response:
        sentence = "The session store" if isinstance(error, SessionsFailed) else "The upload store"
        return pages.refusal(
            request, Refused(503, f"{sentence} does not answer. Please try again.", {"retry-after": "2"})
        )

    @app.exception_handler(ClientDisconnect)
    async def gone(_: Request, __: ClientDisconnect) -> Response:
        return JSONResponse({"error": "The request broke off."}, 400)


def _methods(app: FastAPI, path: str) -> list[str]:
    routes = [route for route in app.routes if isinstance(route, Route) and route.path_regex.match(path)]
    return sorted({method for route in routes for method in route.methods or ()})


def _guarded(app: ASGIApp) -> ASGIApp:
    """`app` with the protective headers on every answer that does not set them itself."""
    extra = [(name.encode(), value.encode()) for name, value in HEADERS.items()]

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(header for header in extra if header[0] not in present)]
            await send(message)

        await app(scope, receive, send_guarded)

    return serve


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, with what this app answers to a wrong parameter: 400, where FastAPI writes 422."""
    if app.openapi_schema is None:
        described = FastAPI.openapi(app)
        for operations in described["paths"].values():
            for operation in operations.values():
                if operation["responses"].pop("422", None):
                    operation["responses"].setdefault("400", {"description": "Refused"})
        app.openapi_schema = described
    return app.openapi_schema


_BAD: dict[int | str, dict[str, Any]] = {400: {"description": "Refused: what was asked for is not allowed"}}
_DOWN: dict[int | str, dict[str, Any]] = {503: {"description": "A store does not answer"}}
