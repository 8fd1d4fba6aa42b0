"""A read-only look into a Redis store: keys, when they expire, the beginning of their values.

It sends only commands that read. Items, bytes and time of each answer are bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

from redis.exceptions import BusyLoadingError, RedisError, ResponseError

from flyball.core.errors import Failed
from flyball.local.face import ANSWER_TIMEOUT_S, Address, redis_client

PAGE = 100  # keys that Redis looks at for one page
SHOWN_BYTES = 2_048
SHOWN_ITEMS = 50


async def keys(at: Address | int, *, cursor: str, pattern: str) -> dict[str, object]:
    """One page of keys: `{"cursor", "keys": [{"key", "id", "type", "ttl_s"}], "total"}`; the cursor "0" is the end.

    A key without `ttl_s` does not expire. `id` is the key in hexadecimal, since keys are bytes.
    """
    async with _connected(at) as redis:
        size = await redis.dbsize()
        following, found = await redis.execute_command("SCAN", cursor, "MATCH", pattern or "*", "COUNT", PAGE)
        names = sorted(found)
        facts = redis.pipeline(transaction=False)
        for name in names:
            facts.execute_command("TYPE", name)
            facts.execute_command("PTTL", name)
        told = await facts.execute()
    rows = [
        {"key": shown(name), "id": name.hex(), "type": shown(kind), "ttl_s": ttl / 1000.0 if ttl >= 0 else None}
        for name, kind, ttl in zip(names, told[::2], told[1::2], strict=True)
        if ttl != -2  # it expired in between
    ]
    return {"cursor": str(following), "keys": rows, "total": size}


async def value(at: Address | int, key: bytes) -> dict[str, object]:
    """The beginning of a value as lines of text: `{"type", "size", "lines", "cut"}`. Raises `Failed` without one."""
    async with _connected(at) as redis:
        kind = shown(await redis.type(key))
        size, lines = await _beginning(redis, kind, key)
    whole = size <= SHOWN_BYTES if kind == "string" else len(lines) >= size
    return {"type": kind, "size": size, "lines": lines, "cut": not whole}


def _port(at: Address | int) -> int:
    return at if isinstance(at, int) else at.port


@contextlib.asynccontextmanager
async def _connected(at: Address | int) -> AsyncIterator[Any]:
    """A connection for one question. Raises `Failed` when the server is away, falls silent or refuses."""
    async with redis_client(at) as redis:
        pool: Any = redis.connection_pool
        try:
            await pool.release(await pool.get_connection())
        except RedisError as error:
            raise Failed(f"the Redis server on port {_port(at)} does not answer: {error}") from error
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                yield redis
        except (BusyLoadingError, ResponseError) as error:
            raise Failed(f"Redis refused: {error}") from error
        except (RedisError, TimeoutError, ValueError) as error:
            raise Failed(f"the Redis server on port {_port(at)} stopped answering") from error


async def _beginning(redis: Any, kind: str, key: bytes) -> tuple[int, list[str]]:
    """The size of a value, and its first items as lines."""
    last = SHOWN_ITEMS - 1
    match kind:
        case "string":
            return await redis.strlen(key), [shown(await redis.getrange(key, 0, SHOWN_BYTES - 1))]
        case "list":
            return await redis.llen(key), [_short(item) for item in await redis.lrange(key, 0, last)]
        case "set":
            _, members = await redis.sscan(key, count=SHOWN_ITEMS)
            return await redis.scard(key), [_short(item) for item in members][:SHOWN_ITEMS]
        case "zset":
            pairs = await redis.zrange(key, 0, last, withscores=True, score_cast_func=bytes)
            return await redis.zcard(key), _columns(pairs)
        case "hash":
            _, fields = await redis.hscan(key, count=SHOWN_ITEMS)
            return await redis.hlen(key), _columns(fields.items())
        case "stream":
            entries = await redis.xrange(key, count=SHOWN_ITEMS)
            return await redis.xlen(key), [f"{shown(number)}  {_words(fields)}" for number, fields in entries]
    raise Failed("there is no such key" if kind == "none" else f"a {kind} is not shown")


def _columns(pairs: Iterable[tuple[bytes, bytes]]) -> list[str]:
    return [f"{_short(name)}  {_short(item)}" for name, item in pairs][:SHOWN_ITEMS]


def _words(fields: dict[bytes, bytes]) -> str:
    return " ".join(_short(word) for pair in fields.items() for word in pair)


def _short(data: bytes) -> str:
    return shown(data[:SHOWN_BYTES]) + ("…" if len(data) > SHOWN_BYTES else "")


def shown(data: bytes) -> str:
    """Bytes as text; those that are not UTF-8 as numbers."""
    return data.decode("utf-8", errors="backslashreplace")
