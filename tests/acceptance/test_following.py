"""Verbs that go on until somebody stops them: how they end, and what they say of what nobody knows."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from acceptance import small
from acceptance.running import Running

pytestmark = pytest.mark.live

FILES = {"flyball.toml": small.file(instances="1"), "server.py": small.server("one")}


@contextlib.contextmanager
def following(running: Running, verb: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A verb that goes on, and the first line that it printed."""
    with running.start(*verb.split()) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline()
        finally:
            process.kill()


def test_ctrl_c_ends_what_goes_on(place: Callable[..., Running]) -> None:
    running = place(files=FILES)
    running.up()
    for verb in ("events -f", "events -f --json", "logs -f", "logs -f --json", "watch"):
        with following(running, verb) as (process, first):
            assert first, verb
            process.send_signal(signal.SIGINT)
            _, talk = process.communicate(timeout=60)
            assert (process.returncode, talk) == (130, ""), verb


def test_logs_are_followed_while_somebody_reads_and_something_runs(place: Callable[..., Running]) -> None:
    running = place(files=FILES)
    running.up()
    with following(running, "logs -f") as (read, _), following(running, "logs -f --json") as (unread, first):
        assert json.loads(first) == {"instance": "web-1", "line": "starting one"}
        assert unread.stdout is not None
        unread.stdout.close()
        running.flyball("deploy", "web")  # a new instance says something
        assert unread.wait(timeout=60) == 0
        running.flyball("down")
        rest, _ = read.communicate(timeout=60)
        assert (read.returncode, rest) == (0, "web-2    | starting one\n")

    assert running.flyball("logs").stdout == "web-1    | starting one\nweb-2    | starting one\n"
    assert running.flyball("logs", "-f", check=False).returncode == 3
    assert running.flyball("events", "-f", check=False).returncode == 3


def test_what_nobody_knows_is_told(place: Callable[..., Running]) -> None:
    running = place(files=FILES)
    running.up()
    for line in ("logs nope", "logs -f nope", "events nope", "releases nope", "deploy web --from . --ref main"):
        done = running.flyball(*line.split(), check=False)
        assert (done.returncode, done.stdout) == (2, ""), line
        assert len(done.stderr.splitlines()) == 1, line
    assert running.flyball("events", "web", "--since", "1ms").stdout == ""
