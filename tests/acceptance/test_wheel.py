"""The built wheel on a bare machine: `uv tool install` (as `pipx install`) gives a `flyball` that works by itself."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import uv

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.live


def done(*words: str | Path, directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    found = subprocess.run(
        words, cwd=directory, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout + found.stderr
    return found


@pytest.fixture(scope="module")
def installed() -> Iterator[Path]:
    """The command of a wheel that was built and installed as a tool, away from this checkout."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        done(uv.find_uv_bin(), "build", "--quiet", "--wheel", "--out-dir", home, ROOT, directory=home)
        [wheel] = home.glob("flyball-*.whl")
        tools = {"UV_TOOL_DIR": str(home / "tools"), "UV_TOOL_BIN_DIR": str(home / "bin")}
        fixed = ("--constraints", ROOT / "constraints.txt")
        done(uv.find_uv_bin(), "tool", "install", "--quiet", *fixed, wheel, directory=home, **tools)
        yield home / "bin" / "flyball"


def test_a_file_is_written_and_found_good(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")

    assert "found Flask (app.py)" in done(installed, "init", directory=tmp_path).stderr
    assert "flyball.toml is valid" in done(installed, "check", directory=tmp_path).stderr
    schema = json.loads(done(installed, "schema", directory=tmp_path).stdout)
    assert schema == json.loads((tmp_path / "flyball.schema.json").read_text())


@pytest.mark.parametrize("example", ["visitor-board", "session-app", "forum"])
def test_the_examples_are_in_it(installed: Path, tmp_path: Path, example: str) -> None:
    done(installed, "init", ".", "--example", example, directory=tmp_path)

    assert "flyball.toml is valid" in done(installed, "check", directory=tmp_path).stderr


def test_the_dashboard_and_the_programs_it_needs_are_in_it(installed: Path, tmp_path: Path) -> None:
    told = done(installed, "doctor", "--json", directory=tmp_path).stdout
    found = {one["name"]: one["ok"] for one in json.loads(told)}
    assert found["Python"]
    assert found["Envoy"]
    package = next((installed.parents[1] / "tools").glob("flyball/lib/python*/site-packages/flyball"))
    assert (package / "dashboard" / "static" / "index.html").is_file()
