"""A client for a Redis server on this machine. It sends nothing but what it is asked to, and nothing twice.

RESP2 without the driver's name needs no greeting. A string in a reply may have 512 MB, so one that is too long is
refused before it is read.
"""

from __future__ import annotations

from redis._parsers import _AsyncRESP2Parser
from redis.asyncio import ConnectionPool, Redis

from flyball.core.errors import Failed

TIMEOUT_S = 2.0
LONGEST_PART = 1 << 20


class _Bounded(_AsyncRESP2Parser):
    async def _read(self, length: int) -> bytes:
        if length > LONGEST_PART:
            raise Failed(f"a part of this has {length} bytes, and more than {LONGEST_PART} are not shown")
        return await super()._read(length)


def client(port: int) -> Redis:
    """A client that connects at its first question; `async with` closes it."""
    pool = ConnectionPool(
        host="127.0.0.1",
        port=port,
        protocol=2,
        driver_info=None,
        parser_class=_Bounded,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
    )
    return Redis.from_pool(pool)
