"""Every command of every page is run, in order, as a reader would type it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from flyball.cli.lab.walk import SESSIONS
from page_runs import PageRun, pattern
from pages import ROOT, blocks, pages

BY_THE_LAB = {ROOT / "docs" / "workshop" / f"{name}.md" for name in SESSIONS}  # tests/acceptance/test_lab.py
RUN = [page for page in pages() if page not in BY_THE_LAB and any(one.typed for one in blocks(page))]
NEEDED = {"docs/how-to/run-another-language.md": "node"}
"""Pages whose commands need a program that Flyball does not bring."""


def case(page: Path):
    name = str(page.relative_to(ROOT))
    program = NEEDED.get(name)
    missing = program is not None and shutil.which(program) is None
    return pytest.param(page, id=name, marks=pytest.mark.skipif(missing, reason=f"{program} is not installed"))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[PageRun]:
    made = PageRun(tmp_path)
    yield made
    made.clean_up()


@pytest.mark.live
@pytest.mark.parametrize("page", [case(page) for page in RUN])
def test_the_commands_of_a_page_do_what_it_says(page: Path, run: PageRun) -> None:
    for block in blocks(page):
        run.follow(block)


def test_a_shown_line_matches_whatever_its_digits() -> None:
    assert pattern("web-1  0.3 s ...") == r"web\-[\d.:-]+\s+[\d.:-]+\s+s\s+.*"
