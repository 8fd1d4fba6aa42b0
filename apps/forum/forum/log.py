"""One JSON line per request on standard output, from a plain ASGI wrapper: about 10 us."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from enum import StrEnum

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_encoder = msgspec.json.Encoder()


class Verbosity(StrEnum):
    """The values of FORUM_LOG: every request, only those answered 5xx, none."""

    REQUESTS = "requests"
    ERRORS = "errors"
    OFF = "off"


class RequestLog:
    """Wraps an ASGI app. Health checks are not logged: they would be most of the lines."""

    def __init__(self, app: ASGIApp, *, service: str, instance: str, verbosity: Verbosity) -> None:
        self._app = app
        self._source = {"service": service, "instance": instance}
        self._least = {Verbosity.REQUESTS: 100, Verbosity.ERRORS: 500, Verbosity.OFF: 1000}[verbosity]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/health":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500  # what the server answers when the app raises before it answers

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            if status >= self._least:
                self._write(scope, status, time.perf_counter() - began)

    def _write(self, scope: Scope, status: int, took_s: float) -> None:
        line = {
            "at": round(time.time(), 3),
            **self._source,
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "ms": round(took_s * 1000, 3),
            "request_id": request_id(scope),
        }
        with suppress(OSError):  # a full disk under the log is no reason to fail requests
            sys.stdout.write(_encoder.encode(line).decode() + "\n")
            sys.stdout.flush()


def request_id(scope: Scope) -> str:
    """The balancer's id of this request, or an empty text. At most 128 characters are taken over."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return str(value[:128], "latin-1")
    return ""
