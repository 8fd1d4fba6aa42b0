"""One health request to one instance, before the balancer knows it."""

from __future__ import annotations

import asyncio


async def probe(port: int, path: str, *, timeout_s: float) -> int | str:
    """The status that `path` answers with on 127.0.0.1:`port`, or a few words why there is none."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _status(port, path)
    except TimeoutError:
        return f"no answer on {path} within {timeout_s:g} s"
    except ConnectionRefusedError:
        return f"nothing listens on port {port}"
    except (OSError, ValueError, IndexError) as error:
        return f"no HTTP answer on {path}: {error or type(error).__name__}"


async def _status(port: int, path: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: flyball\r\nConnection: close\r\n\r\n"
        writer.write(request.encode())
        line = await reader.readline()
        return int(line.split(b" ", 2)[1])
    finally:
        writer.close()
