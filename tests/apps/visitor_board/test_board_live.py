"""The board as it runs: the command of its file, several processes, one store."""

import json
import os
import signal
import socket
import sqlite3
import tomllib
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from app_servers import APPS, AWS_LIKE, Server, environment, serving
from waiting import until

BOARD = APPS / "visitor-board"
pytestmark = pytest.mark.live


class Boards:
    """Starts copies of the board, with the command that flyball.toml gives."""

    def __init__(self, programs: Path, folder: Path) -> None:
        run = tomllib.loads((BOARD / "flyball.toml").read_text())["services"]["web"]["run"]
        program, *words = run.replace("$PORT", "PORT").split()
        self._command = [programs / program, *words]
        self._folder = folder
        self._count = 0

    def start(self, url: str) -> AbstractContextManager[Server]:
        self._count += 1
        env = {**AWS_LIKE, "MESSAGES_URL": url, "FLYBALL_INSTANCE": f"web-{self._count}"}
        return serving(self._command, env=env, cwd=BOARD, log=self._folder / f"web-{self._count}.log")


@pytest.fixture
def boards(pytestconfig: pytest.Config, tmp_path: Path) -> Boards:
    return Boards(environment(pytestconfig, (BOARD / "requirements.txt").read_text()), tmp_path)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read().decode()


def post(server: Server, words: str) -> str | None:
    """The id of the message when it was acknowledged."""
    body = json.dumps({"name": "Ann", "message": words}).encode()
    request = urllib.request.Request(server.url + "/messages", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["id"]
    except OSError:
        return None


def ids(server: Server) -> list[str]:
    found, before = [], ""
    while before is not None:
        page = json.loads(get(f"{server.url}/messages?limit=200{before and '&before=' + before}"))
        found += [each["id"] for each in page["messages"]]
        before = page["next"]
    return found


def counted(file: Path) -> int:
    db = sqlite3.connect(file)
    (count,) = db.execute("SELECT value FROM counters WHERE name = 'visits'").fetchone()
    db.close()
    return int(count)


def test_ten_copies_share_one_board(boards: Boards, tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    with ExitStack() as stack:
        url = f"sqlite://{tmp_path}/board.db"
        starts = list(pool.map(lambda _: boards.start(url), range(10)))
        servers = list(pool.map(stack.enter_context, starts))
        sent = list(pool.map(lambda number: post(servers[number % 10], str(number)), range(200)))
        assert None not in sent
        assert all(set(ids(server)) == set(sent) and len(ids(server)) == 200 for server in servers)
        pages = list(pool.map(lambda number: get(servers[number % 10].url), range(300)))
        assert all(f"web-{number}</b>" in "".join(pages) for number in range(1, 11))
    assert counted(tmp_path / "board.db") == 300


def test_killed_copies_lose_no_acknowledged_message(boards: Boards, tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    url = f"sqlite://{tmp_path}/board.db"
    with boards.start(url) as stays, boards.start(url) as dies:
        sent = [pool.submit(post, (stays, dies)[number % 2], str(number)) for number in range(400)]
        sent[100].result()
        dies.kill()
        acknowledged = {future.result() for future in sent} - {None}
        assert len(acknowledged) >= 200
        assert acknowledged <= set(ids(stays))
        assert "Served by" in get(stays.url)


def test_a_stop_answers_what_is_in_flight(boards: Boards, tmp_path: Path) -> None:
    with boards.start(f"sqlite://{tmp_path}/board.db") as server:
        lock = sqlite3.connect(tmp_path / "board.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        address = urllib.parse.urlsplit(server.url)
        with socket.create_connection((address.hostname, address.port), timeout=30) as asking:
            head = "POST /messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            asking.sendall(f"{head}Content-Length: 30\r\nExpect: 100-continue\r\n\r\n".encode())
            # The server asks for the body when the board has begun to read it.
            assert asking.recv(1000).startswith(b"HTTP/1.1 100")
            os.killpg(server.pid, signal.SIGTERM)
            until(lambda: refused(address.hostname, address.port), what="nobody listens")
            asking.sendall(b'{"name": "a", "message": "b" }')
            lock.execute("COMMIT")
            lock.close()
            assert asking.recv(1000).startswith(b"HTTP/1.1 201")


def refused(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=60).close()
    except ConnectionRefusedError:
        return True
    return False


def test_many_requests_wait_and_health_does_not_wait_with_them(
    boards: Boards, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    """The store's write lock is held, so both places and all that come after wait; the health check passes them."""
    with boards.start(f"sqlite://{tmp_path}/board.db") as server, ThreadPoolExecutor(64) as crowd:
        lock = sqlite3.connect(tmp_path / "board.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        waiting = [crowd.submit(post, server, str(number)) for number in range(64)]
        for _ in range(5):
            assert get(server.url + "/health") == "ok\n"
        assert not any(future.done() for future in waiting)
        lock.execute("COMMIT")
        lock.close()
        assert None not in [future.result() for future in waiting]


def test_a_form_and_a_body_of_unknown_length(boards: Boards, tmp_path: Path) -> None:
    with boards.start(f"sqlite://{tmp_path}/board.db") as server:
        form = urllib.parse.urlencode({"name": "Ann", "message": "by form"}).encode()
        with urllib.request.urlopen(server.url + "/messages", form) as answer:
            assert answer.url == server.url + "/"
            assert "by form" in answer.read().decode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        for size, status in ((100, 303), (20_000, 413)):
            chunks = iter([b"name=Ann&message=", b"x" * size])
            request = urllib.request.Request(server.url + "/messages", chunks, headers, method="POST")
            opener = urllib.request.build_opener(NoRedirect)
            with pytest.raises(urllib.error.HTTPError) as refused:
                opener.open(request)
            assert refused.value.code == status
            refused.value.close()


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def test_on_dynamodb(boards: Boards, table: str, pool: ThreadPoolExecutor) -> None:
    with boards.start(table) as one, boards.start(table) as two:
        sent = list(pool.map(lambda number: post((one, two)[number % 2], str(number)), range(60)))
        assert None not in sent
        assert set(ids(one)) == set(ids(two)) == set(sent)
        pages = list(pool.map(lambda number: get((one, two)[number % 2].url), range(40)))
        assert all("Served by" in page for page in pages)
