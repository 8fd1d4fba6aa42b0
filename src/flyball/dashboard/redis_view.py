"""A look into a Redis store that changes nothing: keys, how long they live, the beginning of their values.

The protocol is RESP2 (https://redis.io/docs/latest/develop/reference/protocol-spec/), of which a reader needs five
kinds of reply. Only the commands below are ever sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from types import TracebackType
from typing import Any, Self

from flyball.core.errors import Failed

TIMEOUT_S = 2.0
PAGE = 100  # keys looked at for one page
SHOWN_BYTES = 2_048
SHOWN_ITEMS = 50
LONGEST_REPLY = 1 << 20

Reply = Any
"""int, bytes, None, an error as `RedisError`, or a list of these."""


class RedisError(Exception):
    """The server's answer to one command was an error."""


class Connection:
    """One connection for one question; `async with`."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=LONGEST_REPLY)
        except (OSError, TimeoutError) as error:
            raise Failed(f"the Redis server on port {self._port} does not answer: {error}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def ask(self, *commands: tuple[bytes, ...]) -> list[Reply]:
        """The replies to several commands, sent together. Raises `Failed` when the server goes away or is silent."""
        try:
            self._writer.write(b"".join(_encoded(words) for words in commands))
            async with asyncio.timeout(TIMEOUT_S):
                return [await self._reply() for _ in commands]
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
            raise Failed(f"the Redis server on port {self._port} stopped answering") from error

    async def _reply(self) -> Reply:
        line = (await self._reader.readuntil(b"\r\n"))[:-2]
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return RedisError(rest.decode(errors="replace"))
        number = int(rest)
        if kind == b":":
            return number
        if number > LONGEST_REPLY:
            raise Failed(f"a part of this has {number} bytes, and more than {LONGEST_REPLY} are not shown")
        if kind == b"$":
            return None if number < 0 else (await self._reader.readexactly(number + 2))[:-2]
        return None if number < 0 else [await self._reply() for _ in range(number)]


def _encoded(words: tuple[bytes, ...]) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


async def keys(port: int, *, cursor: str, pattern: str) -> dict[str, Any]:
    """One page of keys: `{"cursor", "keys": [{"key", "id", "type", "ttl_s"}], "total"}`; the cursor "0" is the end.

    `ttl_s` None: it does not expire. `id` is the key itself in hexadecimal, since keys are bytes.
    """
    match = pattern.encode() or b"*"
    async with Connection(port) as redis:
        size, found = await redis.ask((b"DBSIZE",), (b"SCAN", cursor.encode(), b"MATCH", match, b"COUNT", b"%d" % PAGE))
        if isinstance(found, RedisError) or isinstance(size, RedisError):
            raise Failed(f"Redis refused: {found}")
        names = sorted(found[1])
        facts = await redis.ask(*(words for name in names for words in ((b"TYPE", name), (b"PTTL", name))))
    rows = [
        {"key": shown(name), "id": name.hex(), "type": shown(kind), "ttl_s": ttl / 1000.0 if ttl >= 0 else None}
        for name, kind, ttl in zip(names, facts[::2], facts[1::2], strict=True)
        if ttl != -2  # it expired in between
    ]
    return {"cursor": found[0].decode(), "keys": rows, "total": size}


_READERS: dict[bytes, tuple[tuple[bytes, ...], tuple[bytes, ...]]] = {
    b"string": ((b"STRLEN",), (b"GETRANGE", b"0", b"%d" % (SHOWN_BYTES - 1))),
    b"list": ((b"LLEN",), (b"LRANGE", b"0", b"%d" % (SHOWN_ITEMS - 1))),
    b"set": ((b"SCARD",), (b"SSCAN", b"0", b"COUNT", b"%d" % SHOWN_ITEMS)),
    b"zset": ((b"ZCARD",), (b"ZRANGE", b"0", b"%d" % (SHOWN_ITEMS - 1), b"WITHSCORES")),
    b"hash": ((b"HLEN",), (b"HSCAN", b"0", b"COUNT", b"%d" % SHOWN_ITEMS)),
    b"stream": ((b"XLEN",), (b"XRANGE", b"-", b"+", b"COUNT", b"%d" % SHOWN_ITEMS)),
}
"""Type -> how its size is asked, and its beginning; the key comes after the first word."""


async def value(port: int, key: bytes) -> dict[str, Any]:
    """`{"type", "size", "lines", "cut"}`: the beginning of a value, as lines of text. Raises `Failed` without one."""
    async with Connection(port) as redis:
        (kind,) = await redis.ask((b"TYPE", key))
        if kind not in _READERS:
            raise Failed("there is no such key" if kind == b"none" else f"a {shown(kind)} is not shown")
        size_of, begin = _READERS[kind]
        size, found = await redis.ask((size_of[0], key), (begin[0], key, *begin[1:]))
    if isinstance(found, RedisError) or isinstance(size, RedisError):
        raise Failed(f"Redis refused: {found}")
    lines = _lines(kind, found)
    whole = size <= SHOWN_BYTES if kind == b"string" else len(lines) >= size
    return {"type": shown(kind), "size": size, "lines": lines, "cut": not whole}


def _lines(kind: bytes, found: Reply) -> list[str]:
    if kind == b"string":
        return [shown(found)]
    if kind in (b"set", b"hash"):
        found = found[1]
    if kind in (b"hash", b"zset"):
        pairs = zip(found[::2], found[1::2], strict=True)
        return [f"{_short(name)}  {_short(item)}" for name, item in pairs][:SHOWN_ITEMS]
    if kind == b"stream":
        return [f"{shown(entry[0])}  {' '.join(_short(word) for word in entry[1])}" for entry in found]
    return [_short(item) for item in found][:SHOWN_ITEMS]


def _short(data: bytes) -> str:
    return shown(data[:SHOWN_BYTES]) + ("…" if len(data) > SHOWN_BYTES else "")


def shown(data: bytes) -> str:
    """Bytes as text; what is no UTF-8 as its number."""
    return data.decode("utf-8", errors="backslashreplace")
