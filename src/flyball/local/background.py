"""Work in the background: begun and ended together, and none of it ends unseen.

What fails in a way that nobody foresaw is logged with its traceback and begun again after a pause.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import structlog

PAUSE_S = 5.0
Work = Callable[[], Coroutine[Any, Any, None]]
log = structlog.get_logger()


@contextlib.asynccontextmanager
async def background(*works: Work, pause_s: float = PAUSE_S) -> AsyncIterator[None]:
    """Do this beside what is done inside."""
    tasks = [asyncio.ensure_future(guarded(work, pause_s)) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def guarded(work: Work, pause_s: float = PAUSE_S) -> None:
    """Repeat it until it ends without an error; the caller keeps the task."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("work in the background failed and is begun again")
            await asyncio.sleep(pause_s)
        else:
            return
