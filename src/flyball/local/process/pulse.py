"""Does a process that runs still answer? It is asked again and again, each time with a deadline.

One that is stopped (SIGSTOP) will not answer by itself, so its first silence counts. One that is slow gets time: it may
be busy with something long. One that waits for a core, or whose asker does, gets most: on a starved machine silence
says nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from .processes import Process, alive, stopped

DEADLINE_S = 2.0
STARVED_S = 0.3
"""So long within one deadline a process waited for a core, if its silence says nothing."""


class Silence(StrEnum):
    """What a process that did not answer was found to do."""

    STOPPED = "stopped"
    SLOW = "slow"
    STARVED = "starved"


PATIENCE_S = {Silence.STOPPED: DEADLINE_S, Silence.SLOW: 15.0, Silence.STARVED: 60.0}


def hangs(silent_s: float, silence: Silence) -> bool:
    """Whether it has been silent for too long."""
    return silent_s >= PATIENCE_S[silence]


def told(silent_s: float, silence: Silence) -> str:
    """Why it was ended, as the end of a sentence."""
    state = " because it was stopped (SIGSTOP)" if silence is Silence.STOPPED else ""
    return f"did not answer for {silent_s:.0f} s{state}"


@dataclass(slots=True)
class Pulse:
    """The pulse of one process. Only time in which it was asked counts: nobody is silent while nobody asks."""

    process: Process
    silent_s: float = 0.0
    slow: bool = False  # it was silent last, neither stopped nor without a core

    async def felt(self, answers: Callable[[], Awaitable[bool]]) -> str:
        """Ask once; why the process must be ended, "" while it need not be. `answers` keeps the deadline."""
        loop, before = asyncio.get_running_loop(), _waited_s(self.process.pid)
        since = loop.time()
        if await answers():
            self.silent_s, self.slow = 0.0, False
            return ""
        if not alive(self.process):
            return ""
        # A refusal comes at once, and our own sleep (a laptop's, a stop) is not its silence.
        self.silent_s += min(max(loop.time() - since, 0.1), DEADLINE_S)
        silence = self._silence(before)
        self.slow = silence is Silence.SLOW
        return told(self.silent_s, silence) if hangs(self.silent_s, silence) else ""

    def _silence(self, before: float) -> Silence:
        if stopped(self.process):
            return Silence.STOPPED
        starved = _waited_s(self.process.pid) - before >= STARVED_S
        return Silence.STARVED if starved else Silence.SLOW


def _waited_s(pid: int) -> float:
    """How long a process and we ourselves have waited for a core in all; 0 where the system does not tell."""
    return sum(_schedstat_s(one) for one in (pid, os.getpid()))


def _schedstat_s(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
