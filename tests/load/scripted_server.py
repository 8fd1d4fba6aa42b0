"""A scripted HTTP server in the test's own event loop: it does exactly what a test says, and counts."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from ssl import SSLContext

from flyball.core.arrivals import RateCurve, Stage
from flyball.load import Plan
from waiting import soon

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Flyball-Instance: web-1\r\n\r\nok"
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]


class Server:
    """`answer` is called after each request and writes what it likes; False closes the connection."""

    def __init__(self, answer: Answer) -> None:
        self.url = ""
        self.requests: list[bytes] = []
        self.accepted = 0
        self.open = 0
        self.most_open = 0
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        self.open += 1
        self.most_open = max(self.open, self.most_open)
        with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            going = True
            while going:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
                self.requests.append(head + await reader.readexactly(int(length or 0)))
                going = await self._answer(reader, writer)
        self.open -= 1
        writer.transport.abort()


def bound() -> socket.socket:
    """A socket bound to a free loopback port below the ephemeral ones."""
    for port in range(21000, 32768, 7):
        taken = socket.socket()
        try:
            taken.bind(("127.0.0.1", port))
        except OSError:
            taken.close()
        else:
            return taken
    raise OSError("no free port")


@asynccontextmanager
async def serving(answer: Answer | bytes, tls: SSLContext | None = None) -> AsyncIterator[Server]:
    """A server that gives each request the same bytes, or lets a function write them."""
    if isinstance(answer, bytes):
        fixed = answer

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
            writer.write(fixed)
            return True

    server = Server(answer)
    listening = bound()
    running = await asyncio.start_server(server.serve, sock=listening, backlog=1000, ssl=tls)
    server.url = f"{'https' if tls else 'http'}://127.0.0.1:{listening.getsockname()[1]}/"
    try:
        yield server
    finally:
        running.close()
        await running.wait_closed()
        await soon(lambda: server.open == 0)


def plan(url: str, rate: float = 100, duration_s: float = 0.5, **options) -> Plan:
    """Evenly spaced requests."""
    curve = RateCurve(stages=(Stage(rate=rate, duration_s=duration_s),))
    return Plan(url=url, curve=curve, **{"evenly": True, **options})
