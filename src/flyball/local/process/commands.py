"""Command lines of the file that run to their end (`build`, `test`): in a shell, in a session of their own, logged."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from . import logs, processes


async def run(
    command: str,
    *,
    what: str,
    directory: Path,
    environment: Mapping[str, str],
    log: Path,
    timeout_s: float,
    record: Path | None = None,
) -> str:
    """Run a command and append its output to `log`; "" when it succeeded, else one sentence that begins with `what`.

    Nothing that it started is left behind. `record`: file that identifies the process while it runs. Raises OSError.
    """
    with log.open("ab") as output:
        output.write(f"$ {command}\n".encode())
        output.flush()
        before = output.tell()
        child = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            command,
            cwd=directory,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
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


async def end(child: asyncio.subprocess.Process) -> None:
    """Kill what is left of a command, also what it started in the background."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    await child.wait()
