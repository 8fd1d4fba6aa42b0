"""Does an instance that is not ready listen on another port, or lack the health path? Then waiting will hardly help."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import psutil

LOOK_EVERY_S = 0.5
_LISTENS = "0A"


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
    found = _in_its_network(pid)
    try:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            found |= {held.laddr.port for held in one.net_connections("tcp") if held.status == psutil.CONN_LISTEN}
    except psutil.Error:  # it ended meanwhile
        return set()
    return found


def _in_its_network(pid: int) -> set[int]:
    """In a network of its own everything that listens is the program's."""
    try:
        if os.path.samefile(f"/proc/{pid}/ns/net", "/proc/self/ns/net"):  # noqa: PTH121 - links that lead nowhere
            return set()
        rows = [row.split() for row in Path(f"/proc/{pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    except OSError:  # it ended meanwhile, or there is no /proc
        return set()
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == _LISTENS}
