"""The product's own command, run as a user runs it, in a directory that is cleared away."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, Stage, stage

FLYBALL = [sys.executable, "-m", "flyball"]
COMMAND_S = 300


@contextmanager
def application(source: Path | None, manifest: str | None = None) -> Iterator[tuple[Stage, Path]]:
    """A copy of an application's directory, or an empty one with this manifest; brought down at the end."""
    with stage() as here:
        directory = here.directory / "app"
        if source is None:
            directory.mkdir()
        else:
            shutil.copytree(source, directory, ignore=shutil.ignore_patterns(".flyball", ".venv", "__pycache__"))
        if manifest is not None:
            (directory / "flyball.toml").write_text(manifest)
        try:
            yield here, directory
        finally:
            if (directory / ".flyball").exists():
                subprocess.run([*FLYBALL, "down"], cwd=directory, capture_output=True, timeout=COMMAND_S, check=False)


def flyball(directory: Path, *words: str, may_fail: bool = False) -> str:
    """Run a verb and return its stdout; exits with its talk when it fails and may not."""
    done = subprocess.run(
        [*FLYBALL, *words], cwd=directory, capture_output=True, text=True, timeout=COMMAND_S, check=False
    )
    if done.returncode and not may_fail:
        raise SystemExit(f"flyball {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def processes(directory: Path) -> dict[str, Any]:
    """What `flyball ps --json` says."""
    said: dict[str, Any] = json.loads(flyball(directory, "ps", "--json"))
    return said


def board() -> Path:
    """The Visitor Board's directory."""
    return ROOT / "apps" / "visitor-board"
