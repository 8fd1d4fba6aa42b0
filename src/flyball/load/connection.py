"""One keep-alive HTTP/1.1 connection that carries one request at a time."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

import httptools


class Exchange:
    """One unanswered request. `due` and `sent` are loop times: when it was due and when it was sent."""

    __slots__ = ("carrier", "due", "sent")

    def __init__(self, *, due: float, sent: float) -> None:
        self.due = due
        self.sent = sent
        self.carrier: Connection | asyncio.Task[None] | None = None


class Listener(Protocol):
    """Whoever is told how an exchange ended."""

    def answered(self, exchange: Exchange, status: int, instance: str, region: str) -> None:
        """The whole answer has arrived."""

    def broken(self, exchange: Exchange, error: Exception | None) -> None:
        """There will be no answer; None: the other side closed without one."""

    def opened(self, connection: Connection) -> None:
        """The connection is open."""

    def free(self, connection: Connection) -> None:
        """The connection can carry the next request."""

    def gone(self, connection: Connection) -> None:
        """The connection is closed."""


class Connection(asyncio.Protocol):
    """Tells its listener how each exchange ended, and whether it can be used again."""

    def __init__(self, listener: Listener, *, bodiless: bool) -> None:
        self.idle_since = 0.0
        self._listener = listener
        self._bodiless = bodiless  # answers to HEAD announce a body that is not sent
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._renew()

    def _renew(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._instance = self._region = ""
        self._head_done = False
        self._length_known = False

    @property
    def usable(self) -> bool:
        """Open, with no unanswered request."""
        return self._exchange is None and self._transport is not None and not self._transport.is_closing()

    def begin(self, exchange: Exchange, request: bytes) -> None:
        """Send one request; only when `usable`."""
        assert self._transport is not None
        self._exchange = exchange
        exchange.carrier = self
        self._transport.write(request)

    def abort(self) -> None:
        """Close at once, without reporting an unanswered request."""
        self._exchange = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._listener.opened(self)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        if self._exchange is None:  # unasked: a server that closes (408), or a broken one
            self.abort()
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._break(error)
            self.abort()
        else:
            if self._bodiless and self._exchange is None:
                self._renew()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if self._exchange is not None and self._head_done and not self._length_known and exc is None:
            self._answer()  # an answer without a length ends with the connection
        self._break(exc)
        self._listener.gone(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        lower = name.lower()
        if lower == b"x-flyball-instance":
            self._instance = value.decode("latin-1")
        elif lower == b"x-flyball-region":
            self._region = value.decode("latin-1")
        elif lower in {b"content-length", b"transfer-encoding"}:
            self._length_known = True

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._head_done = True
        if self._bodiless:
            self.on_message_complete()

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._exchange is None:
            return
        if self._parser.get_status_code() < 200:  # 1xx: the answer is still to come
            self._head_done = False
            return
        keep = self._parser.should_keep_alive()
        self._answer()
        if keep:
            self._listener.free(self)
        elif self._transport is not None:
            self._transport.close()

    def _answer(self) -> None:
        exchange, self._exchange = self._exchange, None
        instance, region = self._instance, self._region
        self._instance = self._region = ""
        self._head_done = self._length_known = False
        if exchange is not None:
            self._listener.answered(exchange, self._parser.get_status_code(), instance, region)

    def _break(self, error: Exception | None) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            self._listener.broken(exchange, error)
