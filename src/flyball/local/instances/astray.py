"""Does an instance that is not ready listen on another port, or lack the health path? Then waiting will hardly help."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import psutil

LOOK_EVERY_S = 0.5


@dataclass(slots=True)
class Doubt:
    """What was wrong at the last look. Only what is wrong twice is said: a server may be on its way to its port."""

    wrong: str = ""
    looked_at: float = 0.0

    async def sure(self, pid: int, port: int, path: str, answer: int | str) -> str:
        """What is wrong for the second time, or "". `answer` is that of the newest probe."""
        now = asyncio.get_running_loop().time()
        if now - self.looked_at < LOOK_EVERY_S:
            return ""
        before, self.looked_at = self.wrong, now
        self.wrong = await asyncio.to_thread(_wrong, pid, port, path, answer)
        return self.wrong if self.wrong == before else ""


def _wrong(pid: int, port: int, path: str, answer: int | str) -> str:
    if isinstance(answer, int):
        return f"{path} answered {answer}: set `health` to a path that it has" if 400 <= answer < 500 else ""
    others = sorted(listening(pid) - {port})
    return f"it listens on {others[0]}, not on $PORT ({port})" if others and port not in listening(pid) else ""


def listening(pid: int) -> set[int]:
    """The ports that a process and its children listen on."""
    found: set[int] = set()
    try:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            found |= {held.laddr.port for held in one.net_connections("tcp") if held.status == psutil.CONN_LISTEN}
    except psutil.Error:  # it ended meanwhile
        return set()
    return found
