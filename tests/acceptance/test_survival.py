"""Under 200 requests a second, whatever is killed: no GET fails, unless its answer had begun; what lives is kept."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
from collections.abc import Callable, Collection
from urllib.parse import quote, urlsplit

import pytest

from acceptance.running import Running
from acceptance.small import load
from waiting import until

pytestmark = pytest.mark.live
THREE = {"instances = { min = 1, max = 10 }": "instances = { min = 3, max = 10 }"}


@pytest.fixture
def board(place: Callable[..., Running]) -> Running:
    running = place("visitor-board", edits=THREE)
    running.up()
    return running


def all_in_service(running: Running, count: int = 3, *, without: Collection[str] = ()) -> Callable[[], bool]:
    def holds() -> bool:
        instances = running.service()["instances"]
        states = [(one["lifecycle"], one["health"]) for one in instances]
        return states == [("in_service", "healthy")] * count and not {one["id"] for one in instances}.intersection(
            without
        )

    return holds


def begun_at(running: Running, instances: Collection[str]) -> list[str]:
    """The ids of requests whose answer was cut off: its status had gone to the client, so nobody could ask again."""
    rows = [json.loads(line) for line in (running.paths.logs / "access.log").read_text().splitlines()]
    return [
        row["id"] for row in rows if row["status"] == 200 and row["flags"] == "UPE" and row["instance"] in instances
    ]


def test_killed_instances_are_replaced_and_no_get_fails(board: Running) -> None:
    board.until(all_in_service(board), what="three in service")
    before = board.pids()
    with load(board) as result:
        os.kill(before["web-1"], signal.SIGKILL)
        board.until(all_in_service(board, without={"web-1"}), what="web-1 is replaced")
        for instance in ("web-2", "web-3"):
            os.kill(before[instance], signal.SIGKILL)
        board.until(all_in_service(board, without=set(before)), what="all are replaced")

    assert result["failed"] <= len(begun_at(board, before))
    assert not set(before) & set(board.pids())
    failed = [event for event in board.events() if event["kind"] == "failed"]
    assert {event["instance"] for event in failed} == {"web-1", "web-2", "web-3"}
    assert all("SIGKILL" in event["reason"] or "signal 9" in event["reason"] for event in failed)


def test_a_killed_balancer_is_back_within_a_second(board: Running) -> None:
    board.until(all_in_service(board), what="three in service")
    balancer, instances = board.ps()["balancer"]["pid"], board.pids()
    with load(board) as result:
        os.kill(balancer, signal.SIGKILL)
        board.until(lambda: board.now()["balancer"]["pid"] not in {None, balancer}, what="another balancer")

    assert result["failed"] < 200  # its own restart gap: less than a second of the traffic
    assert board.pids() == instances


def test_a_killed_control_plane_is_not_missed_and_takes_over_again(board: Running) -> None:
    board.until(all_in_service(board), what="three in service")
    before, balancer = board.pids(), board.ps()["balancer"]["pid"]
    with load(board) as result:
        board.kill_control_plane()
        assert board.flyball("ps", check=False).returncode == 3
        os.kill(before["web-2"], signal.SIGKILL)
        board.flyball("up", "-d")
        board.until(all_in_service(board, without={"web-2"}), what="three in service again")
        after = board.pids()

    assert result["failed"] == 0
    assert board.ps()["balancer"]["pid"] == balancer
    assert after["web-1"] == before["web-1"]
    assert after["web-3"] == before["web-3"]
    assert "web-2" not in after
    assert board.flyball("replay").returncode == 0


def test_every_acknowledged_message_is_stored_whatever_dies(board: Running) -> None:
    board.until(all_in_service(board), what="three in service")
    writer = Writer(board.ps()["url"])
    writer.start()
    writer.until_more()
    os.kill(board.pids()["web-1"], signal.SIGKILL)
    writer.until_more()
    board.kill_control_plane()
    writer.until_more()
    board.flyball("up", "-d")
    writer.until_more()
    acknowledged = writer.finish()

    assert len(acknowledged) > 30  # enough of them to be lost, however busy the machine is
    stored = stored_messages(board.ps()["url"])
    assert acknowledged <= stored
    assert len(stored) - len(acknowledged) <= len(writer.unanswered)


class Writer(threading.Thread):
    """Posts numbered messages one after another and remembers which were acknowledged."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._address = urlsplit(url).netloc
        self._over = threading.Event()
        self.acknowledged: set[str] = set()
        self.unanswered: set[str] = set()

    def run(self) -> None:
        number = 0
        while not self._over.is_set():
            text = f"message {number}"
            number += 1
            connection = http.client.HTTPConnection(self._address, timeout=60)
            try:
                body = f"name=writer&message={text.replace(' ', '+')}"
                connection.request("POST", "/messages", body, {"Content-Type": "application/x-www-form-urlencoded"})
                status = connection.getresponse().status
                (self.acknowledged if status in {200, 201, 303} else self.unanswered).add(text)
            except (OSError, http.client.HTTPException):
                self.unanswered.add(text)
            finally:
                connection.close()

    def until_more(self, count: int = 30) -> None:
        wanted = len(self.acknowledged) + count
        until(lambda: len(self.acknowledged) >= wanted, what=f"{count} more messages are acknowledged")

    def finish(self) -> set[str]:
        self._over.set()
        self.join(timeout=60)
        return self.acknowledged


def stored_messages(url: str) -> set[str]:
    found: set[str] = set()
    path = "/messages?limit=100"
    while True:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
        connection.request("GET", path, headers={"Accept": "application/json"})
        page = json.loads(connection.getresponse().read())
        connection.close()
        found |= {one["message"] for one in page["messages"]}
        if page["next"] is None:
            return found
        path = f"/messages?limit=100&before={quote(page['next'], safe='')}"
