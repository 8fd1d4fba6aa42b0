"""What the edge asks of a region's control plane, over its Unix socket."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from flyball.core.errors import Failed, NotRunning
from flyball.local.paths import StateDirectory
from flyball.local.process import processes
from flyball.local.process.processes import Process

TIMEOUT_S = 5.0


def control_process(paths: StateDirectory) -> Process | None:
    """The region's control plane, if it runs and answers its socket."""
    try:
        record = json.loads(paths.control_file.read_text(encoding="utf-8"))
        found = Process(int(record["pid"]), int(record["started"]), str(record["boot_id"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if processes.alive(found) else None


async def application(paths: StateDirectory) -> Any:
    """What `flyball ps` tells of the region; None while its control plane does not answer."""
    try:
        return await _ask(paths, "GET", "application", timeout_s=TIMEOUT_S)
    except (NotRunning, Failed):
        return None


async def down(paths: StateDirectory) -> None:
    """Tell the region to drain and stop. Raises NotRunning when nobody hears it."""
    await _ask(paths, "POST", "down", timeout_s=60.0)


async def stream(paths: StateDirectory, *, after: int) -> AsyncIterator[Any]:
    """The region's events since that number, and each as it happens. Ends with its control plane."""
    timeout = aiohttp.ClientTimeout(total=None, sock_read=30.0)
    socket = str(paths.sockets / "control.sock")
    with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path=socket), timeout=timeout) as session,
            session.get(f"http://region/api/stream?after={after}") as response,
        ):
            async for line in response.content:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])


async def _ask(paths: StateDirectory, method: str, path: str, *, timeout_s: float) -> Any:
    try:
        connector = aiohttp.UnixConnector(path=str(paths.sockets / "control.sock"))
        async with (
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=timeout_s)) as session,
            session.request(method, f"http://region/api/{path}", json={} if method == "POST" else None) as response,
        ):
            answer = await response.json(content_type=None)
            if response.status >= 400:
                raise Failed(str(answer.get("detail", answer)))
            return answer
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
        raise NotRunning(f"the region's control plane does not answer: {error}") from error
