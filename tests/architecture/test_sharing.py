"""Tests that share something run in one process of several, and the others wherever there is room."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"
FILES = ("acceptance/test_one.py", "acceptance/test_smuggling.py", "aws/test_one.py", "aws/test_two.py", "test_one.py")
# Each waits for a moment, so that the other process gets its turn.
TESTS = "import threading\n" + "".join(f"def test_{n}(): threading.Event().wait(0.1)\n" for n in range(4))


@pytest.mark.live
def test_a_group_runs_in_one_process(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / "tests" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tests" / name).write_text(TESTS)
    shutil.copy(CONFTEST, tmp_path / "tests")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --import-mode=importlib -p no:cacheprovider\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-n", "2"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    ran = re.findall(r"\[(gw\d)\] .* PASSED tests/(\S+?)::", done.stdout)
    places: dict[str, set[str]] = {}
    for process, name in ran:
        places.setdefault("aws" if name.startswith("aws/") else name, set()).add(process)

    assert len(ran) == 4 * len(FILES)
    assert {name: len(where) for name, where in places.items()} == {
        "acceptance/test_one.py": 2, "acceptance/test_smuggling.py": 1, "aws": 1, "test_one.py": 1,
    }  # fmt: skip
