"""Watches over one process until it ends. One that runs and does not answer is ended for that."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

from flyball.core.control.lifecycle import exit_text
from flyball.core.control.observation import InstanceSeen

from .processes import Process
from .pulse import Pulse
from .watch import Watch

ASK_EVERY_S = 1.0


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
