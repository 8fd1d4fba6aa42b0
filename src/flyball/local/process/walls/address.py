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
        opened = self.router.open(socket.AF_INET, socket.SOCK_STREAM)
        opened.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(opened, (self.host, self.port))
        except BaseException:
            opened.close()
            raise
        return await asyncio.open_connection(sock=opened, ssl=tls, server_hostname="localhost" if tls else None)
