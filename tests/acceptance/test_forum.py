"""The forum as users have it: three services behind one balancer, changed and scaled under load."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from acceptance.asking import ask
from acceptance.running import Running, stopped
from flyball.core.control.observation import TargetHealth
from flyball.local.record.journal import Journal

pytestmark = pytest.mark.live

SERVICES = ("users", "threads", "posts")


class Seen(NamedTuple):
    """Instances of one service in one recorded step."""

    at: float
    alive: int
    healthy: int


@pytest.fixture
def forum(place: Callable[..., Running]) -> Running:
    running = place("forum")
    running.up()
    return running


def seen_in_journal(running: Running, service: str) -> Iterator[Seen]:
    """What the control plane saw of a service, step by step; healthy ones take new requests."""
    journal = Journal(running.paths.journal)
    try:
        for recorded in journal.steps():
            mine = [one for one in recorded.seen.instances if one.id.startswith(f"{service}-") and not one.exited]
            healthy = sum(1 for one in mine if one.target_health is TargetHealth.HEALTHY)
            yield Seen(recorded.at, len(mine), healthy)
    finally:
        journal.close()


def test_posts_are_checked_across_services_and_a_create_is_done_once(forum: Running) -> None:
    url = forum.ps()["url"]
    counts = {one["name"]: one["capacity"]["in_service"] for one in forum.ps()["services"]}
    assert counts == dict.fromkeys(SERVICES, 2)

    user = ask(url, "/api/users", method="POST", send={"name": "ada"}).json()["id"]
    thread = ask(url, "/api/threads", method="POST", send={"title": "engines", "user_id": user}).json()["id"]
    post = {"thread_id": thread, "user_id": user, "text": "a first thought"}
    unknown = {**post, "thread_id": user}
    assert [ask(url, "/api/posts", method="POST", send=unknown).status for _ in range(4)] == [422] * 4

    def create(_: int) -> tuple[int, str, str]:
        # A create whose instance dies meanwhile is a 502, never sent twice by the balancer: its client tries again.
        for _ in range(20):
            answer = ask(url, "/api/posts", method="POST", send=post, headers={"Idempotency-Key": "once"})
            if answer.status < 500:
                break
        return answer.status, answer.json()["id"], answer.instance

    with ThreadPoolExecutor(16) as pool:
        before = list(pool.map(create, range(32)))
    os.kill(forum.pids()["posts-1"], signal.SIGKILL)
    with ThreadPoolExecutor(16) as pool:
        after = list(pool.map(create, range(32)))
    assert {(status, number) for status, number, _ in before + after} == {(201, before[0][1])}
    assert {instance for *_, instance in before} == {"posts-1", "posts-2"}
    assert len(ask(url, f"/api/posts?thread_id={thread}").json()["items"]) == 1


def test_a_new_release_of_one_service_under_200_reads_a_second_fails_none(forum: Running) -> None:
    url, before = forum.ps()["url"], forum.pids()
    source = forum.directory / "posts" / "main.py"
    source.write_text(source.read_text().replace("What people write.", "What everybody writes."))
    load = forum.load("posts", "--path", "/api/posts", "--rate", "200", "--for", "120s")
    forum.until(lambda: forum.service("posts")["metrics"]["requests_per_second"] > 100, what="load")
    began = time.time()
    forum.flyball("deploy", "posts")
    ended = time.time()
    result = stopped(load)

    assert result["failed"] == 0
    assert set(result["by_instance"]) == {"posts-1", "posts-2", "posts-3", "posts-4"}
    assert b"What everybody writes." in ask(url, "/api/posts/openapi.json").body
    kinds = {one["kind"] for one in forum.events() if one["service"] == "posts" and one["release"] == 2}
    assert {"rollout_started", "rollout_completed"} <= kinds
    assert "rollout_failed" not in kinds
    during = [seen for seen in seen_in_journal(forum, "posts") if began <= seen.at <= ended]
    assert min(seen.healthy for seen in during) >= 2  # minimum_healthy 100 % of two
    assert 2 < max(seen.alive for seen in during) <= 4  # maximum 200 %
    kept = {name: pid for name, pid in before.items() if not name.startswith("posts-")}
    assert kept.items() <= forum.pids().items()


def test_one_service_goes_to_ten_and_back_to_two_under_load(forum: Running) -> None:
    load = forum.load("threads", "--path", "/api/threads", "--rate", "100", "--for", "150s")
    forum.flyball("scale", "threads=10", "--hold", "60s")
    forum.until(lambda: forum.service("threads")["capacity"]["in_service"] == 10, what="ten in service")
    forum.flyball("scale", "threads=2", "--hold", "60s")
    forum.until(lambda: len(forum.service("threads")["instances"]) == 2, what="two left")
    result = stopped(load)

    assert result["failed"] == 0
    assert len(result["by_instance"]) == 10
    assert {one["name"]: len(one["instances"]) for one in forum.ps()["services"]} == dict.fromkeys(SERVICES, 2)
