"""What the pages show is true: files parse, links lead somewhere, and little is left untested."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import pytest

import toml_text
from flyball.core.control.reasons import ReasonKind
from flyball.core.manifest import parse
from pages import ROOT, Block, blocks, pages

PAGES = pages()
SH_KEYS = {"", "exit", "until", "for", "notest"}
# Commands that no test can run, and why: keep this list short.
NOT_RUN = {
    "tests/acceptance/test_regions.py does this": {"docs/how-to/regions.md"},
    "it checks everything, this page included": {"CONTRIBUTING.md", "README.md", "tests/README.md"},
    "needs systemd and root": {"docs/how-to/survive-a-reboot.md"},
    "needs an AWS account": {"docs/how-to/move-to-aws.md", "docs/workshop/on-aws.md"},
    "needs root": {"docs/workshop/exercises.md"},
}
LINK = re.compile(r"\[[^\]]*\]\((?!https?://|mailto:)(?P<to>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")


def shown(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def found(language: str) -> list[Any]:
    return [
        pytest.param(page, block, id=f"{shown(page)}:{block.line}")
        for page in PAGES
        for block in blocks(page)
        if block.language == language
    ]


@pytest.mark.parametrize(("page", "block"), found("toml"))
def test_files_on_pages_are_good(page: Path, block: Block) -> None:
    text = block.body if block.key != "part" else completed(block.body)

    parse(text, filename=shown(page), timezones=available_timezones())


@pytest.mark.parametrize(("page", "block"), found("sh"))
def test_commands_are_run_or_the_reason_is_listed(page: Path, block: Block) -> None:
    assert block.key in SH_KEYS
    if block.key == "notest":
        assert shown(page) in NOT_RUN[block.value]


def test_no_reason_outlives_its_commands() -> None:
    left_out = {(one.value, shown(page)) for page in PAGES for one in blocks(page) if one.key == "notest"}
    listed = {(why, page) for why, of in NOT_RUN.items() for page in of if (ROOT / page).exists()}

    assert listed == left_out


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.finditer(page.read_text(encoding="utf-8")):
        target = (page.parent / link["to"]).resolve() if link["to"] else page
        assert target.exists(), f"{link[0]} leads nowhere"
        if link["anchor"] and target.suffix == ".md":
            assert link["anchor"] in anchors(target), f"{link[0]}: there is no such heading"


def test_every_kind_of_event_is_named() -> None:
    (line,) = re.findall(r"^`kind` is one of (.*)\.$", (ROOT / "docs/reference/cli.md").read_text(), re.MULTILINE)

    assert line.split(", ") == [f"`{kind}`" for kind in ReasonKind]


def test_every_benchmark_has_a_row() -> None:
    modules = [
        path.stem
        for path in (ROOT / "benchmarks").glob("*.py")
        if re.search(rf"^python -m benchmarks\.{path.stem}\b", path.read_text(), re.MULTILINE)
    ]
    rows = re.findall(r"^\| `python -m benchmarks\.(\w+)", (ROOT / "benchmarks/README.md").read_text(), re.MULTILINE)

    assert modules
    assert sorted(rows) == sorted(modules)


@pytest.mark.parametrize("page", [page for page in PAGES if page.is_relative_to(ROOT / "docs")], ids=shown)
def test_a_page_says_what_it_is_for_before_anything_else(page: Path) -> None:
    heading, first = [line for line in page.read_text(encoding="utf-8").splitlines() if line.strip()][:2]

    assert heading.startswith("# ")
    assert re.match(r"[A-Z`*]", first), f"{shown(page)} begins with {first!r}"


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = {(ROOT / "docs" / link["to"]).resolve() for link in LINK.finditer(index)}
    here = {page for page in PAGES if page.is_relative_to(ROOT / "docs") and page.name != "README.md"}
    in_folders = {page for page in here if page.parent in linked}

    assert here - in_folders <= linked


def anchors(page: Path) -> set[str]:
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


def completed(part: str) -> str:
    """Some tables of a file, made whole: a name, a service with a program, the stores that are used."""
    document: dict[str, Any] = tomllib.loads(part)
    document.setdefault("name", "shop")
    services = document.setdefault("services", {"web": {}})
    for name, service in services.items():
        service.setdefault("run", "python3 app.py")
        service.setdefault("routes", ["/" if len(services) == 1 else f"/{name}"])
        for store in service.get("stores", ()):
            document.setdefault("stores", {}).setdefault(store, {"kind": "bucket"})
    if document.get("stores") and not any(one.get("stores") for one in services.values()):
        next(iter(services.values()))["stores"] = sorted(document["stores"])
    return toml_text.dump(document)
