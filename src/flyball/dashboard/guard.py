"""The dashboard's door: checks token, Host and Origin of a request before anything else sees it.

Cookies ignore ports: a browser sends them to every program on 127.0.0.1, the application among them. So the cookie
opens the page's own files only, which are no secret. What the page shows and does needs the token, which the page keeps
by its origin, port included, and sends as a header, or in the query where a browser sets none (the live stream).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

SECURITY_HEADERS = (
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
DATA = ("/api/", "/metrics", "/openapi.json")


class Guard:
    """ASGI middleware. A page that is asked for with the token gets it in its fragment, and removes it from there."""

    def __init__(self, app: Any, *, token: str, port: int) -> None:
        self._app = app
        self._token = token
        self._cookie = f"flyball-{port}"
        self._files_key = hmac.new(token.encode(), b"the page's files", hashlib.sha256).hexdigest()
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it here."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope["method"], headers)
        path, asked = scope["path"], scope["method"] in {"GET", "HEAD"}
        in_query = asked and _same(parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0], self._token)
        if refusal is not None:
            await _answer(send, 403, refusal)
        elif in_query and not path.startswith(DATA):
            await _answer(send, 303, "", self._login(path))
        elif in_query or self._known(headers) or (asked and _is_file(path) and self._may_load(headers)):
            await self._app(scope, receive, _with_security_headers(send))
        else:
            await _answer(send, 401, "Open this page by the address that `flyball up` or `flyball ps` printed.")

    def _refusal(self, method: str, headers: dict[str, str]) -> str | None:
        if headers.get("host") not in self._hosts:
            return "This address is not served here."
        origin = headers.get("origin")
        if origin is not None and origin not in self._origins:
            return "Another site's page may not do this."
        if method not in {"GET", "HEAD"} and origin is None and headers.get("sec-fetch-site", "none") != "none":
            return "Another site's page may not do this."
        return None

    def _known(self, headers: dict[str, str]) -> bool:
        return _same(headers.get("authorization", "").removeprefix("Bearer "), self._token)

    def _may_load(self, headers: dict[str, str]) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return cookie is not None and _same(cookie.value, self._files_key)

    def _login(self, path: str) -> list[tuple[bytes, bytes]]:
        cookie = f"{self._cookie}={self._files_key}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000"
        here = "/" + path.lstrip("/\\")  # "//elsewhere" would lead to another machine
        place = f"{quote(here)}#token={self._token}"
        return [(b"location", place.encode("ascii")), (b"set-cookie", cookie.encode("latin-1"))]


def _same(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode(), wanted.encode())


def _is_file(path: str) -> bool:
    return path == "/" or path.startswith("/static/")


def _with_security_headers(send: Send) -> Send:
    async def sender(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS]
        await send(message)

    return sender


async def _answer(send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = text.encode()
    start = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*start, *SECURITY_HEADERS, *(headers or [])],
        }
    )
    await send({"type": "http.response.body", "body": body})
