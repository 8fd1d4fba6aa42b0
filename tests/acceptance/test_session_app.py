"""The session app as users have it: what ten instances share, a large file in flat memory, a Redis that is away."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import psutil
import pytest

from acceptance.asking import Answer, ask
from acceptance.running import Running, result_of
from flyball.local.process import processes

pytestmark = pytest.mark.live

MEGABYTE = 1024 * 1024
BLOCK = os.urandom(MEGABYTE)
BLOCKS = 1024
FLAT_BYTES = 150 * MEGABYTE
# Checks that fail soon and are not forgiven: the worst case for a store that is away.


@pytest.fixture
def app(place: Callable[..., Running]) -> Running:
    running = place("session-app")
    running.up()
    return running


def redis(running: Running) -> processes.Process:
    loaded = processes.load(running.paths.processes / "store-sessions.json")
    assert loaded is not None
    return loaded[0]


def session_of(first: Answer) -> dict[str, str]:
    """The headers of a visitor who has got this answer."""
    assert first.status == 200
    return {"Cookie": first.headers["set-cookie"].partition(";")[0]}


def test_one_session_is_counted_exactly_by_ten_instances(app: Running) -> None:
    app.flyball("scale", "app=10", "--hold", "60s")
    app.until(lambda: app.service()["capacity"]["in_service"] == 10, what="ten in service")
    url = app.ps()["url"]
    visitor = session_of(ask(url, "/session"))
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: ask(url, "/session", headers=visitor), range(1000)))

    assert sorted(answer.json()["views"] for answer in answers) == list(range(2, 1002))
    assert len({answer.instance for answer in answers}) == 10


def test_a_rollout_under_200_views_a_second_loses_and_repeats_none(app: Running) -> None:
    visitor = session_of(ask(app.ps()["url"], "/session"))
    cookie = f"Cookie: {visitor['Cookie']}"
    load = app.load("app", "--path", "/session", "-H", cookie, "--rate", "200", "--for", "15s")
    app.until(lambda: app.service()["metrics"]["requests_per_second"] > 100, what="load")
    (app.directory / "VERSION").write_text("2")
    app.flyball("deploy", "app")
    result = result_of(load)

    assert (result["failed"], app.service()["release"]) == (0, 2)
    assert ask(app.ps()["url"], "/session", headers=visitor).json()["views"] == result["sent"] + 2


def blocks() -> Iterator[bytes]:
    """A gigabyte, of which each megabyte begins with its number."""
    for number in range(BLOCKS):
        yield number.to_bytes(8, "big") + BLOCK[8:]


def test_a_gigabyte_passes_in_flat_memory_and_another_instance_has_it(app: Running) -> None:
    said = app.ps()
    address, pids = urlsplit(said["url"]).netloc, {"balancer": said["balancer"]["pid"], **app.pids()}
    sent = hashlib.sha256()
    try:
        with most_memory(pids) as most:
            uploader = upload(address, sent)
            downloader, received = download(address, not_from=uploader)
    finally:
        shutil.rmtree(app.paths.stores / "uploads", ignore_errors=True)

    assert {uploader, downloader} == {"app-1", "app-2"}
    assert received == sent.hexdigest()
    assert app.pids().items() <= pids.items()
    assert max(most.values()) < FLAT_BYTES, most


def upload(address: str, sent: hashlib._Hash) -> str:
    """Which instance took the gigabyte."""

    def body() -> Iterator[bytes]:
        for block in blocks():
            sent.update(block)
            yield block

    connection = http.client.HTTPConnection(address, timeout=120)
    connection.request("PUT", "/upload/large.bin", body(), {"Content-Length": str(BLOCKS * MEGABYTE)})
    answer = connection.getresponse()
    assert answer.status == 201, answer.read()
    connection.close()
    return str(answer.headers["x-flyball-instance"])


def download(address: str, *, not_from: str) -> tuple[str, str]:
    """Which other instance gave it, and the hash of what came."""
    for _ in range(50):
        connection = http.client.HTTPConnection(address, timeout=120)
        connection.request("GET", "/upload/large.bin")
        answer = connection.getresponse()
        instance = str(answer.headers["x-flyball-instance"])
        if instance == not_from:
            connection.close()
            continue
        received = hashlib.sha256()
        while block := answer.read(MEGABYTE):
            received.update(block)
        connection.close()
        return instance, received.hexdigest()
    pytest.fail(f"only {not_from} answered")


@contextmanager
def most_memory(pids: dict[str, int]) -> Iterator[dict[str, int]]:
    """The most bytes that each process, with its children, held at a time."""
    most = dict.fromkeys(pids, 0)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            for name, pid in pids.items():
                root = psutil.Process(pid)
                held = sum(one.memory_info().rss for one in (root, *root.children(recursive=True)))
                most[name] = max(most[name], held)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


def test_a_killed_redis_is_told_by_health_and_comes_back_with_its_sessions(app: Running) -> None:
    url, before = app.ps()["url"], app.pids()
    visitor = session_of(ask(url, "/session"))
    os.kill(redis(app).pid, signal.SIGKILL)
    told: list[Answer] = []

    def recovered() -> bool:
        told.append(ask(url, "/health"))
        return len(told) > 1 and told[-1].status == 200

    app.until(recovered, what="healthy again")
    # It may be back before the first question.
    assert {answer.status for answer in told} <= {200, 503}
    assert all(re.search("redis|sessions", one.body.decode(), re.IGNORECASE) for one in told if one.status == 503)
    # Every instance counts on, from its first view after the outage.
    assert [ask(url, "/session", headers=visitor).json().get("views") for _ in range(6)] == [2, 3, 4, 5, 6, 7]
    assert app.pids() == before
    (told_once,) = [one for one in app.events() if one["kind"] == "store_restarted"]
    assert told_once["service"] == ""
    assert told_once["reason"].startswith("the store sessions died and was started again with its data; its last words")


def test_a_hung_redis_is_started_again_and_costs_no_instance(app: Running) -> None:
    url, before, hung = app.ps()["url"], app.pids(), redis(app)
    visitor = session_of(ask(url, "/session"))
    os.kill(hung.pid, signal.SIGSTOP)
    assert ask(url, "/upload").status == 200  # files need no Redis
    app.until(lambda: any(one["kind"] == "store_restarted" for one in app.events()), what="a new server")
    app.until(lambda: healths(app, before) == {"healthy"}, what="all healthy")

    assert redis(app).pid != hung.pid
    assert ask(url, "/session", headers=visitor).json()["views"] == 2
    assert app.pids() == before


def healths(running: Running, names: dict[str, int]) -> set[str]:
    return {one["health"] for one in running.service()["instances"] if one["id"] in names}
