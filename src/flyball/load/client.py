"""Sends each request when told to, on a free connection or a new one; never waits for an answer before sending.

Connections are reused, newest first, so that a light load needs only a few. One that was idle for longer than
`_IDLE_S` is not used again: servers close idle connections (some after 2 s), and a request that crosses such a close on
the wire would fail because of the generator.
"""

from __future__ import annotations

import asyncio
import errno
import ssl

import httptools

from .address import Address
from .connection import Connection, Exchange
from .meter import STARVED, Meter
from .plan import Plan

_IDLE_S = 1.5
_CLOSE_S = 5.0
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (ConnectionRefusedError, "connection refused"),
    (ConnectionResetError, "connection reset"),
    (BrokenPipeError, "connection reset"),
    (ssl.SSLError, "TLS failed"),
    (TimeoutError, "timed out"),
    (httptools.HttpParserError, "unreadable answer"),
    (httptools.HttpParserUpgrade, "unreadable answer"),
)


class Client:
    """An HTTP client for one address and one repeated request. Make it inside a running loop; `close` it."""

    def __init__(self, plan: Plan, address: Address, meter: Meter, *, limit: int) -> None:
        self._plan = plan
        self._address = address
        self._meter = meter
        self._limit = limit
        self._request = plan.request()
        self._loop = asyncio.get_running_loop()
        self._flying: dict[Exchange, None] = {}  # in the order of sending, so the first one times out next
        self._open: set[Connection] = set()
        self._idle: list[Connection] = []
        self._connecting: set[asyncio.Task[None]] = set()
        self._settled = asyncio.Event()
        self._all_gone = asyncio.Event()

    @property
    def outstanding(self) -> int:
        """How many requests are unanswered."""
        return len(self._flying)

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def send(self, due: float) -> None:
        """Send a request now; it was due at loop time `due`."""
        now = self._loop.time()
        self._meter.lag(now - due)
        if len(self._flying) >= self._limit:
            self._meter.not_sent(self._limit)
            return
        self._meter.sent += 1
        exchange = Exchange(due=due, sent=now)
        self._flying[exchange] = None
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and now - connection.idle_since < _IDLE_S:
                connection.begin(exchange, self._request)
                return
            connection.abort()
        task = self._loop.create_task(self._connect(exchange))
        exchange.carrier = task
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def sweep(self) -> None:
        """Give up requests that have timed out and close connections that were idle for long. Call it often."""
        now = self._loop.time()
        for exchange in self._overdue(now):
            self._is_over(exchange)
            if exchange.carrier is not None:
                (exchange.carrier.cancel if isinstance(exchange.carrier, asyncio.Task) else exchange.carrier.abort)()
            self._meter.timed_out(now - exchange.due, f"no answer within {self._plan.timeout_s:g} s")
        while self._idle and not (self._idle[0].usable and now - self._idle[0].idle_since < _IDLE_S):
            self._idle.pop(0).abort()

    async def settled(self) -> None:
        """Wait until no request is unanswered."""
        self._settled.clear()
        if self._flying:
            await self._settled.wait()

    async def close(self) -> None:
        """Drop unanswered requests and close every connection."""
        self._meter.unfinished = len(self._flying)
        self._flying.clear()
        for task in self._connecting:
            task.cancel()
        await asyncio.gather(*self._connecting, return_exceptions=True)
        for connection in self._open:
            connection.abort()
        self._all_gone.clear()
        if self._open:
            async with asyncio.timeout(_CLOSE_S):
                await self._all_gone.wait()

    def answered(self, exchange: Exchange, status: int, instance: str, region: str) -> None:
        """Called by a connection: the whole answer has arrived."""
        if self._is_over(exchange):
            now = self._loop.time()
            latency_s, service_s = now - exchange.due, now - exchange.sent
            self._meter.answered(status, instance, region, latency_s=latency_s, service_s=service_s)

    def broken(self, exchange: Exchange, error: Exception | None) -> None:
        """Called by a connection: there will be no answer."""
        if self._is_over(exchange):
            kind = _kind(error)
            self._meter.failed_at_transport(kind, f"{error}" if error is not None else kind)

    def opened(self, connection: Connection) -> None:
        """Called by a connection: it is open."""
        self._open.add(connection)

    def free(self, connection: Connection) -> None:
        """Called by a connection: it can carry the next request."""
        connection.idle_since = self._loop.time()
        self._idle.append(connection)

    def gone(self, connection: Connection) -> None:
        """Called by a connection: it is closed."""
        self._open.discard(connection)
        if not self._open:
            self._all_gone.set()

    def _is_over(self, exchange: Exchange) -> bool:
        """Remove the exchange from the list; False if it had already ended."""
        if exchange not in self._flying:
            return False
        del self._flying[exchange]
        if not self._flying:
            self._settled.set()
        return True

    def _overdue(self, now: float) -> list[Exchange]:
        overdue = []
        for exchange in self._flying:
            if now - exchange.sent < self._plan.timeout_s:
                break
            overdue.append(exchange)
        return overdue

    async def _connect(self, exchange: Exchange) -> None:
        try:
            connection = await self._new_connection()
        except OSError as error:
            self.broken(exchange, error)
            return
        if exchange in self._flying and connection.usable:
            connection.begin(exchange, self._request)
        elif exchange in self._flying:
            self.broken(exchange, None)
        else:
            self.free(connection)

    async def _new_connection(self) -> Connection:
        connection = Connection(self, bodiless=self._plan.method.upper() == "HEAD")
        address = self._address
        await self._loop.create_connection(
            lambda: connection,
            address.ip,
            address.port,
            ssl=address.tls,
            server_hostname=address.name if address.tls is not None else None,
        )
        return connection


def _kind(error: Exception | None) -> str:
    if error is None:
        return "closed before the answer"
    if isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL}:
        return STARVED
    return next((kind for type_, kind in _KINDS if isinstance(error, type_)), "connection failed")
