"""One health request to one instance, before the balancer knows it."""

from __future__ import annotations

import asyncio

from flyball.local.process.walls.address import Address


async def probe(at: Address, path: str, *, timeout_s: float) -> int | str:
    """The status that `path` answers with, or a few words why there is none."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _status(at, path)
    except TimeoutError:
        return f"no answer on {path} within {timeout_s:g} s"
    except ConnectionRefusedError:
        return f"nothing listens on port {at.port}"
    except (OSError, ValueError, IndexError) as error:
        return f"no HTTP answer on {path}: {error or type(error).__name__}"


async def _status(at: Address, path: str) -> int:
    reader, writer = await at.connect()
    try:
        request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{at.port}\r\nUser-Agent: flyball\r\nConnection: close\r\n\r\n"
        )
        writer.write(request.encode())
        line = await reader.readline()
        return int(line.split(b" ", 2)[1])
    finally:
        writer.close()
