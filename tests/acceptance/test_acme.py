"""`certificate = "acme"` on a whole application: issued while it serves, kept over a restart, trusted by visitors."""

from __future__ import annotations

import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from acceptance import small
from acceptance.running import Running
from authorities import needs_pebble, pebble
from flyball.local.process.ports import free_port

pytestmark = [pytest.mark.live, needs_pebble]

LISTENER = """
[listener]
tls = {{ certificate = "acme", hsts = true }}

[listener.acme]
domains   = ["localhost.test", "shop.test"]
agree     = true
email     = "ops@example.com"
directory = "{directory}"
ca        = "{ca}"
"""


def test_a_certificate_is_issued_and_kept(place: Callable[..., Running], tmp_path: Path) -> None:
    port = free_port()
    with pebble(tmp_path / "pebble", port=port) as authority:
        listener = LISTENER.format(directory=authority.directory, ca=authority.ca)
        file = small.file(instances="1").replace("python3", sys.executable) + listener
        running = place(files={"flyball.toml": file, "server.py": small.server("well")})
        running.flyball("up", "-d", "--port", str(port))
        running.until(
            lambda: running.told("certificate", "for localhost.test, shop.test, until "),
            what="a certificate is issued",
            within_s=400,
        )
        trust = ssl.create_default_context(cadata=authority.root())
    trust.check_hostname = False  # no name leads here

    def served() -> bool:
        try:
            with urllib.request.urlopen(f"https://127.0.0.1:{port}/", timeout=30, context=trust) as answer:
                assert answer.headers["strict-transport-security"] == "max-age=31536000"
                return bool(answer.read() == b"well")
        except urllib.error.URLError:  # the one before it is not trusted
            return False

    running.until(served, what="visitors get it")
    running.kill_control_plane()
    running.flyball("up", "-d")
    running.until(served, what="visitors still get it: the authority is gone")
