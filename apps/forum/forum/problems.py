"""Errors as clients see them: application/problem+json, RFC 9457, for everything that is not a success."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from forum.store import StoreDown

MEDIA_TYPE = "application/problem+json"


class FieldError(msgspec.Struct):
    """What is wrong with one part of the body; `pointer` is a JSON Pointer in fragment form."""

    detail: str
    pointer: str = "#"


class ProblemDocument(msgspec.Struct, omit_defaults=True):
    """What went wrong, for people (`detail`) and for programs (`status`, `errors`)."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    errors: list[FieldError] = []


class Problem(Exception):
    """Ends a request with an error."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: list[FieldError] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors or []
        self.headers = headers


def unavailable(detail: str) -> Problem:
    """A 503 that asks to try again in a second."""
    return Problem(503, detail, headers={"retry-after": "1"})


def invalid(detail: str, *, pointer: str = "#") -> Problem:
    """A 422 about one part of the body."""
    return Problem(422, detail, errors=[FieldError(detail, pointer)])


def render(problem: Problem) -> Response:
    """The answer for a problem."""
    document = ProblemDocument(
        title=HTTPStatus(problem.status).phrase, status=problem.status, detail=problem.detail, errors=problem.errors
    )
    return Response(msgspec.json.encode(document), problem.status, headers=problem.headers, media_type=MEDIA_TYPE)


async def on_problem(_: Request, error: Exception) -> Response:
    """Exception handler for Problem."""
    assert isinstance(error, Problem)
    return render(error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Exception handler for what the router raises: 404 for unknown paths, 405 for unknown methods."""
    assert isinstance(error, HTTPException)
    detail = f"{request.method} {request.url.path} is not something this service offers"
    return render(Problem(error.status_code, detail, headers=error.headers))


async def on_store_down(_: Request, error: Exception) -> Response:
    """Exception handler for StoreDown. The cause is for the log, not for the client."""
    assert isinstance(error, StoreDown)
    return render(unavailable("the store does not answer"))


async def on_crash(_: Request, error: Exception) -> Response:
    """Exception handler for everything else; the traceback goes to standard error."""
    return render(Problem(500, f"an error of this service ({type(error).__name__})"))
