"""Ctrl-C in the middle of a simulation leaves nothing that looks like its report."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from waiting import until

FILE = """
name = "shop"
[services.web]
run = "serve"
routes = ["/"]
"""


@pytest.mark.live
def test_ctrl_c_leaves_no_half_report(tmp_path: Path):
    (tmp_path / "flyball.toml").write_text(FILE)
    words = ["simulate", str(tmp_path), "--stages", "1:300d", "--html", str(tmp_path / "report.html"), "--json"]
    simulating = subprocess.Popen(
        [sys.executable, "-m", "flyball", *words, "--keep", str(tmp_path / "kept")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        until((tmp_path / "kept" / ".flyball" / "journal.db").exists)
        simulating.send_signal(signal.SIGINT)
        out, _ = simulating.communicate(timeout=60)
    finally:
        simulating.kill()
        simulating.wait()

    # Python ends itself by the signal if that met code made by `exec`, as dataclasses do; for a shell both are 130.
    assert simulating.returncode in {130, -signal.SIGINT}
    assert out == b""
    assert not (tmp_path / "report.html").exists()
    assert not list((tmp_path / "kept" / ".flyball").iterdir())
