"""The Markdown pages of the project and their fenced blocks; flyball/cli/lab/page.py says what the blocks mean."""

from __future__ import annotations

import subprocess
from pathlib import Path

from flyball.cli.lab.page import Block, blocks_of

__all__ = ["ROOT", "Block", "blocks", "pages"]
ROOT = Path(__file__).parents[1]


def blocks(path: Path) -> list[Block]:
    """Every fenced block of a page in order."""
    return blocks_of(path.read_text(encoding="utf-8"))


def pages() -> list[Path]:
    """Every tracked or new Markdown page."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / line for line in sorted(listed.stdout.splitlines()) if (ROOT / line).is_file()]
