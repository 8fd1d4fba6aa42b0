"""One request as a client of the balancer sends it, on a connection of its own."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back."""

    status: int
    headers: Message
    body: bytes

    @property
    def instance(self) -> str:
        """Which instance answered."""
        return str(self.headers["x-flyball-instance"])

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    url: str,
    path: str,
    *,
    method: str = "GET",
    send: Any = None,
    headers: dict[str, str] | None = None,
    within_s: float = 60.0,
) -> Answer:
    """Send one request; `send` becomes a JSON body. Raises TimeoutError when nothing comes for `within_s`."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=within_s)
    try:
        body = None if send is None else json.dumps(send)
        typed = {} if send is None else {"Content-Type": "application/json"}
        connection.request(method, path, body, {**typed, **(headers or {})})
        answer = connection.getresponse()
        return Answer(status=answer.status, headers=answer.headers, body=answer.read())
    finally:
        connection.close()
