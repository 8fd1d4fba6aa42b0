"""The end of a process, seen as it comes, and signals that never reach another one.

The process is no child of ours: its end is seen through a pidfd, which works for any process (Linux 5.3), elsewhere by
looking.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import struct
import sys

from .processes import Process, alive, boot_id, is_zombie, started_at, stat

LOOK_EVERY_S = 0.1

# include/uapi/linux/pidfd.h: _IOWR(0xFF, 11, struct pidfd_info of 64 bytes); exit codes since Linux 6.15.
_PIDFD_GET_INFO = 0xC040FF0B
_PIDFD_INFO_EXIT = 1 << 3
_PIDFD_INFO = struct.Struct("=QQ11Ii")


class Watch:
    """Sees the end of one process and signals it safely. Close it; it holds a descriptor."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._descriptor = _open_pidfd(process)
        self._ended = self._descriptor is None and not alive(process)
        self._code: int | None = None
        self._end = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def exited(self) -> bool:
        """Whether the process has ended."""
        if not self._ended and not alive(self.process):
            self._see_end()
        return self._ended

    async def wait(self) -> None:
        """Return when the process has ended."""
        if self.exited:
            return
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            if self._descriptor is not None:
                self._loop.add_reader(self._descriptor, self._see_end)
            else:
                self._look()
        await self._end.wait()

    def signal(self, number: int) -> bool:
        """Send a signal to this very process. False when it has ended."""
        if self.exited:
            return False
        try:
            if self._descriptor is not None:
                signal.pidfd_send_signal(self._descriptor, number)
            else:
                os.kill(self.process.pid, number)
        except ProcessLookupError:
            return False
        return True

    def signal_group(self, number: int) -> bool:
        """Send a signal to the process and to what it started that stayed in its group. False when none is left.

        A group keeps its number from being reused, so its leader may be gone; another process must not have its pid.
        """
        if self.process.boot_id != boot_id() or started_at(self.process.pid) not in {None, self.process.started}:
            return False
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return False
        return True

    def exit_code(self) -> int | None:
        """The program's exit code, negative for a signal; None while it runs and when the system cannot tell."""
        if self.exited and self._code is None:
            self._code = self._read_code()
        return self._code

    def close(self) -> None:
        """Stop watching. The process is left alone."""
        self._stop_waiting()
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _look(self) -> None:
        assert self._loop is not None
        if not self.exited:
            self._timer = self._loop.call_later(LOOK_EVERY_S, self._look)

    def _see_end(self) -> None:
        self._ended = True
        if self._code is None:
            self._code = self._read_code()
        self._stop_waiting()
        self._end.set()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._loop is not None and self._descriptor is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._descriptor)
        self._loop = None

    def _read_code(self) -> int | None:
        """From the zombie while init has not collected it, afterwards from the pidfd where the kernel keeps it."""
        fields = stat(self.process.pid) if sys.platform == "linux" else None
        if fields and int(fields[19]) == self.process.started and is_zombie(fields):
            return os.waitstatus_to_exitcode(int(fields[49]))
        if self._descriptor is None:
            return None
        answer = bytearray(_PIDFD_INFO.size)
        _PIDFD_INFO.pack_into(answer, 0, _PIDFD_INFO_EXIT, *([0] * 13))
        try:
            fcntl.ioctl(self._descriptor, _PIDFD_GET_INFO, answer)
        except OSError:
            return None
        mask, *_, status = _PIDFD_INFO.unpack(answer)
        return os.waitstatus_to_exitcode(status) if mask & _PIDFD_INFO_EXIT else None


def _open_pidfd(process: Process) -> int | None:
    """A pidfd of this very process, also when it is a zombie; None when it is gone, or the system has no pidfds."""
    if process.boot_id != boot_id() or not hasattr(os, "pidfd_open"):
        return None
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        return None
    # Compared after opening: from here on the descriptor cannot come to mean another process.
    if started_at(process.pid) != process.started:
        os.close(descriptor)
        return None
    return descriptor


def end_group(process: Process) -> None:
    """SIGKILL a process, if it still is this very one, and what it started that stayed in its group."""
    watch = Watch(process)
    watch.signal_group(signal.SIGKILL)
    watch.close()
