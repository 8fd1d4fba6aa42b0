"""Make docs/images/dashboard.png: a scale-out of the Visitor Board under load, as the dashboard shows it.

python docs/picture.py [FILE [PORT]]

Runs a copy of apps/visitor-board with `flyball up`, sends it more requests than one instance takes, waits until what
was added serves, and takes a screenshot with Chromium (Debian: apt-get install chromium; pip install --group browser).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "images" / "dashboard.png"
FLYBALL = [sys.executable, "-m", "flyball"]
QUIET_S, STAGES = 40, "20:15s,250:20s,800:60s"
SIZE = {"width": 1280, "height": 830}


def main() -> None:
    """Run, load, look, stop."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place) / "visitor-board"
        ignored = shutil.ignore_patterns(".flyball", ".venv", "__pycache__")
        shutil.copytree(ROOT / "apps" / "visitor-board", directory, ignore=ignored)
        try:
            flyball(directory, "up", "-d", "--port", sys.argv[2] if len(sys.argv) > 2 else "8080")
            load = subprocess.Popen([*FLYBALL, "load", "--stages", STAGES], cwd=directory, stderr=subprocess.DEVNULL)
            try:
                wait_for_scale_out(directory)
                picture(json.loads(flyball(directory, "ps", "--json"))["dashboard"], target)
            finally:
                load.terminate()
                load.wait()
        finally:
            flyball(directory, "down")
    print(f"{target}: {target.stat().st_size / 1000:.0f} kB")


def flyball(directory: Path, *words: str) -> str:
    """Run a verb; its stdout."""
    return subprocess.run([*FLYBALL, *words], cwd=directory, check=True, capture_output=True, text=True).stdout


def wait_for_scale_out(directory: Path) -> None:
    """Until all that is wanted serves, after the load has grown, and a while has passed for the charts."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        service: dict[str, Any] = json.loads(flyball(directory, "ps", "--json"))["services"][0]
        if 1 < service["capacity"]["desired"] == service["capacity"]["in_service"]:
            time.sleep(QUIET_S)
            return
        time.sleep(0.5)
    raise SystemExit("it did not scale out")


def picture(url: str, target: Path) -> None:
    """A screenshot of the page's first screen."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(url)
        page.locator("#why .decisions li").first.wait_for()
        page.wait_for_timeout(2500)
        target.parent.mkdir(exist_ok=True)
        page.screenshot(path=target)
        browser.close()


if __name__ == "__main__":
    main()
