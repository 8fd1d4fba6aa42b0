"""Two regions behind one edge: each visitor at home, and somewhere else when home is gone. One application for all."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from acceptance.running import Running, result_of, stopped
from acceptance.small import file, server
from flyball.local.process import processes
from flyball.local.process.ports import free_port

pytestmark = pytest.mark.live
US, EU = "us-east-1", "eu-west-1"
EDGE = f"""
[stores.files]
kind = "bucket"
replicate = true
[stores.posts]
kind = "table"
key = {{ id = "string" }}
replicate = true
[regions.{US}]
[regions.{EU}]
[edge]
return_over = "1s"
[edge.health]
path = "/health"
every = "500ms"
[listener.firewall]
deny = "127.0.9.0/24"
rate = {{ requests = 5, per = "1h", path = "/limited" }}
"""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("two")
    (directory / "server.py").write_text(server("one"))
    (directory / "flyball.toml").write_text(
        file(instances="{ min = 1, max = 2 }", test='stores = ["files", "posts"]') + EDGE
    )
    running = Running(directory)
    try:
        yield running
    finally:
        running.clean_up()


def test_a_region_that_cannot_start_keeps_no_other_from_serving(two: Running):
    version = two.paths.of_region(EU).root / "version"
    version.parent.mkdir(parents=True)
    version.write_text("99\n")
    done = two.flyball("up", "-d", "--port", str(free_port()), check=False)
    assert done.returncode == 1
    assert "was written by a newer flyball" in done.stderr
    two.until(lambda: served(two, EU) == {(200, US)}, what="the other region serves")
    version.unlink()
    two.until(lambda: served(two, EU) == {(200, EU)}, what="it has started after all")
    assert (two.paths.sockets / "control.sock").stat().st_mode & 0o777 == 0o600  # the edge's is its owner's, too


def served(running: Running, place: str, *, times: int = 20) -> set[tuple[int, str | None]]:
    """Status and region of the answers to a visitor from there."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(running), timeout=30)
    found = set()
    for _ in range(times):
        connection.request("GET", "/", headers={"x-flyball-from": place})
        answer = connection.getresponse()
        answer.read()
        found.add((answer.status, answer.getheader("x-flyball-region")))
    connection.close()
    return found


def port_of(running: Running) -> int:
    return int(json.loads(running.paths.edge_file.read_text())["port"])


def region(running: Running, name: str) -> dict[str, Any]:
    return dict(next(one for one in running.now()["regions"] if one["name"] == name))


def healthy(running: Running, name: str = EU) -> bool:
    return bool(region(running, name)["health"] == "healthy")


def pids(running: Running) -> dict[tuple[str, str], int]:
    services = running.now()["services"]
    return {(one["region"], one["id"]): one["pid"] for service in services for one in service["instances"]}


def kinds(running: Running, name: str) -> list[str]:
    return [event["kind"] for event in running.events() if event.get("region") == name]


def test_each_visitor_is_served_by_the_region_of_its_place(two: Running):
    two.until(lambda: healthy(two, US) and healthy(two, EU), what="both are healthy")
    sent = result_of(two.load("--from", EU, "--rate", "100", "--requests", "60"))
    assert (sent["failed"], sent["by_region"]) == (0, {EU: 60})
    assert served(two, US) == served(two, "sa-east-1") == {(200, US)}
    described = two.ps()
    assert {(one["region"], one["instances"][0]["region"]) for one in described["services"]} == {(US, US), (EU, EU)}
    table = {(one["nearest"], one["region"]): one["requests"] for one in described["served"]}
    assert table[EU, EU] >= 60
    assert table[EU, US] > table[US, EU] == 0  # before the second had started
    assert f"{EU}/web-1 | starting one" in two.flyball("logs").stdout
    assert two.flyball("ps", "--region", "mars", check=False).returncode == 2


def test_the_firewall_sees_each_visitors_own_address(two: Running):
    two.until(lambda: healthy(two, US) and healthy(two, EU), what="both are healthy")
    assert asked(two, "127.0.9.1", "/", times=2) == [403, 403]
    assert asked(two, "127.0.1.1", "/limited", times=7).count(429) == 2  # in both regions together
    assert 429 not in asked(two, "127.0.2.1", "/limited", times=2)
    two.until(
        lambda: {one["rule"]: one["requests"] for one in two.now()["firewall"]} == {"deny": 2, "rate": 2},
        what="the edge has counted what it refused",
    )
    assert any("firewall, rule deny: " in one["reason"] for one in two.events() if one["kind"] == "firewall")


def asked(running: Running, source: str, path: str, *, times: int) -> list[int]:
    """Statuses of the answers to a visitor with this address, who goes from place to place."""
    found = []
    for number in range(times):
        connection = http.client.HTTPConnection("127.0.0.1", port_of(running), timeout=30, source_address=(source, 0))
        connection.request("GET", path, headers={"x-flyball-from": (US, EU)[number % 2]})
        found.append(connection.getresponse().status)
        connection.close()
    return found


def test_a_region_without_its_balancer_is_passed_over_at_once(two: Running):
    two.until(lambda: healthy(two), what="both are healthy")
    described = region(two, EU)
    os.kill(described["control"]["pid"], signal.SIGSTOP)  # else it starts the balancer again within a second
    try:
        two.kill(described["balancer"]["pid"])
        assert served(two, EU) == {(200, US)}
    finally:
        os.kill(described["control"]["pid"], signal.SIGCONT)
    two.until(lambda: (200, EU) in served(two, EU), what="its visitors are at home again")


def test_what_one_region_stores_reaches_the_other(two: Running):
    here, there = (two.paths.of_region(name).stores / "files" for name in (US, EU))
    (here / "cat.png").write_bytes(b"meow")
    two.until((there / "cat.png").exists, what="it has reached the other region")
    assert (there / "cat.png").read_bytes() == b"meow"
    (there / "cat.png").unlink()
    two.until(lambda: not (here / "cat.png").exists(), what="its deletion too")
    told = {(one["store"], one["region"]) for one in two.now()["replication"]}
    assert told == {(store, name) for store in ("files", "posts") for name in (US, EU)}


def test_a_row_that_one_region_writes_reaches_the_other(two: Running):
    for name in (US, EU):  # as a program does at its start
        posts(two, name, "CREATE TABLE posts (id TEXT PRIMARY KEY, text TEXT)")
    posts(two, EU, "INSERT INTO posts VALUES ('1', 'meow')")
    two.until(lambda: posts(two, US, "SELECT * FROM posts") == [("1", "meow")], what="it has reached the other region")
    posts(two, US, "DELETE FROM posts")
    two.until(lambda: posts(two, EU, "SELECT * FROM posts") == [], what="its deletion too")


def posts(running: Running, name: str, sql: str) -> list[Any]:
    """What a program in that region does with its table."""
    file = running.paths.of_region(name).stores / "posts.db"
    with contextlib.closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as database:
        return database.execute(sql).fetchall()


def test_all_control_planes_die_and_nothing_else_does(two: Running):
    before, edge = pids(two), two.now()["balancer"]["pid"]
    controls = {name: region(two, name)["control"]["pid"] for name in (US, EU)}
    two.kill_control_plane()
    for pid in controls.values():
        two.kill(pid)
    two.until(lambda: served(two, EU) == {(200, EU)}, what="each is served at home")
    assert two.flyball("ps", check=False).returncode == 3
    two.flyball("up", "-d")
    assert (pids(two), two.now()["balancer"]["pid"]) == (before, edge)
    two.kill(region(two, EU)["control"]["pid"])
    two.until(lambda: region(two, EU)["control"] is not None, what="its control plane is started again")
    assert pids(two) == before
    assert {"region_failed", "region_healthy"} <= set(kinds(two, EU))
    told = [json.loads(line) for line in two.flyball("events", "--region", EU, "--json").stdout.splitlines()]
    assert {"region_failed", "in_service"} <= {one["kind"] for one in told}  # the edge's, and its own
    assert {one["region"] for one in told} == {EU}


def test_a_bad_release_stops_in_the_first_region(two: Running):
    bad = two.directory / "bad"
    bad.mkdir()
    (bad / "server.py").write_text(server("bad", crash_s=0))
    done = two.flyball("deploy", "web", "--from", str(bad), check=False)
    assert done.returncode == 1
    assert f"stopped in {US}; nothing was changed in {EU}" in done.stderr
    assert [kind for kind in kinds(two, EU) if kind == "release_created"] == ["release_created"]
    assert "rolled_back" in kinds(two, US)
    (two.directory / "server.py").write_text(server("two"))
    two.flyball("deploy", "web")
    releases = json.loads(two.flyball("releases", "--json").stdout)
    assert {(one["region"], one["release"]) for one in releases if one["current"]} == {(US, 3), (EU, 2)}


def test_a_region_that_leaves_the_file_is_stopped_and_loses_nothing_when_it_is_put_back(two: Running):
    file = two.directory / "flyball.toml"
    text = file.read_text()
    gone = [processes.identify(pid) for (name, _), pid in pids(two).items() if name == US]
    objects = {name: two.paths.of_region(name).stores / "files" for name in (US, EU)}
    (objects[US] / "last").write_bytes(b"a moment before")
    posts(two, US, "INSERT INTO posts VALUES ('last', 'a moment before')")
    file.write_text(text.replace(f"[regions.{US}]\n", ""))
    asking = two.load("--from", EU, "--rate", "50", "--for", "600s")
    assert f"regions.{US}: removed" in two.flyball("deploy").stderr
    assert [one["name"] for one in two.now()["regions"]] == [EU]
    assert served(two, US) == {(200, EU)}
    assert not [one for one in gone if one is not None and processes.alive(one)]
    assert (objects[EU] / "last").read_bytes() == b"a moment before"
    assert posts(two, EU, "SELECT text FROM posts WHERE id = 'last'") == [("a moment before",)]
    (objects[EU] / "meanwhile").write_bytes(b"while it was away")
    posts(two, EU, "INSERT INTO posts VALUES ('meanwhile', 'while it was away')")
    file.write_text(text)
    assert f"regions.{US}: added" in two.flyball("deploy").stderr
    two.until(lambda: served(two, US) == {(200, US)}, what="its visitors are at home again")
    two.until((objects[US] / "meanwhile").exists, what="it gets the objects of the time that it was away")
    rows = "SELECT count(*) FROM posts WHERE id IN ('last', 'meanwhile')"
    two.until(lambda: posts(two, US, rows) == [(2,)], what="and the rows")
    sent = stopped(asking)
    assert (sent["failed"], set(sent["by_region"])) == (0, {EU})


def test_a_region_that_leaves_the_file_while_nobody_looks_is_stopped_by_the_next_up(two: Running):
    text = (two.directory / "flyball.toml").read_text()
    gone = [processes.identify(pid) for (name, _), pid in pids(two).items() if name == US]
    two.kill_control_plane()
    (two.directory / "flyball.toml").write_text(text.replace(f"[regions.{US}]\n", ""))
    two.flyball("up", "-d")
    assert served(two, US) == {(200, EU)}
    two.until(lambda: "region_removed" in kinds(two, US)[-3:], what="it is told")
    two.until(lambda: not [one for one in gone if one is not None and processes.alive(one)], what="it is stopped")
    assert two.paths.of_region(US).journal.exists()
    two.flyball("down")
    assert not two.paths.edge_file.exists()
    assert two.flyball("ps", check=False).returncode == 3
