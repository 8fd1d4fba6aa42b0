"""A client for a Redis server on this machine. It sends only what it is asked to send, and nothing twice.

RESP2 without the driver's name needs no greeting. A string in a reply may have 512 MB, so one that is too long is
refused before it is read.
"""

from __future__ import annotations

import asyncio
from typing import Any

from redis._parsers import _AsyncRESP2Parser
from redis.asyncio import Connection, ConnectionPool, Redis
from redis.exceptions import BusyLoadingError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from flyball.core.errors import Failed
from flyball.local.process.walls.address import Address

LONGEST_PART = 1 << 20


class _Bounded(_AsyncRESP2Parser):
    async def _read(self, length: int) -> bytes:
        if length > LONGEST_PART:
            raise Failed(f"a part of this has {length} bytes, and more than {LONGEST_PART} are not shown")
        return await super()._read(length)


class _Connection(Connection):
    def __init__(self, *, at: Address, **settings: Any) -> None:
        super().__init__(host=at.host, port=at.port, password=at.password or None, **settings)
        self._at = at

    async def _connect(self) -> None:
        async with asyncio.timeout(self.socket_connect_timeout):
            self._reader, self._writer = await self._at.connect()


def client(at: Address | int, *, timeout_s: float) -> Redis:
    """A client that connects at its first question; `async with` closes it. A number is a port of localhost."""
    pool = ConnectionPool(
        connection_class=_Connection,
        at=Address(at) if isinstance(at, int) else at,
        protocol=2,
        driver_info=None,
        parser_class=_Bounded,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
    )
    return Redis.from_pool(pool)


async def answers(at: Address, *, timeout_s: float) -> bool:
    """Whether the server there says anything in time, be it that it has no place or still reads its data."""
    try:
        async with client(at, timeout_s=timeout_s) as redis, asyncio.timeout(timeout_s):
            await redis.ping()
    except (TimeoutError, RedisTimeout):
        return False
    except RedisError:
        return True
    return True


async def refuse_writes(at: Address, refuse: bool, *, timeout_s: float) -> bool:
    """Tell the server there to take no writes, or to take them; whether it has heard."""
    try:
        async with client(at, timeout_s=timeout_s) as redis, asyncio.timeout(timeout_s):
            await redis.config_set("min-replicas-to-write", int(refuse))
    except (TimeoutError, RedisError):
        return False
    return True


async def problem_of(at: Address, pid: int, *, timeout_s: float) -> str | None:
    """Nothing when the server with this process id (as it knows it itself) answers, and has read its data."""
    port = at.port
    try:
        async with client(at, timeout_s=timeout_s) as redis, asyncio.timeout(timeout_s):
            about = await redis.info("server")  # answers also while data is read
            if about["process_id"] != pid:
                return f"another program answers on port {port}"
            await redis.ping()
    except (BusyLoadingError, ResponseError) as error:
        return str(error)
    except (TimeoutError, RedisTimeout):
        return f"no answer on port {port} within {timeout_s:g} s"
    except RedisError as error:
        return f"no connection to port {port}: {error}"
    return None
