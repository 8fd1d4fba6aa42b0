"""A full disk: what dies meanwhile is replaced, and the balancer learns of it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from acceptance.running import Running
from acceptance.small import file, server

pytestmark = [
    pytest.mark.live,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root"),
]


@pytest.fixture
def on_small_disk(place: Callable[..., Running]) -> Iterator[Running]:
    """An application whose state is on a disk of 24 MB. Its program writes nothing, so that it bears that."""
    quiet = "print = lambda *_, **__: None\n" + server("one")
    running = place(files={"flyball.toml": file(instances="{ min = 2, max = 3 }"), "server.py": quiet})
    running.paths.root.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", running.paths.root], check=False)
    if mounted.returncode != 0:
        pytest.skip("a small disk cannot be mounted here")
    try:
        running.up()
        yield running
    finally:
        (running.paths.root / "filler").unlink(missing_ok=True)
        running.clean_up()
        subprocess.run(["umount", "-l", running.paths.root], check=True)


def fill(directory: Path) -> None:
    """Take every byte that is left."""
    with (directory / "filler").open("wb", buffering=0) as filler:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError:
                continue


def test_what_dies_on_a_full_disk_is_replaced(on_small_disk: Running) -> None:
    running = on_small_disk
    url, before = running.now()["url"], running.pids()
    balancer = running.now()["balancer"]["pid"]
    fill(running.paths.root)
    for pid in (*before.values(), balancer):
        os.kill(pid, signal.SIGKILL)

    def serves() -> bool:
        try:
            with urlopen(url, timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    running.until(serves, what="new instances serve through a new balancer")
    assert not set(running.pids().values()) & set(before.values())
