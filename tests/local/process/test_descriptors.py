"""A shell that allows few open files is enough where more may be asked for; else it is said what is needed."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

_PROGRAM = """
import resource, sys
from flyball.local.process import descriptors
if len(sys.argv) > 1:
    resource.setrlimit = lambda *_: None  # who is not root is refused
try:
    descriptors.provide()
except Exception as error:
    print(error)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("limits", "refused", "said"),
    [
        ((256, 4096), False, ["1024"]),
        ((2048, 4096), False, ["2048"]),
        ((256, 256), True, ["only 256 files may be open here, and Flyball needs 1024: allow more", "256"]),
    ],
)
def test_open_files(limits: tuple[int, int], refused: bool, said: list[str]) -> None:
    words = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *(["refused"] if refused else [])],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limits),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert [line[: len(wanted)] for line, wanted in zip(words, said, strict=True)] == said
