"""Command lines of the file that run to their end (`build`, `test`): in a shell, in a session of their own, logged."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from . import logs, processes
from .walls.rooms import WORK, Room

MakeRoom = Callable[[str, Mapping[str, str], Path], Room]
"""The room for a command that runs with this environment and writes below this directory."""


async def run(
    command: str,
    *,
    what: str,
    directory: Path,
    environment: Mapping[str, str],
    log: Path,
    timeout_s: float,
    record: Path | None = None,
    room: Room | None = None,
) -> str:
    """Run a command and append its output to `log`; "" when it succeeded, else one sentence that begins with `what`.

    Nothing that it started is left behind. `record`: file that identifies the process while it runs. With a `room` it
    runs inside. Raises OSError.
    """
    with log.open("ab") as output:
        output.write(f"$ {command}\n".encode())
        output.flush()
        before = output.tell()
        child = await start(
            ["/bin/sh", "-c", command], directory=directory, environment=environment, output=output, room=room
        )
        try:
            process = processes.identify(child.pid)
            if record is not None and process is not None:
                processes.save(record, process)
            async with asyncio.timeout(timeout_s):
                code = await child.wait()
        except TimeoutError:
            return f"{what} was stopped after {timeout_s:g} s"
        finally:
            await end(child)
        printed = output.seek(0, os.SEEK_END) > before
    if code == 0:
        return ""
    return f"{what} failed (exit code {code}): {logs.last_line(log) if printed else 'it printed nothing'}"


async def start(
    argv: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    output: IO[bytes] | int,
    room: Room | None = None,
) -> asyncio.subprocess.Process:
    """Start a program in a session of its own, without input. Raises OSError."""
    command = argv if room is None else [sys.executable, "-I", "-S", str(WORK), *argv]
    child = await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        env=environment if room is None else {},
        stdin=asyncio.subprocess.DEVNULL if room is None else asyncio.subprocess.PIPE,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    if room is not None:
        assert child.stdin is not None
        with contextlib.suppress(ConnectionError):  # it has ended, and said why
            child.stdin.write(room.told(environment, directory))
            await child.stdin.drain()
        child.stdin.close()
    return child


async def end(child: asyncio.subprocess.Process) -> None:
    """Kill what is left of a command, also what it started in the background."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
