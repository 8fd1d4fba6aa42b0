"""Runs a plan: sends what is due, reports once a second, waits for the last answers."""

from __future__ import annotations

import asyncio
import gc
import resource
import select
import selectors
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from .address import look_up
from .client import Client
from .meter import Meter
from .plan import Plan
from .result import Progress, Result

_SWEEP_S = 0.1
_BURST = 32  # requests sent in a row when late, before answers are read again
_SPARE_FILES = 100


async def run(
    plan: Plan, *, on_progress: Callable[[Progress], None] | None = None, stop: asyncio.Event | None = None
) -> Result:
    """Carry out a plan and return the result. It ends by itself, after the last answer or the last timeout.

    Setting `stop` ends it at once. Raises FileError if the address cannot be used.
    """
    address = look_up(plan.url, allow_remote=plan.allow_remote)
    meter = Meter(expect=plan.expect)
    client = Client(plan, address, meter, limit=_room_for(plan.max_outstanding))
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    started = loop.time()
    work = loop.create_task(_send_all(client, plan.due(), started))
    watch = loop.create_task(_watch(client, meter, started, on_progress))
    stopping = loop.create_task(stop.wait())
    tasks: tuple[asyncio.Task[Any], ...] = (work, watch, stopping)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        duration_s = loop.time() - started
        for task in tasks:
            if task.done():
                task.result()  # an exception in here, or in `on_progress`, is not swallowed
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await client.close()
    return meter.result(duration_s=duration_s, seed=plan.seed, stopped=stop.is_set())


def execute(plan: Plan, *, on_progress: Callable[[Progress], None] | None = None) -> Result:
    """`run` in an event loop of its own, with a finer clock; Ctrl-C stops it and returns the result so far."""

    async def main() -> Result:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, stop.set)
        try:
            return await run(plan, on_progress=on_progress, stop=stop)
        finally:
            loop.remove_signal_handler(signal.SIGINT)

    gc.collect()
    gc.freeze()  # the collector need not scan the program's own objects while requests are due
    try:
        with asyncio.Runner(loop_factory=_event_loop) as runner:
            return runner.run(main())
    finally:
        gc.unfreeze()


async def _send_all(client: Client, offsets: Iterable[float], started: float) -> None:
    loop = asyncio.get_running_loop()
    burst = 0
    for offset in offsets:
        due = started + offset
        if (early := due - loop.time()) > 0:
            burst = 0
            await asyncio.sleep(early)
        elif (burst := burst + 1) >= _BURST:
            burst = 0
            await asyncio.sleep(0)
        client.send(due)
    await client.settled()


async def _watch(client: Client, meter: Meter, started: float, on_progress: Callable[[Progress], None] | None) -> None:
    loop = asyncio.get_running_loop()
    told = started
    while True:
        await asyncio.sleep(_SWEEP_S)
        client.sweep()
        now = loop.time()
        if on_progress is not None and now - told >= 1.0:
            on_progress(meter.progress(elapsed_s=now - started, span_s=now - told, outstanding=client.outstanding))
            told = now


def _room_for(connections: int) -> int:
    """Raise this process's limit to that many connections; return how many it may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
        soft = allowed
    return max(1, min(connections, soft - _SPARE_FILES))


def _event_loop() -> asyncio.AbstractEventLoop:
    """An event loop that wakes within 0.1 ms. Python's own sleeps whole milliseconds and wakes half of one late."""
    if sys.platform != "linux":
        return asyncio.new_event_loop()
    return asyncio.SelectorEventLoop(_FineSelector())


class _FineSelector(selectors.EpollSelector):
    """Waits in `select`, which takes microseconds, for the one file that says whether epoll has anything."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout > 0:
            select.select([self.fileno()], [], [], timeout)
            timeout = 0
        return super().select(timeout)
