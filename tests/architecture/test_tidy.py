"""The house rules that no linter knows: sizes, banned names, nothing of this machine in the files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PYTHON = sorted((ROOT / "src").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
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


def test_nothing_is_patched() -> None:
    patching = [
        path
        for path in (*PYTHON, *TESTS)
        if path != Path(__file__) and re.search(r"monkeypatch|unittest.*mock|mock\.patch|mocker", path.read_text())
    ]

    assert not patching


# Where time passes because that is what the test is about; everything else waits for what it needs (tests/waiting.py).
SLEEPS = {
    "tests/waiting.py": "between two looks",
    "tests/dashboard/pretend.py": "the clock of a pretended control plane",
    "tests/load/test_generator.py": "servers that are late, by their script",
    "tests/local/envoy/envoy_rig.py": "an instance that answers /slow after a while",
    "tests/local/envoy/test_envoy_changes.py": "requests that come about when the app closes its connections",
    "tests/local/stores/test_stores.py": "Redis flushes by the clock",
}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            yield node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id, node


def sleeps(path: Path) -> bool:
    """Whether a file sleeps; `asyncio.sleep(0)` only lets others run."""
    found = [node for name, node in calls(ast.parse(path.read_text())) if name == "sleep"]
    return any(not (isinstance(node.args[0], ast.Constant) and node.args[0].value == 0) for node in found)


def test_no_test_sleeps() -> None:
    assert {str(path.relative_to(ROOT)) for path in TESTS if sleeps(path)} == set(SLEEPS)


def test_no_test_asserts_how_long_something_took() -> None:
    """That is for benchmarks: a test would fail on a busy machine."""
    asserting = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in TESTS
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Assert) and {"monotonic", "perf_counter"} & {name for name, _ in calls(node)}
    ]

    assert not asserting


@pytest.mark.parametrize(
    "line",
    [
        "import datetime as dt\nNOW = dt.datetime.now(dt.UTC)\n",
        "from datetime import UTC, datetime\nNOW = datetime.now(UTC)\n",
        "from datetime import date\nTODAY = date.today()\n",
    ],
)
def test_core_cannot_read_the_clock(line: str) -> None:
    """The linter refuses what `datetime` knows of now; the import contracts refuse `time`."""
    ruff = Path(sys.executable).with_name("ruff")
    words = [ruff, "check", "--select", "TID251", "--stdin-filename", ROOT / "src/flyball/core/probe.py", "-"]
    done = subprocess.run(words, input=line, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "TID251" in done.stdout
    assert "core is told the time" in done.stdout


def test_nothing_of_this_machine_is_in_the_files() -> None:
    found = []
    for path in tracked():
        if path == Path(__file__) or path.suffix in {".png", ".gz", ".woff2", ".db"}:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if BANNED_TEXT.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}")

    assert not found, "\n".join(found)


# The most lines, docstrings and the file's own words included. They fall: who needs more takes away as much first.
CEILINGS = {("core",): 11_600, ("core/control", "core/model"): 6_550}


@pytest.mark.parametrize("packages", CEILINGS, ids="+".join)
def test_core_is_readable_in_an_afternoon(packages: tuple[str, ...]) -> None:
    modules = [path for package in packages for path in (ROOT / "src/flyball" / package).rglob("*.py")]

    assert sum(len(path.read_text().splitlines()) for path in modules) <= CEILINGS[packages]


def test_local_has_few_rooms_and_few_arrows_between_them() -> None:
    """A room is a package or module right under `local`; an arrow is that one imports from another."""
    graph = grimp.build_graph("flyball")
    rooms = graph.find_children("flyball.local")
    arrows = {
        (of, to)
        for of, to in permutations(rooms, 2)
        if graph.direct_import_exists(importer=of, imported=to, as_packages=True)
    }

    assert len(rooms) <= 20
    assert len(arrows) <= 60, sorted(arrows)


def test_what_has_no_type_is_rare() -> None:
    untyped = [line for path in PYTHON for line in path.read_text().splitlines() if "dict[str, Any]" in line]

    assert len(untyped) <= 30, untyped
