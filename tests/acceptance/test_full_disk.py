"""A full disk: what dies meanwhile is replaced, whatever it writes, and the balancer learns of it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from acceptance.running import Running
from acceptance.small import file, server
from flyball.cli.client import Control

pytestmark = [
    pytest.mark.live,
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root"),
]


@pytest.fixture
def on_small_disk(place: Callable[..., Running]) -> Iterator[Running]:
    """An application whose state is on a disk of 24 MB. Its program ends when it cannot write its log."""
    loud = server("one").replace("pass", 'print("asked", flush=True)')
    running = place(files={"flyball.toml": file(instances="{ min = 2, max = 3 }"), "server.py": loud})
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
    stream = Control(running.directory / "flyball.toml").stream(after=None)
    next(stream)  # from now on it hears all
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
    running.until(lambda: "disk is full" in str(next(stream)), what="the full disk is told")
    new = running.pids()
    assert not set(new.values()) & set(before.values())

    (running.paths.root / "filler").unlink()
    records = [running.paths.processes / f"{one}.json" for one in new]
    running.until(lambda: all(one.exists() for one in records), what="what was started meanwhile is recorded")
    running.until(lambda: serves() and _says(running, new, "output are missing"), what="output is kept again")
    running.until(lambda: running.told("disk", "has space again"), what="it is told that there is room")
    assert running.told("disk", "is full")


def _says(running: Running, instances: Iterable[str], text: str) -> bool:
    """Whether every log has this text, and something behind it."""
    logs = ((running.paths.logs / f"{one}.log").read_text() for one in instances)
    return all("asked" in log.partition(text)[2] for log in logs)
