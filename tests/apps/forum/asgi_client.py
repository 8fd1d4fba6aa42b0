"""Calls an ASGI app as a server would, in the test's own process and event loop."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlencode

from forum.problems import unavailable
from posts.main import POSTS
from threads.main import THREADS
from users.main import USERS

RESOURCES = {"users": USERS, "threads": THREADS, "posts": POSTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Runs the app's lifespan as a context manager."""

    def __init__(self, app) -> None:
        self._app = app
        self.state: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        self._lifespan = self._app.router.lifespan_context(self._app)
        self.state = await self._lifespan.__aenter__()
        return self

    async def __aexit__(self, *reason) -> None:
        await self._lifespan.__aexit__(*reason)

    async def __call__(
        self, method, path, json_=None, *, query=(), headers=None, body=None, cut=False, raise_errors=True
    ):
        """One request. `json_` is sent as JSON, `body` as it is; with `cut` the client leaves before the end of it."""
        sent = {"content-type": "application/json"} if json_ is not None else {}
        sent |= headers or {}
        content = body if body is not None else (b"" if json_ is None else json.dumps(json_).encode())
        incoming = [{"type": "http.request", "body": content, "more_body": cut}, {"type": "http.disconnect"}]
        outgoing = []

        async def receive():
            return incoming.pop(0) if incoming else await asyncio.Future()

        async def send(message):
            outgoing.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "query_string": urlencode(query).encode(),
            "root_path": "",
            "scheme": "http",
            "server": ("test", 80),
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
            "state": dict(self.state),
        }
        try:
            await self._app(scope, receive, send)
        except Exception:
            if raise_errors:
                raise
        head = {name.decode(): value.decode() for name, value in outgoing[0]["headers"]}
        return Answer(
            status=outgoing[0]["status"], headers=head, body=b"".join(part.get("body", b"") for part in outgoing[1:])
        )


@dataclass
class FakePeers:
    """Knows the resources that a test put in `known`, unless it is `down`."""

    known: set[tuple[str, str]] = field(default_factory=set)
    down: bool = False

    async def has(self, name, id_, *, request_id):
        if self.down:
            raise unavailable(f"the {name} service does not answer")
        return (name, id_) in self.known

    async def close(self):
        pass
