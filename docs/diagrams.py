"""Make docs/diagrams/*.svg from the text beside them.

python docs/diagrams.py MERMAID

MERMAID is the file dist/mermaid.min.js of the npm package `mermaid`. Needs Chromium (Debian: apt-get install chromium;
pip install --group browser). Each picture names the text it was made from by its hash; a test compares them.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HERE = Path(__file__).resolve().parent / "diagrams"
SETTINGS = "{startOnLoad: false, theme: 'neutral', htmlLabels: false, flowchart: {htmlLabels: false}}"


def main() -> None:
    """Draw every diagram."""
    library = Path(sys.argv[1]).read_text(encoding="utf-8")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.set_content("<!doctype html><body></body>")
        page.add_script_tag(content=library)
        page.evaluate(f"mermaid.initialize({SETTINGS})")
        for source in sorted(HERE.glob("*.mmd")):
            target = source.with_suffix(".svg")
            target.write_text(drawn(page, source), encoding="utf-8")
            print(f"{target}: {target.stat().st_size / 1000:.0f} kB")
        browser.close()


def drawn(page: Page, source: Path) -> str:
    """The picture of one text, on white, with the text's hash."""
    text = source.read_text(encoding="utf-8")
    svg: str = page.evaluate("([id, text]) => mermaid.render(id, text).then(it => it.svg)", [f"d-{source.stem}", text])
    width = re.search(r"max-width: ([\d.]+)px", svg)
    svg = svg.replace('width="100%"', f'width="{width[1]}"' if width else "", 1).replace(
        "max-width", "background: white; max-width", 1
    )
    return f"<!-- {fingerprint(text)} -->\n{svg}\n"


def fingerprint(text: str) -> str:
    """What a picture says of the text it was made from."""
    return "made from " + hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    main()
