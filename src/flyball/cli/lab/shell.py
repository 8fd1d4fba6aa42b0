"""A shell that goes from block to block: each begins in the directory and with the variables that the last one left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import IO

PATIENCE_S = 60.0


class Shell:
    """`state` is where the directory and the variables are kept, also from one run of this program to the next."""

    def __init__(self, state: Path, *, begin: Path) -> None:
        self._cwd, self._variables, self._saved = state / "cwd", state / "env", state / "saved"
        self._saved.mkdir(parents=True, exist_ok=True)
        if not self._cwd.is_file():
            self._cwd.write_text(f"{begin}\n", encoding="utf-8")
            self._variables.write_text("", encoding="utf-8")
            self.save()

    def save(self) -> None:
        """Remember directory and variables as they are now."""
        for file in (self._cwd, self._variables):
            shutil.copy(file, self._saved)

    def rewind(self) -> None:
        """Go back to what was saved last."""
        for file in (self._cwd, self._variables):
            shutil.copy(self._saved / file.name, file)

    @property
    def here(self) -> Path:
        """The directory that the next commands begin in."""
        return Path(self._cwd.read_text(encoding="utf-8").strip())

    def export(self, line: str) -> None:
        """Set a variable of all blocks to come, such as `PATH="/opt:$PATH"`."""
        with self._variables.open("a", encoding="utf-8") as out:
            out.write(f"export {line}\n")

    def start(self, commands: str, out: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
        """Start commands in a session of their own; what they print goes to `out`, by default to ours."""
        cwd, variables = self._cwd, self._variables
        head = f"cd \"$(cat '{cwd}')\"\n. '{variables}'\ntrap 'pwd > \"{cwd}\"; export -p > \"{variables}\"' EXIT\n"
        return subprocess.Popen(
            ["bash", "-c", f"{head}set -e\n{commands}"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=None if out is None else subprocess.STDOUT,
            start_new_session=True,
            env={"COLUMNS": "120", **os.environ},
        )


def interrupt(process: subprocess.Popen[bytes], *, patience_s: float = PATIENCE_S) -> None:
    """Ctrl-C for commands and all that they started; what does not listen is killed."""
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(timeout=patience_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
