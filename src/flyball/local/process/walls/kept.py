"""The network between rooms where nobody is root: a keeper has it, who lends what must be opened in it.

The keeper's record lies beside those of the other processes, so that the next control plane finds it again. What a
control plane asks the kernel through a lent socket it may ask: it is the user that owns the keeper's namespace.
"""

from __future__ import annotations

import asyncio
import marshal
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flyball.core.errors import Failed
from flyball.local.paths import StateDirectory
from flyball.local.process import logs, processes
from flyball.local.process.pulse import DEADLINE_S, Pulse

from .rooms import INSIDE
from .router import DOOR, SETTINGS, Router, furnishing

KEEPER = Path(__file__).with_name("keeper.py")
START_WITHIN_S, ANSWER_WITHIN_S = 20.0, 10.0


class Kept(Router):
    """The network of the application in `paths`, with a keeper."""

    def __init__(self, paths: StateDirectory) -> None:
        self._paths = paths
        self._record = paths.root / "keeper.json"
        self._socket_path = paths.sockets / "keeper.sock"
        self._log = paths.logs / "keeper.log"
        self.path = Path("/")
        self.users: Path | None = None
        self._pulse: Pulse | None = None
        self._find()

    def _find(self) -> bool:
        loaded = processes.load(self._record)
        if loaded is None or not processes.alive(loaded[0]):
            return False
        pid, thread = loaded[0].pid, int(loaded[1]["thread"])
        self.path, self.users = Path(f"/proc/{pid}/task/{thread}/ns/net"), Path(f"/proc/{pid}/ns/user")
        return True

    @property
    def number(self) -> int:
        """Tells this network from an earlier one; 0 when there is none."""
        return self.path.stat().st_ino if self._find() else 0

    def make(self) -> None:
        """Start the keeper unless there is one. Raises OSError when the system refuses."""
        if self._find():
            return
        self._log.unlink(missing_ok=True)
        command = [sys.executable, "-I", "-S", str(KEEPER), str(INSIDE), str(self._socket_path)]
        self._socket_path.unlink(missing_ok=True)
        keeper = processes.launch(command, {}, self._paths.root, self._log)
        try:
            processes.save(self._record, keeper, thread=self._thread(keeper))
            self._find()
            for message in furnishing():
                self.tell(message)
            for path, value in SETTINGS:
                self._asked("write", path, value)
        except BaseException:
            _end(keeper)
            raise

    def _thread(self, keeper: processes.Process) -> int:
        deadline = time.monotonic() + START_WITHIN_S
        while True:
            try:
                return int(self._asked("who")[0])
            except (FileNotFoundError, ConnectionRefusedError) as error:
                if not processes.alive(keeper) or time.monotonic() > deadline:
                    raise Failed(logs.last_line(self._log) or "the network's keeper does not start") from error
                time.sleep(0.01)

    def open(self, family: int, kind: int, protocol: int = 0) -> socket.socket:
        """A socket of this network."""
        lent = self._asked("socket", int(family), int(kind), protocol)[1]
        return socket.socket(fileno=lent)

    def carry(self, ports: Sequence[tuple[int, int, tuple[str, int] | None]]) -> None:
        """Take what arrives at (kind, port) of the door to where it is for."""
        for kind, port, to in ports:
            self._asked("carry", int(kind), DOOR, port, to)

    async def end_if_hung(self) -> None:
        """End the keeper if it runs and does not answer."""
        loaded = processes.load(self._record)
        if loaded is None or not processes.alive(loaded[0]):
            return
        if self._pulse is None or self._pulse.process != loaded[0]:
            self._pulse = Pulse(loaded[0])
        if await self._pulse.felt(self._answers):
            _end(loaded[0])

    async def _answers(self) -> bool:
        try:
            await asyncio.to_thread(self._asked, "who", within_s=DEADLINE_S)
        except OSError:
            return False
        return True

    def _asked(self, what: str, *arguments: Any, within_s: float = ANSWER_WITHIN_S) -> tuple[Any, int]:
        with socket.socket(socket.AF_UNIX) as channel:
            channel.settimeout(within_s)
            channel.connect(str(self._socket_path))
            channel.send(marshal.dumps((what, arguments)))
            said, descriptors, _, _ = socket.recv_fds(channel, 65536, 1)
        if not said:
            raise OSError("the network's keeper hung up")
        answer = marshal.loads(said)  # noqa: S302 - from our own keeper
        if isinstance(answer, list):
            raise OSError(*answer)
        return answer, descriptors[0] if descriptors else -1

    def remove(self) -> None:
        """End the keeper; what still runs in a room reaches nobody then."""
        loaded = processes.load(self._record)
        if loaded is not None and processes.alive(loaded[0]):
            _end(loaded[0])
        self._record.unlink(missing_ok=True)
        self._socket_path.unlink(missing_ok=True)


def _end(keeper: processes.Process) -> None:
    if processes.alive(keeper):
        os.kill(keeper.pid, signal.SIGKILL)
    while processes.alive(keeper):
        time.sleep(0.005)
