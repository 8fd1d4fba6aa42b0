"""Asks an ASGI application in the test's own loop, without a server."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


async def ask(app, method: str, path: str, *, body: Any = None, content: bytes | None = None, **headers: str) -> Answer:
    """One request; header names with `_` for `-`. `content` is sent as it is, `body` as JSON."""
    place, _, query = path.partition("?")
    if content is None:
        content = b"" if body is None else json.dumps(body).encode()
    sent = {"content-type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": place,
        "raw_path": place.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
    }
    incoming = [{"type": "http.request", "body": content, "more_body": False}]
    outgoing = []

    async def receive():
        return incoming.pop(0) if incoming else await asyncio.Future()

    async def send(message):
        outgoing.append(message)

    await app(scope, receive, send)
    start = next(message for message in outgoing if message["type"] == "http.response.start")
    told = {name.decode().lower(): value.decode() for name, value in start["headers"]}
    return Answer(
        status=start["status"], headers=told, body=b"".join(message.get("body", b"") for message in outgoing[1:])
    )
