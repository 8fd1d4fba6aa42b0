"""One word per thing: pages, comments and messages avoid what docs/glossary.md says never to say."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from pages import ROOT, pages

GLOSSARY = ROOT / "docs" / "glossary.md"
# The words of the glossary's last column that can mean only one thing here, in all their forms.
NEVER = {
    "adopt": r"(re-?)?adopt(s|ed|ing|ion)?",
    "complaint": r"complaints?",
    "drain timeout": r"drain timeouts?",
    "kill timeout": r"kill timeouts?",
    "mistake": r"mistakes?",
    "passage": r"passages?",
    "recording": r"((a|each|the|this) recording|recordings)",
    "refusal to decide": r"refusals? to (act|decide|scale)",
    "scale down": r"scal(e|es|ed|ing) down",
    "scale up": r"scal(e|es|ed|ing) up",
    "scaling rule": r"scaling rules?",
    "setpoint": r"setpoints?",
    "soak": r"soak(s|ed|ing)?",
    "step rule": r"step rules?",
    "take back": r"(take|takes|taken|taking|took) (it |itself |them |themselves )?back",
    "trial": r"trials?",
}
# Where comments and messages still have some of these words: remove a word here when it is gone there.
EXEMPT = {
    "src/flyball/aws/": {"mistake"},
    "src/flyball/core/arrivals.py": {"recording"},
    "src/flyball/core/control/": {"refusal to decide", "take back"},
    "src/flyball/core/manifest/": {"complaint"},
    "src/flyball/local/": {"complaint", "mistake"},
}
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`|\]\([^)]*\)", re.DOTALL | re.MULTILINE)

FILLED = re.compile(r"\{[^{}]*\}|`[^`\n]*`")  # of f-strings and docstrings: names in the code


def found(text: str) -> Iterator[str]:
    """Each word of `text` that is never to be said."""
    return (word for word, forms in NEVER.items() if re.search(rf"\b{forms}\b", text, re.IGNORECASE))


def said(path: Path) -> Iterator[str]:
    """What a file says: a page without its code, or the comments and strings of a module."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield CODE.sub("", text)
    elif path.suffix == ".toml":
        yield text
    else:
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        yield from (FILLED.sub("", one.string) for one in tokens if one.type in {tokenize.COMMENT, tokenize.STRING})


def files() -> list[Path]:
    code = [
        path for folder in ("src", "apps") for kind in ("py", "toml") for path in (ROOT / folder).rglob(f"*.{kind}")
    ]
    own = [path for path in code if not {".venv", ".flyball", "node_modules"} & set(path.parts)]
    return sorted([*own, *(page for page in pages() if page != GLOSSARY)])


def exempt(path: Path) -> set[str]:
    name = path.relative_to(ROOT).as_posix()
    return {word for folder, words in EXEMPT.items() if name.startswith(folder) for word in words}


@pytest.mark.parametrize("path", files(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_says_what_is_never_to_be_said(path: Path) -> None:
    wrong = {word for text in said(path) for word in found(text)} - exempt(path)

    assert not wrong, f"docs/glossary.md has other words for {', '.join(sorted(wrong))}"


def test_no_exemption_outlives_its_words() -> None:
    for folder, words in EXEMPT.items():
        within = [path for path in files() if path.relative_to(ROOT).as_posix().startswith(folder)]
        used = {word for path in within for text in said(path) for word in found(text)}
        assert words <= used, f"{folder}: {', '.join(sorted(words - used))}"


def test_the_glossary_lists_every_word() -> None:
    rows = [line.split("|") for line in GLOSSARY.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    listed = {word.strip() for row in rows for word in row[4].split(",")}

    assert listed >= NEVER.keys()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Every mistake at once, and instances that it re-adopted.", ["adopt", "mistake"]),
        ("A canary that takes itself back under a Scaling rule.", ["scaling rule", "take back"]),
        ("It scales out; a listener rule keeps its number, and the rollout is rolled back.", []),
    ],
)
def test_forms_of_a_word_are_found(text: str, words: list[str]) -> None:
    assert sorted(found(text)) == words
