"""Pebble, the test server of the ACME protocol, with a name server that leads every name to this machine."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

import waiting
from flyball.local.envoy import certificate
from flyball.local.process.ports import free_port

needs_pebble = pytest.mark.skipif(
    shutil.which("pebble") is None or shutil.which("pebble-challtestsrv") is None,
    reason="pebble is not installed (apt-get install pebble)",
)


class Authority:
    """A running Pebble, which validates at `port`. `ca` vouches for its `directory`."""

    def __init__(self, home: Path, port: int) -> None:
        self.ca, key = certificate.self_made(home)
        listens, self._manages, self._names = free_port(), free_port(), free_port()
        while len({port, listens, self._manages, self._names}) < 4:
            listens, self._manages, self._names = free_port(), free_port(), free_port()
        names = f"127.0.0.1:{free_port(exclude={port, listens, self._manages, self._names})}"
        self.directory = f"https://127.0.0.1:{listens}/dir"
        settings = {
            "listenAddress": f"127.0.0.1:{listens}",
            "managementListenAddress": f"127.0.0.1:{self._manages}",
            "certificate": self.ca,
            "privateKey": key,
            "httpPort": port,
            "tlsPort": port,
        }
        (home / "pebble.json").write_text(json.dumps({"pebble": settings}))
        self.log = home / "pebble.log"
        quiet = ["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""]
        self.commands = [
            ["pebble-challtestsrv", "-dns01", names, "-management", f"127.0.0.1:{self._names}", *quiet],
            ["pebble", "-config", str(home / "pebble.json"), "-dnsserver", names],
        ]

    def misled(self, name: str) -> None:
        """Lead a name to an address where nothing listens."""
        asked = json.dumps({"host": f"{name}.", "addresses": ["127.99.0.1"]}).encode()
        urllib.request.urlopen(f"http://127.0.0.1:{self._names}/add-a", data=asked, timeout=30).close()

    def root(self) -> str:
        """The root of the certificates that it issues."""
        address = f"https://127.0.0.1:{self._manages}/roots/0"
        with urllib.request.urlopen(address, timeout=30, context=self._trust()) as answer:
            return str(answer.read().decode())

    def answers(self) -> bool:
        """Whether it can be asked."""
        try:
            urllib.request.urlopen(self.directory, timeout=30, context=self._trust()).close()
            urllib.request.urlopen(f"http://127.0.0.1:{self._names}/dns-request-history", data=b'{"host":"a."}').close()
        except OSError:
            return False
        return True

    def _trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca)


@contextmanager
def pebble(home: Path, *, port: int) -> Iterator[Authority]:
    """An authority for as long as the block lasts."""
    home.mkdir(parents=True, exist_ok=True)
    made = Authority(home, port)
    settings = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
    with ExitStack() as ending, made.log.open("w") as log:
        for command in made.commands:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=settings)
            ending.callback(process.wait)
            ending.callback(process.kill)
        waiting.until(made.answers, what="pebble answers", story=made.log.read_text)
        yield made
