"""The fenced blocks of a Markdown page, and what the words after the language say about them.

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
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(?P<info>[^`\n]*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block: its language, the words after it, its text and the line it begins on."""

    language: str
    key: str
    value: str
    body: str
    line: int


def blocks(path: Path) -> list[Block]:
    """Every fenced block of a page in order."""
    text = path.read_text(encoding="utf-8")
    return [_block(found, text) for found in FENCE.finditer(text)]


def pages() -> list[Path]:
    """Every tracked or new Markdown page."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / line for line in sorted(listed.stdout.splitlines()) if (ROOT / line).is_file()]


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
