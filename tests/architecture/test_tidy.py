"""The house rules that no linter knows: sizes, banned names, nothing of this machine in the files."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = sorted((ROOT / "src").rglob("*.py"))
BANNED_MODULES = {"util", "utils", "helper", "helpers", "common", "manager", "misc", "handler"}
# Hosts of package registries, and places of the machine that something was written on.
BANNED_TEXT = re.compile(r"pypi\.org|pythonhosted\.org|registry\.npmjs\.org|deb\.debian\.org|/work/|/root/")


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).is_file()]


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_modules_stay_small(path: Path) -> None:
    limit = 200 if "core/control" in path.as_posix() else 400

    assert len(path.read_text().splitlines()) <= limit


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_functions_stay_small(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 70, f"{path.name}: {node.name} has {length} lines"


def test_no_module_is_called_after_nothing() -> None:
    assert not [path for path in PYTHON if path.stem in BANNED_MODULES]


def test_no_test_patches_anything() -> None:
    patching = [
        path
        for path in (ROOT / "tests").rglob("*.py")
        if path != Path(__file__) and re.search(r"monkeypatch|mock\.patch|mocker", path.read_text())
    ]

    assert not patching


def test_nothing_of_this_machine_is_in_the_files() -> None:
    found = []
    for path in tracked():
        if path == Path(__file__) or path.suffix in {".png", ".gz", ".woff2", ".db"}:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if BANNED_TEXT.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")

    assert not found, "\n".join(found)


def test_core_is_readable_in_an_afternoon() -> None:
    lines = sum(len(path.read_text().splitlines()) for path in (ROOT / "src/flyball/core").rglob("*.py"))

    assert lines <= 7_000  # docstrings and the file's own words included
