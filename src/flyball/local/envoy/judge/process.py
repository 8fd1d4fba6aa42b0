"""The process that judges requests: `python -m flyball.local.envoy.judge.process TASK`, a file that says what to do.

The balancer sends it each request, as it came and with as much of its body as is looked at; 200 lets it go on, 403
refuses it. What it has matched it tells everyone who connects to its other socket, which shows that it lives, too.
Each request that reaches the threshold is a line of JSON on its output.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httptools
from libmodsecurity import ModSecurity, RuleMessage, RulesSet, Transaction

from .directives import PARTIAL

UNREAD = "unread"
"""The rule of requests that are no HTTP to their reader."""
_PARTIAL = PARTIAL.encode()
_NOT_THE_VISITORS = (_PARTIAL, b"x-envoy-auth-partial-body")
_REPLIES = {
    True: b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    False: b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one process does: the sockets, the rules, and where they do not apply. `uploads` take files."""

    socket: str
    told: str
    directives: str
    skip_paths: tuple[str, ...]
    uploads: tuple[str, ...]
    body_bytes: int
    blocks: bool

    @classmethod
    def read(cls, file: Path) -> Task:
        """What was left."""
        found = json.loads(file.read_text(encoding="utf-8"))
        return cls(**{**found, "skip_paths": tuple(found["skip_paths"]), "uploads": tuple(found["uploads"])})


@dataclass(slots=True)
class Request:
    """A request as it came, byte by byte; names of headers are in lower case."""

    method: bytes = b""
    url: bytes = b""
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)

    def is_below(self, paths: tuple[str, ...]) -> bool:
        """Whether it asks for one of these paths or something below."""
        path = shown(self.url.partition(b"?")[0])
        return any(path == one.rstrip("/") or path.startswith(one.rstrip("/") + "/") for one in paths)

    def header(self, name: bytes) -> str:
        """The last header of a name, or ""."""
        return shown(next((value for found, value in reversed(self.headers) if found == name), b""))


def shown(text: bytes) -> str:
    """A text that may be no UTF-8, for people."""
    return text.decode("utf-8", errors="replace")


def data(message: RuleMessage) -> str:
    """What a rule has found, which may be no UTF-8."""
    try:
        return message.data[:200]
    except UnicodeDecodeError:
        return ""


class Judge:
    """Says which requests may go on, and counts by rule those that may not."""

    def __init__(self, task: Task) -> None:
        self.counts: Counter[str] = Counter()
        self._task = task
        self._engine, self._rules = ModSecurity(), RulesSet()
        self._matched: list[RuleMessage] = []
        self._engine.set_rule_message_callback(self._matched.append)
        if self._rules.load(task.directives) < 0:
            raise SystemExit(f"ModSecurity does not take the rules: {self._rules.get_parser_error().strip()}")

    def lets_through(self, request: Request) -> bool:
        """Whether the request may go on."""
        if request.is_below(self._task.skip_paths) or not self._scores(request):
            return True
        # The heaviest rule counts, of several the first; a request counts once.
        heaviest = min(self._matched, key=lambda one: one.severity, default=None)
        self._tell(request, "score" if heaviest is None else str(heaviest.rule_id), heaviest)
        return not self._task.blocks

    def lets_unread_through(self, request: Request) -> bool:
        """Whether a request may go on that cannot be read: nobody knows what it holds."""
        if request.is_below(self._task.skip_paths):
            return True
        self._matched.clear()
        self._tell(request, UNREAD, None)
        return not self._task.blocks

    def _scores(self, request: Request) -> bool:
        """Whether the rules' score reaches the threshold."""
        self._matched.clear()
        transaction: Any = Transaction(self._engine, self._rules)  # takes bytes as well, which its types do not say
        transaction.process_connection("127.0.0.1", 0, "127.0.0.1", 80)
        transaction.process_uri(request.url, request.method, "1.1")
        for name, value in request.headers:
            if name not in _NOT_THE_VISITORS:
                transaction.add_request_header(name, value)
        body = b"" if request.is_below(self._task.uploads) else bytes(request.body)
        if 0 < self._task.body_bytes <= len(body):
            transaction.add_request_header(_PARTIAL, b"1")
        transaction.process_request_headers()
        if body:
            transaction.append_request_body(body)
        transaction.process_request_body()
        found = transaction.intervention()
        return found is not None and found.disruptive

    def _tell(self, request: Request, rule: str, heaviest: RuleMessage | None) -> None:
        self.counts[rule] += 1
        line = {
            "at": round(time.time(), 3),
            "rule": rule,
            "message": "" if heaviest is None else heaviest.message,
            "data": "" if heaviest is None else data(heaviest),
            "rules": sorted({one.rule_id for one in self._matched}),
            "refused": self._task.blocks,
            "id": request.header(b"x-request-id"),
            "method": shown(request.method),
            "host": request.header(b"host"),
            "path": shown(request.url[:500]),
        }
        with contextlib.suppress(OSError):  # a full disk: the judge goes on
            os.write(1, f"{json.dumps(line)}\n".encode())


class Connection(asyncio.Protocol):
    """One connection of the balancer: a request, its answer, the next. The parser calls what begins with `on_`."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._request = Request()
        self._line: bytes | None = None
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It has begun."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Read on. Of a request that cannot be read only the first line counts, which the parser may not have told."""
        if self._line is None:
            line, whole, _ = data.partition(b"\r\n")
            self._line = line if whole else b""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # what follows is the visitor's and the instance's alone
            self._parser = httptools.HttpRequestParser(self)
        except httptools.HttpParserError:
            method, _, rest = self._line.partition(b" ")
            self._request.method, self._request.url = method, rest.rpartition(b" ")[0]
            self._transport.write(_REPLIES[self._judge.lets_unread_through(self._request)])
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        """A part of the address."""
        self._request.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._request.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._request.body += body

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._request.method = self._parser.get_method()
        request, self._request, self._line = self._request, Request(), None
        self._transport.write(_REPLIES[self._judge.lets_through(request)])


async def serve(task: Task) -> None:
    """Judge until the process is ended."""
    judge = Judge(task)

    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(judge.counts).encode())
        writer.close()

    loop = asyncio.get_running_loop()
    asked = await loop.create_unix_server(lambda: Connection(judge), task.socket, backlog=1024)
    told = await asyncio.start_unix_server(tell, task.told)
    await asyncio.gather(asked.serve_forever(), told.serve_forever())


if __name__ == "__main__":
    os.umask(0o177)  # the sockets are their owner's only
    asyncio.run(serve(Task.read(Path(sys.argv[1]))))
