"""What others wrote is shipped exactly as they published it, and nothing else is."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import flyball.dashboard

STATIC = Path(flyball.dashboard.__file__).parent / "static"
VENDORED = tomllib.loads((STATIC / "vendor" / "VENDOR.toml").read_text())["file"]


def test_every_vendored_file_has_its_version_licence_and_checksum():
    for entry in VENDORED:
        assert entry["version"]
        assert entry["licence"] == "MIT"
        assert hashlib.sha256((STATIC / "vendor" / entry["name"]).read_bytes()).hexdigest() == entry["sha256"]


def test_nothing_else_lies_among_them():
    listed = {entry["name"] for entry in VENDORED} | {"VENDOR.toml"}

    assert {path.name for path in (STATIC / "vendor").iterdir()} == listed


def test_our_own_scripts_never_make_html_from_text_nor_reach_outside():
    for path in STATIC.glob("*.*"):
        text = path.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            path
        )
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), path
