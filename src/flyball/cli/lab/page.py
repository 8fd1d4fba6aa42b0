"""What a page of the workshop consists of: steps, each with prose, blocks of commands, and what it must reach.

The fenced blocks of all documentation follow one rule; the words after the language say what a block is for:

sh                run in order, one working directory and environment per page; must end with 0
sh exit: N        must end with N
sh until: TEXT    started; goes on until the page ends once it has said TEXT
sh for: N         runs for N seconds, then Ctrl-C
sh notest: WHY    not run
LANGUAGE file: F  written to F, where the page's commands are at that moment
toml              a whole flyball.toml; `toml part` is some tables of one
text              what the commands before it print, digits aside; `...` is anything; `text example` is not compared
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FENCE = re.compile(r"^```(?P<info>[^`\n]*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
REACHED = re.compile(r"^<!-- reached: (?P<name>[a-z-]+) -->\n?", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block: its language, the words after it, its text and the line it begins on."""

    language: str
    key: str
    value: str
    body: str
    line: int

    @property
    def typed(self) -> bool:
        """Whether its commands are to be typed."""
        return self.language == "sh" and self.key != "notest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One section of a page; `reached` names the check of its outcome, None without one."""

    title: str
    text: str
    reached: str | None

    @property
    def name(self) -> str:
        """Its title without its number."""
        return self.title.partition(". ")[2] or self.title

    @property
    def blocks(self) -> list[Block]:
        """Its fenced blocks in order."""
        return blocks_of(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A session: its title, what stands before the first step, and the steps."""

    title: str
    introduction: str
    steps: tuple[Step, ...]


def blocks_of(text: str) -> list[Block]:
    """Every fenced block of a Markdown text in order."""
    return [_block(found, text) for found in FENCE.finditer(text)]


def page_of(text: str) -> Page:
    """A page of the workshop."""
    head, *rest = HEADING.split(text)
    title, _, introduction = head.strip().removeprefix("# ").partition("\n")
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return Page(title=title, introduction=introduction.strip(), steps=tuple(_step(*pair) for pair in pairs))


def _step(title: str, text: str) -> Step:
    found = REACHED.search(text)
    return Step(title=title, text=REACHED.sub("", text).strip(), reached=found["name"] if found else None)


def _block(found: re.Match[str], text: str) -> Block:
    language, _, rest = found["info"].strip().partition(" ")
    key, _, value = rest.partition(":")
    return Block(
        language=language,
        key=key.strip(),
        value=value.strip(),
        body=found["body"],
        line=text.count("\n", 0, found.start()) + 1,
    )
