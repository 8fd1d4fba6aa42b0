"""New releases reach users without a failed request, or are taken back: for real, under 200 requests a second."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from acceptance.running import Running
from acceptance.small import bounds_held, file, kinds, load, server
from flyball.local.pipeline import git

pytestmark = pytest.mark.live


@pytest.fixture
def small(place: Callable[..., Running]) -> Callable[..., Running]:
    """Starts the small application with its first, good release."""

    def start(program: str = server("one"), **settings: str) -> Running:
        running = place(files={"flyball.toml": file(**settings), "server.py": program})
        running.up()
        return running

    return start


def releases_of(running: Running) -> set[int]:
    return {one["release"] for one in running.service()["instances"]}


def put(running: Running, program: str) -> None:
    (running.directory / "server.py").write_text(program)


def get(running: Running, path: str = "/") -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(running.ps()["url"]).netloc, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_the_visitor_board_is_rolled_out_without_a_failed_request(place: Callable[..., Running]) -> None:
    board = place("visitor-board", edits={"instances = { min = 1, max = 10 }": "instances = { min = 3, max = 10 }"})
    board.up()
    with load(board) as result:
        (board.directory / "board.py").write_text((board.directory / "board.py").read_text() + "\n# second\n")
        done = board.flyball("deploy", "web")

    assert "release 2 is in service" in done.stderr
    assert result["failed"] == 0, result
    assert bounds_held(board, desired=3) > 3
    assert board.service()["release"] == 2


# What each says, and how many requests may fail: none where the old release serves on; else those of a few seconds,
# until the old release has started again, of the minute and more that the load lasts.
BAD = {
    "crashes at start": (server("two", crash_s=0), "exited with code 1", "fatal: no widget was found", 0),
    "never listens": (server("two", start_s=600), "nothing listens on port", "starting two", 0),
    "answers 500": (server("two", health=500), "/health answered 500", "starting two", 0),
    "crashes after 10 s": (server("two", crash_s=10), "exited with code 7", "fatal: the widget came off", 600),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_release_is_taken_back_by_itself(
    small: Callable[..., Running], bad: str, record_property: Callable[[str, object], None]
) -> None:
    program, reason, last_line, failures = BAD[bad]
    deploy = 'bake = "12s"' if failures else ""
    running = small(deploy=deploy)
    # One that never listens need not be given the time that the others may take on a busy machine.
    grace = "3s" if bad == "never listens" else "10s"
    (running.directory / "flyball.toml").write_text(file(deploy=deploy, grace=grace))
    with load(running) as result:
        put(running, program)
        began = time.monotonic()
        done = running.flyball("deploy", check=False)
        took_s = time.monotonic() - began
    record_property("taken back after (s)", round(took_s, 1))
    print(f"{bad}: rolled back {took_s:.1f} s after the deploy, {result['failed']} of {result['sent']} failed")

    assert done.returncode == 1
    assert "release 1 serves again" in done.stderr
    said = done.stderr.splitlines()
    assert any(reason in line and "failed instances (limit 3)" in line for line in said), done.stderr
    assert any(line.strip() == last_line for line in said), done.stderr
    assert result["failed"] <= failures, result
    service = running.service()
    assert (service["release"], service["rollout"]) == (1, None)
    assert get(running) == (200, "one")
    if not failures:
        bounds_held(running, desired=3)


def test_errors_that_the_health_check_does_not_see_trip_the_alarm(small: Callable[..., Running]) -> None:
    running = small(deploy='bake = "20s"\nrollback = { errors = "20%", for = "2s" }')
    with load(running) as result:
        put(running, server("two", status=500))
        done = running.flyball("deploy", check=False)

    assert done.returncode == 1
    assert "errors" in done.stderr
    assert "release 1 serves again" in done.stderr
    assert result["by_status"].get("500", 0) == result["failed"]
    assert get(running) == (200, "one")


def test_requests_of_five_seconds_live_through_a_rollout(small: Callable[..., Running]) -> None:
    running = small()
    address = urlsplit(running.ps()["url"]).netloc
    answers: list[tuple[int, str]] = []
    sent = threading.Barrier(10)

    def ask_slowly() -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        connection.request("GET", "/slow")
        sent.wait(60)
        answer = connection.getresponse()
        answers.append((answer.status, answer.read().decode()))
        connection.close()

    slow = [threading.Thread(target=ask_slowly) for _ in range(9)]
    with load(running, rate=50) as result:
        for thread in slow:
            thread.start()
        sent.wait(60)
        put(running, server("two"))
        running.flyball("deploy")
        for thread in slow:
            thread.join(timeout=60)

    assert result["failed"] == 0, result
    assert answers == [(200, "one")] * 9
    assert get(running) == (200, "two")


def test_blue_green_never_mixes_releases(small: Callable[..., Running]) -> None:
    running = small(deploy='strategy = "blue_green"\nbake = "3s"')
    seen: list[str] = []
    over = threading.Event()
    address = urlsplit(running.ps()["url"]).netloc

    def look() -> None:
        connection = http.client.HTTPConnection(address, timeout=60)
        while not over.is_set():
            connection.request("GET", "/")
            seen.append(connection.getresponse().read().decode())
            over.wait(0.01)
        connection.close()

    thread = threading.Thread(target=look)
    with load(running) as result:
        thread.start()
        put(running, server("two"))
        running.flyball("deploy")
        over.set()
        thread.join(timeout=60)

    assert result["failed"] == 0, result
    assert set(seen) == {"one", "two"}
    switches = [position for position in range(1, len(seen)) if seen[position] != seen[position - 1]]
    # Both sets serve for the moment in which the balancer checks the new one.
    assert len(switches) == 1 or switches[-1] - switches[0] < 300
    bounds_held(running, desired=3)


MIDDLES = {
    "rollout": ("", server("two", start_s=10)),
    "canary": ('strategy = "canary"\nstep = "20%"\nevery = "6s"', server("two")),
}


@pytest.mark.parametrize("middle", MIDDLES)
def test_the_next_up_finishes_a_rollout_whose_control_plane_was_killed(
    small: Callable[..., Running], middle: str
) -> None:
    deploy, program = MIDDLES[middle]
    running = small(deploy=deploy)
    with load(running) as result:
        put(running, program)
        deploying = running.start("deploy")
        running.until(lambda: "rollout_started" in kinds(running)[5:], what="it has begun")
        running.until(lambda: 2 in releases_of(running), what="an instance of release 2")
        running.kill_control_plane()
        deploying.communicate(timeout=60)
        running.flyball("up", "-d")

    assert deploying.returncode == 1
    assert result["failed"] == 0, result
    assert running.service()["release"] == 2
    assert get(running) == (200, "two")
    assert kinds(running).count("rollout_started") == 2
    bounds_held(running, desired=3)
    assert running.flyball("replay").returncode == 0


def test_the_next_up_finishes_a_rollback_whose_control_plane_was_killed(small: Callable[..., Running]) -> None:
    running = small(server("one", start_s=6))
    put(running, server("two"))
    running.flyball("deploy")
    with load(running) as result:
        going_back = running.start("rollback", "web")
        running.until(lambda: running.service()["rollout"] is not None, what="it has begun")
        running.until(lambda: 1 in releases_of(running), what="an instance of release 1")
        running.kill_control_plane()
        going_back.communicate(timeout=60)
        running.flyball("up", "-d")

    assert result["failed"] == 0, result
    assert running.service()["release"] == 1
    assert get(running) == (200, "one")
    bounds_held(running, desired=3)


def test_a_rollback_to_a_release_that_is_broken_by_now_goes_back_to_what_served(
    small: Callable[..., Running], tmp_path: Path
) -> None:
    expired = tmp_path / "expired"
    check = (
        f"import pathlib, sys\nif pathlib.Path({str(expired)!r}).exists():\n    sys.exit('fatal: its key expired')\n"
    )
    running = small(check + server("one"))
    put(running, server("two"))
    running.flyball("deploy")
    expired.touch()
    with load(running) as result:
        done = running.flyball("rollback", "web", "1", check=False)
        running.until(lambda: running.service()["rollout"] is None, what="release 2 serves again")

    assert done.returncode == 1
    assert "rollback to release 1 failed: " in done.stderr
    assert "failed instances (limit 3)" in done.stderr
    assert any(line.strip() == "fatal: its key expired" for line in done.stderr.splitlines()), done.stderr
    assert result["failed"] == 0, result
    assert running.service()["release"] == 2
    assert get(running) == (200, "two")
    bounds_held(running, desired=3)
    assert running.flyball("replay").returncode == 0


def test_sources_from_elsewhere_releases_and_the_way_back(small: Callable[..., Running], tmp_path: Path) -> None:
    running = small(instances="1")
    for arguments in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "1"),
    ):
        git.run(*arguments, directory=running.directory)
    put(running, server("two"))
    other = tmp_path / "other"
    other.mkdir()
    (other / "server.py").write_text(server("three"))

    running.flyball("deploy", "web", "--from", str(other))
    assert get(running) == (200, "three")
    running.flyball("deploy", "web", "--ref", "HEAD")
    assert get(running) == (200, "one")
    running.flyball("deploy")
    assert get(running) == (200, "two")
    running.flyball("rollback", "web", "2")
    assert get(running) == (200, "three")
    assert running.flyball("deploy", "web", "--ref", "nothing", check=False).returncode == 2
    assert running.flyball("rollback", "web", "9", check=False).returncode == 1

    found = json.loads(running.flyball("releases", "--json").stdout)
    assert [(one["release"], one["status"], one["current"]) for one in found] == [
        (4, "completed", False), (3, "completed", False), (2, "completed", True), (1, "completed", False),
    ]  # fmt: skip
    assert [one["note"] for one in found] == ["deploy", "git HEAD", "deploy", "up"]
    # Equal sources are one: release 3 is release 1's.
    assert len(list((running.paths.releases / "content").iterdir())) == 3
