"""The dashboard's door: checks token, Host and Origin of a request before anything else sees it."""

from __future__ import annotations

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


class Guard:
    """ASGI middleware. A token in the query becomes a cookie, and a redirect removes it from the address."""

    def __init__(self, app: Any, *, token: str, port: int) -> None:
        self._app = app
        self._token = token
        self._cookie = f"flyball-{port}"
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it here."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope["method"], headers)
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if refusal is not None:
            await _answer(send, 403, refusal)
        elif self._matches(query.get("token", [""])[0]) and scope["method"] == "GET":
            await _answer(send, 303, "", self._login(scope["path"]))
        elif self._known(headers):
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
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            cookie = None
        return self._matches(bearer) or (cookie is not None and self._matches(cookie.value))

    def _matches(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self._token.encode())

    def _login(self, path: str) -> list[tuple[bytes, bytes]]:
        cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000"
        here = "/" + path.lstrip("/\\")  # "//elsewhere" would lead to another machine
        return [(b"location", quote(here).encode("ascii")), (b"set-cookie", cookie.encode("latin-1"))]


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
