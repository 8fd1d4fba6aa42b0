"""A balancer that dies or hangs has one that stands by: nobody is refused, and both are taken over and ended as one."""

from __future__ import annotations

import http.client
import os
import signal
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

import psutil
import pytest

from acceptance.running import Running
from acceptance.small import file, server
from flyball.local.envoy import sharing
from flyball.local.process import processes

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not sharing.possible(), reason="two balancers cannot share a port on this system"),
]


@pytest.fixture
def small(place: Callable[..., Running]) -> Running:
    text = file(instances="{ min = 2, max = 3 }") + "\n[listener]\nstandby = true\n"
    running = place(files={"flyball.toml": text, "server.py": server("one")})
    running.up()
    return running


def balancers(running: Running) -> tuple[int | None, int | None]:
    found = running.now()["balancer"]
    return found["pid"], found["standby"]


def until_stood_by(running: Running, *gone: int) -> tuple[int, int]:
    """Wait until two run, none of them one of these; who they are."""
    found: list[tuple[int, int]] = []

    def holds() -> bool:
        serving, second = balancers(running)
        if serving is None or second is None or {serving, second} & set(gone) or not psutil.pid_exists(second):
            return False
        found.append((serving, second))
        return True

    running.until(holds, what="a balancer stands by")
    return found[-1]


class Visitors(threading.Thread):
    """One after another, each with a connection of its own."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._address = urlsplit(url).netloc
        self._over = threading.Event()
        self.refused = self.lost = self.answered = 0

    def run(self) -> None:
        while not self._over.is_set():
            connection = http.client.HTTPConnection(self._address, timeout=60)
            try:
                connection.connect()
            except OSError:
                self.refused += 1
                continue
            try:
                connection.request("GET", "/")
                self.answered += connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                self.lost += 1
            finally:
                connection.close()

    def until_more(self, running: Running, count: int = 50) -> None:
        wanted = self.answered + count
        running.until(lambda: self.answered >= wanted, what=f"{count} more visitors are answered")

    def finish(self) -> None:
        self._over.set()
        self.join(timeout=60)


def test_the_one_that_stands_by_takes_over(small: Running) -> None:
    first, second = until_stood_by(small)
    visitors = Visitors(small.now()["url"])
    visitors.start()
    visitors.until_more(small)
    assert visitors.lost == 0
    os.kill(first, signal.SIGKILL)
    visitors.until_more(small)
    serving, third = until_stood_by(small, first)
    assert serving == second

    os.kill(second, signal.SIGSTOP)
    visitors.until_more(small)
    serving, fourth = until_stood_by(small, second)
    assert serving == third

    small.kill_control_plane()
    visitors.until_more(small)
    os.kill(third, signal.SIGKILL)
    visitors.until_more(small)
    small.flyball("up", "-d")
    visitors.until_more(small)
    serving, fifth = until_stood_by(small, third)
    assert serving == fourth
    visitors.finish()

    assert visitors.refused == 0
    assert visitors.lost <= 3, "more than the one that was under way in each that was killed or stopped"
    told = [one["reason"] for one in small.events() if one["kind"] == "balancer_took_over"]
    assert len(told) == 3
    assert "SIGKILL" in told[0]
    assert "SIGSTOP" in told[1]
    runs = [processes.identify(pid) for pid in (fourth, fifth)]
    small.flyball("down")
    assert not [one for one in runs if one is None or processes.alive(one)]


def test_the_edge_before_several_regions_has_one_too(place: Callable[..., Running]) -> None:
    text = file(instances="{ min = 1, max = 2 }") + "\n[listener]\nstandby = true\n[regions.us-east-1]\n"
    running = place(files={"flyball.toml": text, "server.py": server("one")})
    running.up()
    first, second = until_stood_by(running)
    visitors = Visitors(running.now()["url"])
    visitors.start()
    visitors.until_more(running)
    os.kill(first, signal.SIGKILL)
    visitors.until_more(running)
    serving, third = until_stood_by(running, first)
    visitors.finish()

    assert (serving, visitors.refused) == (second, 0)
    assert running.told("balancer_took_over", "SIGKILL")
    runs = [processes.identify(pid) for pid in (serving, third)]
    running.flyball("down")
    assert not [one for one in runs if one is None or processes.alive(one)]
