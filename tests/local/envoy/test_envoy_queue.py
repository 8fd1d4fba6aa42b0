"""One queue for each service, through a real Envoy: who waits, who goes on, and who is turned away."""

import asyncio
import io
import json
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import aiohttp
import pytest

from flyball.core.model import Balancing, Condition, Queue, Route, Stickiness, Tls
from flyball.local.envoy import certificate
from flyball.local.envoy.config.queue import PROGRAM
from local.envoy.envoy_rig import application, service
from waiting import soon

pytestmark = pytest.mark.live
ROOT = Path(__file__).parents[3]


def limited(concurrency=1, **fields):
    return application(service(concurrency=concurrency, **fields))


class Held:
    """An instance's handler of /slow that keeps every request until it is let go, and knows how many it had at once."""

    def __init__(self, *instances):
        self.gate = asyncio.Event()
        self.now = dict.fromkeys((one.name for one in instances), 0)
        self.most_of_all = 0
        self.order: list[str] = []
        for one in instances:
            one.slow = self._handler(one.name)

    def _handler(self, name):
        async def handle(request):
            self.now[name] += 1
            self.most_of_all = max(self.most_of_all, self.total)
            self.order.append(request.query.get("n", ""))
            try:
                await self.gate.wait()
            finally:
                self.now[name] -= 1

        return handle

    @property
    def total(self):
        return sum(self.now.values())


async def start(envoy, app, **instances):
    """Start it, and wait until it sends requests to every instance."""
    await envoy.start(app, **instances)
    if instances:
        await healthy(envoy, sum(len(members) for members in instances.values()))


async def healthy(envoy, count):
    async def holds():
        return [target.health for target in await envoy.admin.targets()] == ["healthy"] * count

    await soon(holds, what=f"{count} healthy instances")


def sent(client, count, path="/slow", **options):
    return [asyncio.ensure_future(client.get(f"{path}?n={number}", **options)) for number in range(count)]


async def waiting(envoy, count, name="web"):
    async def holds():
        return (await envoy.admin.use()).waiting.get(name, 0) == (await envoy.admin.waiting()).get(name, 0) == count

    await soon(holds, what=f"{count} requests that wait")


async def at_work(held, count):
    await soon(lambda: held.total == count, what=f"{count} requests at work")


def statuses(answers):
    return [status for status, _, _ in answers]


async def test_no_more_are_at_work_than_there_are_places_and_all_are_served(envoy, instances, client):
    web = await instances("web-1", "web-2")
    held = Held(*web)
    await start(envoy, limited(2), web=web)
    requests = sent(client, 20)
    await at_work(held, 4)
    await waiting(envoy, 16)
    held.gate.set()
    assert set(statuses(await asyncio.gather(*requests))) == {200}
    assert held.most_of_all == 4
    await waiting(envoy, 0)


async def test_who_came_first_is_served_first(envoy, instances, client):
    web = await instances("web-1")
    held = Held(web)
    await start(envoy, limited(1), web=[web])
    requests = []
    for number in range(8):
        requests += [asyncio.ensure_future(client.get(f"/slow?n={number}"))]
        await (at_work(held, 1) if number == 0 else waiting(envoy, number))
    held.gate.set()
    await asyncio.gather(*requests)
    assert held.order == [str(number) for number in range(8)]


async def test_what_waits_is_served_by_the_instance_that_comes_to_help_at_once(envoy, instances, client):
    web = await instances("web-1", "web-2")
    held = Held(*web)
    app = limited(1)
    await start(envoy, app, web=web[:1])
    requests = sent(client, 4)
    await waiting(envoy, 3)
    envoy.push(app, web=[web[0], replace(web[1].endpoint(), healthy=False)])
    await healthy(envoy, 2)
    envoy.push(app, web=web)  # with nothing else arriving
    await at_work(held, 2)
    await waiting(envoy, 2)
    envoy.push(app, web=web[:1])  # and back: a configuration that Envoy has seen before
    held.gate.set()
    assert set(statuses(await asyncio.gather(*requests))) == {200}
    assert held.most_of_all == 2


async def test_a_place_that_is_taken_away_is_not_given_again(envoy, instances, client):
    web = await instances("web-1", "web-2")
    held = Held(*web)
    app = limited(1)
    await start(envoy, app, web=web)
    first = sent(client, 2)
    await at_work(held, 2)
    draining = [web[0], replace(web[1].endpoint(draining=True), in_flight=held.now["web-2"])]
    envoy.push(app, web=draining)
    await envoy.until_target("web-2", lambda target: target.draining)
    second = sent(client, 3)
    await waiting(envoy, 3)
    taken = web[1].requests
    held.gate.set()
    assert set(statuses(await asyncio.gather(*first, *second))) == {200}
    assert (held.most_of_all, web[1].requests) == (2, taken)


async def test_a_client_that_gives_up_leaves_the_queue(envoy, instances, client):
    web = await instances("web-1")
    held = Held(web)
    await start(envoy, limited(1), web=[web])
    first, *others = sent(client, 6)
    await waiting(envoy, 5)
    for request in others[:4]:
        request.cancel()
    await waiting(envoy, 1)
    held.gate.set()
    assert statuses(await asyncio.gather(first, others[4])) == [200, 200]
    assert web.requests == 2


async def test_a_client_that_gives_up_at_work_gives_its_place_back(envoy, instances, client):
    web = await instances("web-1")
    held = Held(web)
    await start(envoy, limited(1), web=[web])
    first, second = sent(client, 2)
    await waiting(envoy, 1)
    first.cancel()
    await soon(lambda: len(held.order) == 2)
    held.gate.set()
    assert (await second)[0] == 200


async def test_a_full_queue_says_when_to_come_again(envoy, instances, client):
    web = await instances("web-1")
    held = Held(web)
    await start(envoy, limited(1, queue=Queue(most=2)), web=[web])
    requests = sent(client, 3)
    await waiting(envoy, 2)
    status, headers, body = await client.get("/")
    assert (status, headers["retry-after"]) == (503, "5")
    assert "503 Service Temporarily Unavailable" in body
    assert (await envoy.admin.use()).turned_away == {"web": 1}
    held.gate.set()
    assert set(statuses(await asyncio.gather(*requests))) == {200}


async def test_a_queue_of_none_refuses_at_once(envoy, instances, client):
    web = await instances("web-1")
    held = Held(web)
    await start(envoy, limited(1, queue=Queue(most=0)), web=[web])
    (request,) = sent(client, 1)
    await at_work(held, 1)
    assert (await client.get("/"))[0] == 503
    held.gate.set()
    assert (await request)[0] == 200
    assert (await client.get("/"))[0] == 200


async def test_who_has_waited_too_long_is_turned_away(envoy, instances, client):
    web = await instances("web-1")
    held = Held(web)
    await start(envoy, limited(1, queue=Queue(longest_s=0.3)), web=[web])
    first, second = sent(client, 2)
    status, headers, _ = await second
    assert (status, headers["retry-after"]) == (503, "5")
    assert (await envoy.admin.use()).turned_away == {"web": 1}
    held.gate.set()
    assert (await first)[0] == 200
    await soon(lambda: len(envoy.access_log.read_text().splitlines()) == 2)
    lines = [json.loads(line) for line in envoy.access_log.read_text().splitlines()]
    late = next(line for line in lines if line["status"] == 503)
    assert (late["instance"], late["flags"]) == (None, "-")
    assert 300 <= int(late["waited_ms"]) < 60_000
    assert next(line for line in lines if line["status"] == 200)["waited_ms"] is None


async def told(envoy):
    """What the requests came to, once Envoy has summed up its threads; under load that may take a question more."""
    use = await envoy.admin.use()
    return use if use.latencies else None


async def test_the_time_in_the_queue_is_told_and_counts_as_latency(envoy, instances, client):
    web = await instances("web-1")
    web.slow_s = 0.2
    await start(envoy, limited(1), web=[web])
    await envoy.admin.use()
    await asyncio.gather(*sent(client, 4))
    use = await soon(lambda: told(envoy))
    assert 150 < use.waited["web"]["p50"] < use.waited["web"]["p99"]
    assert use.latencies["web"]["p99"] > 350  # the last may not be written down yet; each takes 200 alone


async def test_services_wait_apart(envoy, instances, client):
    web, api = await instances("web-1", "api-1")
    held = Held(web)
    app = application(service("web", concurrency=1), service("api", "/api", concurrency=1), service("free", "/free"))
    await start(envoy, app, web=[web], api=[api], free=[api])
    requests = sent(client, 3)
    await waiting(envoy, 2)
    assert (await client.get("/api"))[0] == 200
    assert (await client.get("/free"))[0] == 200
    held.gate.set()
    assert set(statuses(await asyncio.gather(*requests))) == {200}


async def test_services_that_share_a_route_wait_each_for_their_own(envoy, instances, client):
    web, new = await instances("web-1", "new-1")
    new.slow_s = 0.0
    held = Held(web)
    shared = [
        service(name, concurrency=1, routes=(Route(condition=Condition(path="/"), weight=weight),))
        for name, weight in (("web", 1), ("new", 1))
    ]
    await start(envoy, application(*shared), web=[web], new=[new])
    requests = sent(client, 40)
    await at_work(held, 1)
    await soon(lambda: sum(request.done() for request in requests) == new.requests > 0)
    held.gate.set()
    assert set(statuses(await asyncio.gather(*requests))) == {200}
    assert web.requests + new.requests == 40


async def test_a_smaller_weight_gets_fewer_places(envoy, instances, client):
    web = await instances("web-1", "web-2")
    held = Held(*web)
    await start(envoy, limited(3), web=[web[0].endpoint(weight=3), web[1].endpoint(weight=1)])
    requests = sent(client, 12)
    await at_work(held, 4)
    await waiting(envoy, 8)
    held.gate.set()
    assert set(statuses(await asyncio.gather(*requests))) == {200}


async def test_a_sticky_visitor_waits_and_gets_his_own_instance(envoy, instances, client):
    web = await instances("web-1", "web-2")
    held = Held(*web)
    await start(envoy, limited(1, balancing=Balancing(stickiness=Stickiness())), web=web)
    _, headers, _ = await client.get("/")
    mine, cookie = headers["x-flyball-instance"], headers["set-cookie"].partition(";")[0]
    requests = sent(client, 2)
    await at_work(held, 2)
    visit = asyncio.ensure_future(client.who("/", headers={"cookie": cookie}))
    await waiting(envoy, 1)
    held.gate.set()
    assert await visit == mine
    await asyncio.gather(*requests)


async def test_a_websocket_waits_its_turn_and_then_holds_no_place(envoy, instances, client):
    web = await instances("web-1")
    held = Held(web)
    await start(envoy, limited(1), web=[web])
    (request,) = sent(client, 1)
    await at_work(held, 1)
    opening = asyncio.ensure_future(client.session.ws_connect(envoy.url + "/ws"))
    await waiting(envoy, 1)
    held.gate.set()
    await request
    async with await opening as channel:
        assert await asyncio.gather(*(client.who("/") for _ in range(3))) == ["web-1"] * 3
        await channel.send_str("hello")
        assert await channel.receive_str() == "web-1 hello"
    assert await client.who("/") == "web-1"


async def test_a_stream_of_events_holds_no_place(envoy, instances, client):
    web = await instances("web-1")
    await start(envoy, limited(1), web=[web])
    async with client.session.get(envoy.url + "/events") as stream:
        assert await stream.content.readline() == b"data: web-1\n"
        assert await client.who("/") == "web-1"


@pytest.mark.parametrize("sticky", [False, True])
async def test_a_route_that_asks_for_it_neither_waits_nor_holds_a_place(envoy, instances, client, sticky):
    web = await instances("web-1")
    held = Held(web)
    routes = (Route(condition=Condition()), Route(condition=Condition(path="/status"), queue=False))
    routes += (Route(condition=Condition(path="/slow"), queue=not sticky),)
    balancing = Balancing(stickiness=Stickiness() if sticky else None)
    await start(envoy, limited(1, routes=routes, balancing=balancing), web=[web])
    requests = sent(client, 3)
    if sticky:
        await at_work(held, 3)
        assert await client.who("/") == "web-1"
    else:
        await waiting(envoy, 2)
    assert (await client.get("/status/418"))[0] == 418
    held.gate.set()
    assert set(statuses(await asyncio.gather(*requests))) == {200}


async def test_a_killed_instance_loses_nothing_that_waits_and_no_post_is_sent_twice(envoy, instances, client):
    web = await instances("web-1", "web-2")
    held = Held(*web)
    app = limited(1)
    await start(envoy, app, web=web)
    requests = sent(client, 12, method="POST", data=b"once")
    await at_work(held, 2)
    await waiting(envoy, 10)
    lost = held.now["web-1"]
    await web[0].kill()
    envoy.push(app, web=web[1:])
    held.gate.set()
    found = statuses(await asyncio.gather(*requests))
    assert sorted(found) == [200] * (12 - lost) + [502] * lost
    assert web[0].requests + web[1].requests == 12


async def test_an_instance_that_fails_its_checks_gives_its_places_to_nobody(envoy, instances, client):
    web = await instances("web-1", "web-2")
    held = Held(*web)
    app = limited(2)
    await start(envoy, app, web=web)
    web[1].healthy = False
    await envoy.until_target("web-2", lambda target: target.health == "unhealthy")
    envoy.push(app, web=[web[0], replace(web[1].endpoint(), healthy=False)])
    requests = sent(client, 6)
    await at_work(held, 2)
    await waiting(envoy, 4)
    assert held.now == {"web-1": 2, "web-2": 0}
    held.gate.set()
    assert set(statuses(await asyncio.gather(*requests))) == {200}


async def test_what_waits_when_the_last_instance_dies_is_served_by_the_next(envoy, instances, client):
    web = await instances("web-1")
    held = Held(web)
    app = limited(1)
    await start(envoy, app, web=[web])
    requests = sent(client, 5)
    await waiting(envoy, 4)
    envoy.push(app, web=[])
    await soon(lambda: refused(client))
    held.gate.set()
    assert (await requests[0])[0] == 200
    await web.kill()
    assert (await envoy.admin.use()).waiting == {"web": 4}
    following = await instances("web-2")
    following.slow_s = 0.0
    envoy.push(app, web=[replace(following.endpoint(), known=False, healthy=False)])
    await healthy(envoy, 1)
    envoy.push(app, web=[following])
    assert statuses(await asyncio.gather(*requests[1:])) == [200] * 4


async def refused(client):
    """Whether there is no instance, and so nothing to wait for."""
    try:
        return await client.who("/", timeout=aiohttp.ClientTimeout(total=1)) == "503"
    except TimeoutError:
        return False


async def test_what_waits_when_the_last_instance_drains_is_answered_at_once(envoy, instances, client):
    web = await instances("web-1")
    held = Held(web)
    app = limited(1)
    await start(envoy, app, web=[web])
    first, *others = sent(client, 5)
    await waiting(envoy, 4)
    envoy.push(app, web=[web.endpoint(draining=True)])
    assert statuses(await asyncio.gather(*others)) == [503] * 4
    held.gate.set()
    assert (await first)[0] == 200


async def test_without_instances_nothing_is_held_back(envoy, client):
    await start(envoy, limited(1), web=[])
    assert set(await asyncio.gather(*(client.who("/") for _ in range(3)))) == {"503"}


async def test_what_waits_goes_on_when_the_limit_is_taken_from_the_file(envoy, instances, client):
    web = await instances("web-1")
    other = await instances("api-1")
    held = Held(web)
    api = service("api", "/api", concurrency=1)
    await start(envoy, application(service(concurrency=1), api), web=[web], api=[other])
    requests = sent(client, 5)
    await waiting(envoy, 4)
    envoy.push(application(service(), api), web=[web], api=[other])
    await at_work(held, 5)
    held.gate.set()
    assert set(statuses(await asyncio.gather(*requests))) == {200}


async def test_limits_that_change_all_the_time_lose_nobody(envoy, instances, client):
    web = await instances("web-1", "web-2", "web-3")
    for one in web:
        one.slow_s = 0.02
    app = limited(2)
    await start(envoy, app, web=web[:1])

    requests = sent(client, 300)
    for turn in range(30):
        envoy.push(app, web=web[: 1 + turn % 3])
        await client.get("/")
    envoy.push(app, web=web)
    assert set(statuses(await asyncio.gather(*requests))) == {200}
    await waiting(envoy, 0)


@pytest.mark.parametrize("content", [b"", b"no program", b"\0asm\1\0\0\0"])
async def test_a_filter_that_cannot_be_used_holds_nobody_back(envoy, instances, client, tmp_path, content):
    web = await instances("web-1")
    (tmp_path / "queue.wasm").write_bytes(content)
    envoy.queue = str(tmp_path / "queue.wasm")
    held = Held(web)
    await start(envoy, limited(1), web=[web])
    requests = sent(client, 3)
    await at_work(held, 3)
    held.gate.set()
    assert set(statuses(await asyncio.gather(*requests))) == {200}
    assert await envoy.refused()


async def test_what_waits_in_a_program_that_is_replaced_goes_on(envoy, instances, client, tmp_path):
    web = await instances("web-1")
    held = Held(web)
    app = limited(1)
    await start(envoy, app, web=[web])
    requests = sent(client, 5)
    await waiting(envoy, 4)
    envoy.push(limited(1, queue=Queue(most=50)), web=[web])  # what waits came under an older configuration
    envoy.queue = another(tmp_path)
    envoy.push(app, web=[web])
    await soon(lambda: replaced(envoy))
    held.gate.set()
    assert set(statuses(await asyncio.gather(*requests))) == {200}
    await waiting(envoy, 0)


def another(directory):
    """The same program with a section of its own, which does nothing."""
    path = directory / "another.wasm"
    path.write_bytes(Path(PROGRAM).read_bytes() + b"\0\2\1x")
    return str(path)


async def replaced(envoy):
    """Whether the other program has begun."""
    await envoy.admin.use()
    found = await envoy.admin._json("/stats?format=json&filter=wasm.*created")
    return sum(stat["value"] for stat in found["stats"]) > 1


async def ended(envoy, count):
    use = await envoy.admin.use()
    return use if use.ended == {"web": count} else None


async def test_the_time_inside_is_told_without_the_wait(envoy, instances, client):
    web = await instances("web-1")
    web.slow_s = 0.2
    await start(envoy, limited(1), web=[web])
    began = time.monotonic()
    await asyncio.gather(*sent(client, 4))
    use = await soon(lambda: ended(envoy, 4))
    passed_ms = 1000 * (time.monotonic() - began)
    assert 4 * 200 <= use.inside_ms["web"] <= passed_ms  # one after the other; with their waits it would be more


async def crashing(tmp_path):
    """The filter, but for a request that makes it crash."""
    if find_spec("ziglang") is None:
        pytest.skip("needs the compiler: sh bin/setup all")
    source = Path(PROGRAM).with_name("queue.c")
    begin = "    char *name;\n    size_t size;\n    if (host_property"
    crash = '    if (host_header(REQUEST_HEADERS, TEXT("x-crash"), &name, &size) == OK && size) __builtin_trap();\n'
    assert source.read_text().count(begin) == 1
    changed = source.read_text().replace(begin, begin.replace("    if", crash + "    if"))
    changed = changed.replace('"../host.h"', f'"{source.parents[1] / "host.h"}"')
    (tmp_path / "queue.c").write_text(changed)
    build = ["sh", ROOT / "bin/build-filter", tmp_path / "queue.wasm", tmp_path / "queue.c"]
    assert await (await asyncio.create_subprocess_exec(*build)).wait() == 0
    return str(tmp_path / "queue.wasm")


async def test_a_filter_that_crashes_costs_one_request_and_who_waits_is_told_to_come_again(
    envoy, instances, client, tmp_path
):
    envoy.queue = await crashing(tmp_path)
    web = await instances("web-1")
    held = Held(web)
    app = application(service(concurrency=1), idle_timeout_s=4.0)
    await start(envoy, app, web=[web])
    (first,) = sent(client, 1)
    await at_work(held, 1)
    waited = sent(client, 2)
    await waiting(envoy, 2)
    assert statuses([await client.get("/", headers={"x-crash": "1"})]) == [503]
    assert statuses([await client.get("/") for _ in range(3)]) == [200] * 3
    left = await asyncio.gather(*waited)
    assert [(status, headers.get("retry-after")) for status, headers, _ in left] == [(503, "5")] * 2
    first.cancel()
    envoy.push(application(service(concurrency=1, queue=Queue(most=9)), idle_timeout_s=60.0), web=[web])

    async def limited_again():
        sent(client, 2)
        return (await envoy.admin.waiting()).get("web", 0) > 0

    await soon(limited_again, what="the limit holds again with the next configuration")
    held.gate.set()


async def test_visitors_over_http_2_wait_in_one_connection(envoy, instances, tmp_path):
    web = await instances("web-1")
    held = Held(web)
    envoy.certificate = certificate.self_made(tmp_path / "tls")
    await start(envoy, application(service(concurrency=1), tls=Tls()), web=[web])
    command = ["curl", "--silent", "--http2", "--insecure", "--parallel", "--parallel-immediate"]
    slow = envoy.url.replace("http:", "https:") + "/slow"
    for number in range(5):
        command += ["--output", "/dev/null", "--write-out", "%{http_version} %{http_code}\n", f"{slow}?n={number}"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    await waiting(envoy, 4)
    held.gate.set()
    told, _ = await process.communicate()
    assert told.decode().split("\n")[:-1] == ["2 200"] * 5


async def test_a_large_body_that_waited_arrives_whole(envoy, instances, client):
    web = await instances("web-1")
    held = Held(web)
    await start(envoy, limited(1), web=[web])
    (first,) = sent(client, 1)
    await at_work(held, 1)
    body = b"x" * 5_000_000
    upload = asyncio.ensure_future(client.get("/", method="POST", data=io.BytesIO(body)))
    await waiting(envoy, 1)
    held.gate.set()
    await first
    assert (await upload)[0] == 200
    assert [len(each) for each in web.bodies] == [len(body)]


async def test_a_restarted_balancer_keeps_the_limits(envoy, instances, client):
    web = await instances("web-1")
    held = Held(web)
    app = limited(1)
    await start(envoy, app, web=[web])
    lost = sent(client, 3)
    await waiting(envoy, 2)
    envoy.stop()
    found = await asyncio.gather(*lost, return_exceptions=True)
    assert all(isinstance(each, aiohttp.ClientError) for each in found)
    held.gate.set()
    await at_work(held, 0)
    held = Held(web)
    await envoy.run({})
    await soon(envoy.admin.ready)
    requests = sent(client, 3)
    await waiting(envoy, 2)
    held.gate.set()
    assert set(statuses(await asyncio.gather(*requests))) == {200}
