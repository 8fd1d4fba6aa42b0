"""Places where applications run, cleaned up afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from acceptance.running import Running

ROOT = Path(__file__).parents[2]
IGNORED = shutil.ignore_patterns(".flyball", ".venv", "__pycache__")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Makes application directories: copies of `apps/NAME` with edits, or from files given as text."""
    made: list[Running] = []

    def make(
        app: str | None = None, *, edits: dict[str, str] | None = None, files: dict[str, str] | None = None
    ) -> Running:
        directory = tmp_path / (app or f"app{len(made)}")
        if app is not None:
            shutil.copytree(ROOT / "apps" / app, directory, ignore=IGNORED)
        directory.mkdir(exist_ok=True)
        for name, text in (files or {}).items():
            (directory / name).write_text(text)
        file = directory / "flyball.toml"
        for old, new in (edits or {}).items():
            text = file.read_text()
            assert old in text, f"{old!r} is not in {file}"
            file.write_text(text.replace(old, new))
        running = Running(directory)
        made.append(running)
        return running

    yield make
    for running in made:
        running.clean_up()
