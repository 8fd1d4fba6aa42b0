"""Watches over one process until it ends, and starts it again. One that runs and does not answer is ended for that."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

import structlog

from flyball.core.control.lifecycle import exit_text
from flyball.core.control.observation import InstanceSeen
from flyball.core.errors import FlyballError

from .processes import Process
from .pulse import Pulse
from .watch import Watch

ASK_EVERY_S = 1.0
LASTED_S = 60.0  # one that ran so long is started again without a pause
LONGEST_PAUSE_S = 5.0

log = structlog.get_logger()


async def ended(process: Process, answers: Callable[[], Awaitable[bool]]) -> str:
    """Wait for its end, and ask it for life meanwhile; how it ended, as the end of a sentence."""
    watch, pulse, hung = Watch(process), Pulse(process), ""
    waiting = asyncio.ensure_future(watch.wait())
    try:
        while not waiting.done():
            await asyncio.wait({waiting}, timeout=ASK_EVERY_S)
            if not waiting.done() and not hung:
                hung = await pulse.felt(answers)
                if hung:
                    watch.signal(signal.SIGKILL)
        return f"{hung} and was ended" if hung else exit_text(InstanceSeen(id="", exit_code=watch.exit_code()))
    finally:
        waiting.cancel()
        watch.close()


async def end(process: Process) -> None:
    """End a process that has nothing to lose, and wait until it is gone."""
    watch = Watch(process)
    try:
        watch.signal(signal.SIGKILL)
        await watch.wait()
    finally:
        watch.close()


async def started_again(
    died: str, start: Callable[[], Awaitable[None]], tell: Callable[[bool, str], None], *, pause_s: float
) -> float:
    """Start what `died`, for as long as that takes; how long to pause when it dies once more.

    `tell` is told whether it runs: once when it cannot be started, and when it has been.
    """
    told = False
    while True:
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s + 0.2, LONGEST_PAUSE_S)  # one that keeps dying must not spin
        try:
            await start()
        except (FlyballError, OSError) as error:  # a full disk, above all: it may be free again in a moment
            log.warning("what died cannot be started", what=died, error=str(error))
            if not told:
                tell(False, f"{died} and cannot be started: {error}")
            told = True
        else:
            tell(True, f"{died}; it was started again")
            return pause_s
