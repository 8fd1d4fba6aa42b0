"""Where a program listens: on this machine's localhost, or in its room behind walls."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from ssl import SSLContext

from .router import Router

LOCALHOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port; with a `router` they are in its network. A store may want a `password`."""

    port: int
    host: str = LOCALHOST
    router: Router | None = None
    password: str = field(default="", repr=False)

    async def connect(self, tls: SSLContext | None = None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection, with `tls` an encrypted one. Raises OSError."""
        if self.router is None:
            return await asyncio.open_connection(self.host, self.port, ssl=tls)
        opened = await _off_the_loop(self.router)
        opened.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(opened, (self.host, self.port))
        except BaseException:
            opened.close()
            raise
        return await asyncio.open_connection(sock=opened, ssl=tls, server_hostname="localhost" if tls else None)


async def _off_the_loop(router: Router) -> socket.socket:
    """A socket of the network; its keeper may take seconds to answer. If cancelled, it leaves none open."""
    opening = asyncio.ensure_future(asyncio.to_thread(router.open, socket.AF_INET, socket.SOCK_STREAM))
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        raise


def _close(opening: asyncio.Future[socket.socket]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
