"""The forum as it runs: several processes, one store, asked through one address."""

import asyncio
import json
import os
import shlex
import signal
import tomllib

import aiohttp
import pytest

from app_servers import AWS_LIKE
from apps.forum.running import FORUM, instance, running
from waiting import soon

pytestmark = pytest.mark.live


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


async def created(http, url, body, **headers):
    async with http.post(url, json=body, headers=headers) as answer:
        assert answer.status == 201, await answer.text()
        return await answer.json()


async def status(http, method, url, body=None, **headers):
    async with http.request(method, url, json=body, headers=headers) as answer:
        await answer.read()
        return answer.status


async def test_a_conversation_across_the_services(pytestconfig, tmp_path, http):
    async with running(pytestconfig, tmp_path, each=2) as (router, _):
        api = f"{router.url}/api"
        user = await created(http, f"{api}/users", {"name": "Ada"})
        thread = await created(http, f"{api}/threads", {"title": "Engines", "user_id": user["id"]})
        post = {"thread_id": thread["id"], "user_id": user["id"], "text": "What turns it?"}
        made = [await created(http, f"{api}/posts", post) for _ in range(4)]
        async with http.get(f"{api}/posts", params={"thread_id": thread["id"], "order": "oldest"}) as answer:
            assert [item["id"] for item in (await answer.json())["items"]] == [item["id"] for item in made]
        await created(http, f"{api}/posts", post, **{"x-request-id": "asked-7"})
        asked = {(method, path) for method, path, id_ in router.passed if id_ == "asked-7"}
        assert asked == {
            ("POST", "/api/posts"),
            ("HEAD", f"/api/threads/{thread['id']}"),
            ("HEAD", f"/api/users/{user['id']}"),
        }
        assert await status(http, "DELETE", f"{api}/threads/{thread['id']}") == 204
        assert await status(http, "POST", f"{api}/posts", post) == 422
        assert await status(http, "GET", f"{api}/posts/{made[0]['id']}") == 200


async def test_a_service_that_is_down_is_a_503_and_nothing_is_stored(pytestconfig, tmp_path, http):
    async with running(pytestconfig, tmp_path) as (router, servers):
        api = f"{router.url}/api"
        user = await created(http, f"{api}/users", {"name": "Ada"})
        thread = await created(http, f"{api}/threads", {"title": "Engines"})
        post = {"thread_id": thread["id"], "user_id": user["id"], "text": "What turns it?"}
        servers["users"][0].kill()
        async with http.post(f"{api}/posts", json=post) as answer:
            assert answer.status == 503
            assert answer.headers["retry-after"] == "1"
            assert (await answer.json())["detail"] == "the users service answered 503"
        os.killpg(servers["threads"][0].pid, signal.SIGSTOP)  # hangs: connections are taken and never answered
        async with asyncio.timeout(60):  # far more than the service's own limit; without one this lasts for ever
            assert await status(http, "POST", f"{api}/posts", post) == 503
        os.killpg(servers["threads"][0].pid, signal.SIGCONT)
        async with http.get(f"{api}/posts") as answer:
            assert (await answer.json())["items"] == []


async def test_a_key_counts_at_every_instance_and_after_a_restart(pytestconfig, tmp_path, http):
    body, key = {"name": "Ada"}, {"idempotency-key": "from-the-client-1"}
    async with running(pytestconfig, tmp_path, each=2) as (router, servers):
        answers = await asyncio.gather(*(created(http, f"{router.url}/api/users", body, **key) for _ in range(20)))
        for server in servers["users"]:
            server.kill()
    async with running(pytestconfig, tmp_path) as (router, _):
        answers.append(await created(http, f"{router.url}/api/users", body, **key))
        assert await status(http, "POST", f"{router.url}/api/users", {"name": "Bob"}, **key) == 422
        async with http.get(f"{router.url}/api/users") as answer:
            assert (await answer.json())["items"] == answers[:1]
    assert all(answer == answers[0] for answer in answers)


async def test_what_is_acknowledged_is_kept_when_instances_are_killed(pytestconfig, tmp_path, http):
    async with running(pytestconfig, tmp_path, each=3) as (router, servers):
        acknowledged, many = [], asyncio.Event()

        async def client(number):
            for turn in range(40):
                async with http.post(f"{router.url}/api/users", json={"name": f"{number}-{turn}"}) as answer:
                    if answer.status == 201:
                        acknowledged.append((await answer.json())["id"])
                        if len(acknowledged) == 60:
                            many.set()

        clients = [asyncio.create_task(client(number)) for number in range(6)]
        await many.wait()
        for server in servers["users"][:2]:
            server.kill()
        router.targets["users"] = [servers["users"][2].url]
        await asyncio.gather(*clients)
        found, cursor = set(), None
        while True:
            query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
            async with http.get(f"{router.url}/api/users", params=query) as answer:
                page = await answer.json()
            found |= {item["id"] for item in page["items"]}
            if (cursor := page["next"]) is None:
                break
    assert len(acknowledged) > 200
    assert set(acknowledged) <= found


async def test_the_same_over_dynamodb(pytestconfig, tmp_path, http, forum_table):
    with instance(
        pytestconfig, "users", store=forum_table, address="", log=tmp_path / "users.log", **AWS_LIKE
    ) as server:
        user = await created(http, f"{server.url}/api/users", {"name": "Ada"}, **{"idempotency-key": "1"})
        assert user == await created(http, f"{server.url}/api/users", {"name": "Ada"}, **{"idempotency-key": "1"})
        async with http.get(f"{server.url}/api/users/{user['id']}") as answer:
            assert await answer.json() == user
        assert await status(http, "PATCH", f"{server.url}/api/users/{user['id']}", {"name": "B"}) == 200
        assert await status(http, "DELETE", f"{server.url}/api/users/{user['id']}") == 204
        async with http.get(f"{server.url}/api/users") as answer:
            assert await answer.json() == {"items": [], "next": None}


async def test_the_log_has_one_line_per_request_and_can_be_turned_down(pytestconfig, tmp_path, http):
    url = f"sqlite://{tmp_path}/forum.db"
    for setting, lines in (("requests", 2), ("errors", 0), ("off", 0)):
        log = tmp_path / f"{setting}.log"
        with instance(
            pytestconfig, "users", store=url, address="", log=log, FORUM_LOG=setting, FLYBALL_INSTANCE="users-3"
        ) as server:
            await status(http, "GET", f"{server.url}/api/users", **{"x-request-id": "abc"})
            await status(http, "GET", f"{server.url}/health")
            await status(http, "GET", f"{server.url}/api/users/x\ny")
        written = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
        assert len(written) == lines
        if written:
            expected = {"path": "/api/users", "status": 200, "request_id": "abc", "instance": "users-3"}
            assert written[0].items() >= expected.items()


async def refused(port):
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:  # it was in the backlog when the listener closed
        return False
    writer.close()
    return False


async def test_sigterm_lets_a_request_in_flight_finish(pytestconfig, tmp_path):
    store = f"sqlite://{tmp_path}/forum.db"
    with instance(pytestconfig, "users", store=store, address="", log=tmp_path / "log") as server:
        port = int(server.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /api/users HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"content-length: 15\r\nexpect: 100-continue\r\n\r\n"
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"  # the service reads the body now
        os.killpg(server.pid, signal.SIGTERM)
        await soon(lambda: refused(port), what="nobody listens")
        writer.write(b'{"name": "Ada"}')
        assert (await reader.readline()).startswith(b"HTTP/1.1 201")
        writer.close()


@pytest.mark.parametrize("name", ["users", "threads", "posts"])
async def test_the_file_runs_what_is_tested_here(pytestconfig, name):
    file = tomllib.loads((FORUM / "flyball.toml").read_text())
    words = shlex.split(file["services"][name]["run"])
    assert words == shlex.split(
        f"uvicorn --factory {name}.main:app --host $HOST --port $PORT --timeout-keep-alive 75 --no-access-log"
    )
    assert f"/api/{name}" in file["services"][name]["routes"]
