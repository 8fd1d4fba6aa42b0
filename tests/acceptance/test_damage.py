"""Nothing damaged stays stuck, nothing hangs unnoticed: the journal is lost, parts are stopped, and it goes on."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from acceptance.running import Running
from acceptance.small import file, server
from flyball.local.process import processes

pytestmark = pytest.mark.live


@pytest.fixture
def small(place: Callable[..., Running]) -> Running:
    running = place(files={"flyball.toml": file(instances="{ min = 2, max = 3 }"), "server.py": server("one")})
    running.up()
    return running


def healthy(running: Running, count: int = 2) -> Callable[[], bool]:
    def holds() -> bool:
        instances = running.service()["instances"]
        return [(one["lifecycle"], one["health"]) for one in instances] == [("in_service", "healthy")] * count

    return holds


def truncated(journal: Path) -> None:
    with journal.open("r+b") as opened:
        opened.truncate(journal.stat().st_size // 2)


def overwritten(journal: Path) -> None:
    journal.write_bytes(b"no journal" * 5000)


def of_another_version(journal: Path) -> None:
    with sqlite3.connect(journal) as database:
        database.execute("UPDATE state SET state = x'00'")
    database.close()


def test_what_is_damaged_is_set_aside_what_hangs_is_ended_and_what_runs_goes_on(small: Running) -> None:
    small.until(healthy(small), what="two in service")
    url, balancer, before = small.now()["url"], small.now()["balancer"]["pid"], small.pids()
    for number, damage in enumerate((truncated, of_another_version), start=1):
        small.kill_control_plane()
        with sqlite3.connect(small.paths.journal) as database:  # what its log holds belongs to the file, too
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        damage(small.paths.journal)
        said = small.flyball("up", "-d")

        assert f"journal.db.damaged-{number}" in said.stderr
        assert (small.now()["url"], small.now()["balancer"]["pid"], small.pids()) == (url, balancer, before)
        assert small.service()["release"] == 1
        assert {one["kind"] for one in small.events()} == {"journal_set_aside"}

    os.kill(balancer, signal.SIGSTOP)
    small.until(lambda: small.now()["balancer"]["pid"] not in {None, balancer}, what="another balancer")
    small.until(lambda: any(one["kind"] == "balancer_restarted" for one in small.events()), what="it is told")
    [told] = [one["reason"] for one in small.events() if one["kind"] == "balancer_restarted"]
    assert "because it was stopped (SIGSTOP)" in told
    small.until(healthy(small), what="two in service again")
    assert small.pids() == before

    parts = [*before.values(), small.now()["balancer"]["pid"], small.now()["control"]["pid"]]
    runs = [processes.identify(pid) for pid in parts]
    os.kill(small.now()["control"]["pid"], signal.SIGSTOP)
    overwritten(small.paths.journal)
    (small.directory / "flyball.toml").write_text("no file [")
    (small.paths.processes / "web-1.json").write_text("{")
    said = small.flyball("down")
    assert "does not answer: it is ended" in said.stderr
    assert "stopped; the data is kept" in said.stderr
    assert not [one for one in runs if one is None or processes.alive(one)]
