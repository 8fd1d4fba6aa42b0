"""What visitors of an application see, through a real Envoy."""

import asyncio
import contextlib
import json
import re

import aiohttp
import pytest

from flyball.core.model import (
    Balancing,
    BalancingAlgorithm,
    Condition,
    Firewall,
    FixedResponse,
    HealthCheck,
    RateLimit,
    Redirect,
    Route,
    Stickiness,
)
from local.envoy.envoy_rig import Client, application, service
from waiting import soon

pytestmark = pytest.mark.live


async def test_the_instance_names_itself_in_every_answer(envoy, instances, client):
    web = await instances("web-1", "web-2")
    await envoy.start(application(), web=web)
    assert (await client.spread(20))["web-1"] == pytest.approx(10, abs=2)
    status, headers, body = await client.get("/status/418")
    assert (status, headers.getall("x-flyball-instance")) == (418, [json.loads(body)["instance"]])


async def test_an_app_sees_where_the_request_came_from(envoy, instances, client):
    await envoy.start(application(), web=[await instances("web-1")])
    sent = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "gopher", "X_Forwarded_For": "forged"}
    status, headers, body = await client.get("/a//b/?q=1", headers={**sent, "x-envoy-upstream-rq-timeout-ms": "1"})
    seen = json.loads(body)
    assert status == 200
    assert seen["path"] == "/a//b/?q=1"
    assert seen["headers"]["x-forwarded-for"] == "203.0.113.7,127.0.0.1"
    assert seen["headers"]["x-forwarded-proto"] == "http"
    assert seen["headers"]["x-forwarded-port"] == str(envoy.port)
    assert seen["headers"]["host"] == f"127.0.0.1:{envoy.port}"
    assert seen["headers"]["x-request-id"] == headers["x-request-id"]
    assert headers["server"] == "own"
    assert not [name for name in (*seen["headers"], *headers) if "envoy" in name.lower() or "_" in name]


async def test_a_clients_request_id_is_kept(envoy, instances, client):
    await envoy.start(application(), web=[await instances("web-1")])
    _, headers, body = await client.get("/", headers={"x-request-id": "mine-7"})
    assert headers["x-request-id"] == json.loads(body)["headers"]["x-request-id"] == "mine-7"


async def test_rules_by_path_host_header_and_number(envoy, instances, client):
    names = ("web", "api", "beta", "admin", "first")
    members = {name: [await instances(f"{name}-1")] for name in names}
    beta = Condition(path="/api", headers=(("X-Version", "v2*"),))
    app = application(
        service("web"),
        service("api", "/api", "/files/*.js?n"),
        service("beta", routes=(Route(condition=beta),)),
        service("admin", routes=(Route(condition=Condition(host="admin.*.example")),)),
        service("first", routes=(Route(condition=Condition(path="/api/first"), priority=10),)),
    )
    await envoy.start(app, **members)
    assert await client.who("/") == "web-1"
    assert await client.who("/api") == "api-1"
    assert await client.who("/api/x?y") == "api-1"
    assert await client.who("/apix") == "web-1"
    assert await client.who("/API") == "web-1"
    assert await client.who("/files/a/b.json") == "api-1"
    assert await client.who("/files/a/b.json.gz") == "web-1"
    assert await client.who("/api/x", headers={"x-version": "V2.1"}) == "beta-1"
    assert await client.who("/api", headers={"Host": "ADMIN.eu.example:99"}) == "admin-1"
    assert await client.who("/api/first", headers={"Host": "admin.eu.example", "x-version": "v2"}) == "first-1"


async def test_two_services_share_a_rule_by_weight(envoy, instances, client):
    old, new, none = await instances("old-1", "new-1", "none-1")
    app = application(
        *(
            service(name, routes=(Route(condition=Condition(), weight=weight),))
            for name, weight in {"old": 90, "new": 10, "none": 0}.items()
        )
    )
    await envoy.start(app, old=[old], new=[new], none=[none])
    spread = await client.spread(600)
    assert 25 <= spread["new-1"] <= 110
    assert spread["none-1"] == 0
    assert spread.total() == spread["old-1"] + spread["new-1"]


async def test_endpoints_share_by_weight(envoy, instances, client):
    one, two = await instances("web-1", "web-2")
    await envoy.start(application(), web=[one.endpoint(weight=3), two.endpoint(weight=1)])
    assert (await client.spread(40))["web-1"] == pytest.approx(30, abs=3)


async def test_redirects_fill_aws_placeholders(envoy, instances, client):
    def to(path, location, status=301):
        return Redirect(condition=Condition(path=path), location=location, status=status)

    redirects = (
        to("/all", "#{protocol}://www.#{host}:#{port}/new/#{path}?#{query}"),
        to("/short", "/other?from=#{path}&#{query}", 302),
        to("/fixed", "https://example.com/100%"),
    )
    await envoy.start(application(redirects=redirects), web=[await instances("web-1")])
    base = f"http://www.127.0.0.1:{envoy.port}/new"
    for path, status, location in [
        ("/all/a%20b?x=1", 301, f"{base}/all/a%20b?x=1"),
        ("/all", 301, f"{base}/all"),
        ("/short?z=2", 302, "/other?from=short&z=2"),
        ("/fixed", 301, "https://example.com/100%"),
    ]:
        answer = await client.get(path)
        assert (answer[0], answer[1]["location"], answer[2]) == (status, location, "")
        assert "x-flyball-instance" not in answer[1]


async def test_fixed_responses_are_given_word_for_word(envoy, instances, client):
    fixed = (
        FixedResponse(condition=Condition(path="/busy"), status=503, body="50 % busy\n"),
        FixedResponse(condition=Condition(path="/j"), status=429, body="{}", content_type="application/json"),
    )
    await envoy.start(application(fixed_responses=fixed), web=[await instances("web-1")])
    status, headers, body = await client.get("/busy")
    assert (status, headers["content-type"], body) == (503, "text/plain", "50 % busy\n")
    status, headers, body = await client.get("/j")
    assert (status, headers["content-type"], body) == (429, "application/json", "{}")


async def test_without_a_rule_or_an_instance(envoy, client):
    await envoy.start(application(service("web", "/web")))
    assert (await client.get("/"))[0] == 404
    status, headers, body = await client.get("/web")
    assert (status, headers["content-type"].split(";")[0]) == (503, "text/html")
    assert "<h1>503 Service Temporarily Unavailable</h1>" in body


async def test_a_refused_connection_of_the_only_instance_is_502(envoy, instances, client):
    web = await instances("web-1")
    await envoy.start(application(), web=[web])
    await web.kill()
    status, headers, body = await client.get("/")
    assert (status, "502 Bad Gateway" in body) == (502, True)
    assert headers["x-flyball-instance"] == "web-1", "the instance that did not answer is named"


async def test_bodies_over_the_limit_are_413_others_pass(envoy, instances, client):
    web = await instances("web-1")
    await envoy.start(application(firewall=Firewall(max_body_bytes=1000)), web=[web])
    assert (await client.get("/", method="POST", data=b"x" * 1000))[0] == 200
    assert (await client.get("/", method="POST", data=b"x" * 1001))[0] == 413

    async def stream():
        for _ in range(4):
            yield b"x" * 500

    assert (await client.get("/", method="POST", data=stream()))[0] == 413
    async with client.session.ws_connect(envoy.url + "/ws") as channel:
        await channel.send_str("x" * 100)
        assert (await channel.receive_str()).startswith("web-1")


async def test_a_client_over_its_rate_is_429(envoy, instances, client):
    await envoy.start(
        application(firewall=Firewall(rates=(RateLimit(requests=5, per_s=60),))), web=[await instances("web-1")]
    )
    statuses = [(await client.get("/"))[0] for _ in range(8)]
    assert statuses == [200] * 5 + [429] * 3
    other = aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))
    async with aiohttp.ClientSession(connector=other) as session, session.get(envoy.url) as response:
        assert response.status == 200


async def test_a_visitor_with_a_cookie_stays(envoy, instances, client):
    app = application(service(balancing=Balancing(stickiness=Stickiness(duration_s=60))))
    one, two, three = await instances("web-1", "web-2", "web-3")
    await envoy.start(app, web=[one, two, three])
    _, headers, _ = await client.get("/")
    mine, cookie = headers["x-flyball-instance"], headers["set-cookie"]
    assert re.match(r"AWSALB=[^;]+; Max-Age=60; Path=/", cookie), cookie
    with_cookie = {"headers": {"Cookie": cookie.split(";")[0]}}
    assert await client.spread(20, **with_cookie) == {mine: 20}

    endpoints = [each.endpoint(draining=each.name == mine) for each in (one, two, three)]
    envoy.push(app, web=endpoints)
    await envoy.until_target(mine, lambda target: target is not None and target.draining)
    spread = await client.spread(20, **with_cookie)
    assert spread[mine] == 0, "a draining instance gets no new requests, not even from visitors that stick to it"
    assert spread.total() == 20


async def test_several_sticky_services_do_not_disturb_each_other(envoy, instances, client):
    stickiness = Balancing(stickiness=Stickiness())
    app = application(service("web", balancing=stickiness), service("api", "/api", balancing=stickiness))
    web, api = await instances("web-1", "web-2"), await instances("api-1", "api-2")
    await envoy.start(app, web=web, api=api)
    session = Client(lambda: envoy.url)
    await session.session.close()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session.session:
        spread = await session.spread(10) + await session.spread(10, "/api")
        again = await session.spread(10) + await session.spread(10, "/api")
    assert spread == again
    assert sorted(again.values()) == [10, 10]


async def test_websockets(envoy, instances, client):
    await envoy.start(application(), web=[await instances("web-1")])
    async with client.session.ws_connect(envoy.url + "/ws") as channel:
        for word in ("one", "two"):
            await channel.send_str(word)
            assert await channel.receive_str() == f"web-1 {word}"


async def test_least_outstanding_requests_go_to_the_idle_instance(envoy, instances, client):
    algorithm = BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS
    one, two = await instances("web-1", "web-2")
    one.slow_s = two.slow_s = 60.0
    await envoy.start(application(service(balancing=Balancing(algorithm=algorithm))), web=[one, two])
    slow = []
    for count in (1, 2, 3):
        slow.append(asyncio.ensure_future(client.who("/slow")))
        await soon(lambda count=count: _in_flight(envoy, count))
    busy = max(await envoy.admin.targets(), key=lambda target: target.in_flight)
    assert busy.in_flight == 2, "the second went to the idle instance"
    assert (await client.spread(10))[busy.instance] == 0
    for request in slow:
        request.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def _in_flight(envoy, count):
    return sum(target.in_flight for target in await envoy.admin.targets()) == count


async def test_slow_start_gives_a_new_instance_more_and_more(envoy, instances, client):
    app = application(service(balancing=Balancing(slow_start_s=4.0)))
    old = await instances("web-1")
    await envoy.start(app, web=[old])
    loop = asyncio.get_running_loop()
    start = loop.time()
    while loop.time() - start < 4.2:  # the old one is through with its own slow start
        await client.get("/")
    new = await instances("web-2")
    envoy.push(app, web=[old, new])
    await envoy.until_target("web-2", lambda target: target is not None and target.health == "healthy")
    start = loop.time()
    shares = []
    for second in range(1, 6):
        spread = await client.spread(10)
        while loop.time() - start < second:
            spread[await client.who("/")] += 1
        shares.append(spread["web-2"] / spread.total())
    # In the first second it gets a tenth and up to a fifth; more where a busy machine begins to count late.
    assert shares[0] < 0.4 < shares[4] < 0.6, shares


async def test_http_1_0_and_no_host(envoy, instances):
    await envoy.start(application(), web=[await instances("web-1")])
    answer = await raw(envoy, b"GET /old HTTP/1.0\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")), answer


@pytest.mark.parametrize(
    "request_",
    [
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\x00: c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n",
        b"GET /a/../secret HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a/%2E%2e/secret HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a/..%2fsecret HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a/..\\secret HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a/%c0%ae%C0%AE/secret HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a/..%c0%afsecret HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a%e0%80%af.%f0%80%80%ae%c1%9csecret HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /a#fragment HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_could_smuggle_is_refused(envoy, instances, request_):
    web = await instances("web-1")
    await envoy.start(application(), web=[web])
    answer = await raw(envoy, request_)
    assert re.match(rb"HTTP/1.1 (400|501) ", answer), answer
    assert web.requests == 0


async def raw(envoy, request_):
    """The answer to bytes sent as they are."""
    reader, writer = await asyncio.open_connection("127.0.0.1", envoy.port)
    writer.write(request_)
    answer = await asyncio.wait_for(reader.read(4096), 60)
    writer.close()
    with contextlib.suppress(ConnectionError):  # Envoy does not read on after a request it refuses
        await writer.wait_closed()
    return answer


async def test_ordinary_dots_in_paths_pass(envoy, instances, client):
    await envoy.start(application(), web=[await instances("web-1")])
    for path in ("/a..b", "/...", "/.well-known/x", "/v1..2/..x", "/?p=/../x"):
        assert await client.who(path) == "web-1", path


async def test_a_request_without_an_answer_within_the_idle_timeout_is_504(envoy, instances, client):
    web = await instances("web-1")
    web.slow_s = 5.0
    await envoy.start(application(idle_timeout_s=0.5), web=[web])
    status, _, body = await client.get("/slow", method="POST")
    assert (status, "504 Gateway Time-out" in body) == (504, True)


async def test_every_request_is_logged(envoy, instances, client):
    await envoy.start(application(), web=[await instances("web-1")])
    await client.get('/a"b\\?c=d', headers={"user-agent": 'say "hi"\t', "x-request-id": "r1"})

    async def written():
        return envoy.access_log.exists() and envoy.access_log.read_text()

    line = json.loads(await soon(written))
    assert (line["status"], line["service"], line["instance"], line["id"]) == (200, "web", "web-1", "r1")
    assert (line["client"], line["method"], line["agent"]) == ("127.0.0.1", "GET", 'say "hi"')
    assert line["path"] == "/a%22b%5C?c=d"
    assert float(line["at"]) > 0
    assert line["duration_ms"] >= line["instance_ms"] >= 0
    assert line["flags"] == "-"


async def test_health_checks_count_by_the_applications_numbers(envoy, instances):
    health = HealthCheck(path="/health", interval_s=0.2, timeout_s=1, healthy_threshold=2, unhealthy_threshold=3)
    one, two = await instances("web-1", "web-2")
    await envoy.start(application(service(health=health)), web=[one, two])
    one.healthy = False
    loop = asyncio.get_running_loop()
    start = loop.time()
    await envoy.until_target("web-1", lambda target: target.health == "unhealthy")
    assert loop.time() - start > 0.35, "three failed checks are needed, not one"
    assert (await envoy.target("web-2")).health == "healthy"
    one.healthy = True
    await envoy.until_target("web-1", lambda target: target.health == "healthy")


async def test_when_none_is_healthy_all_are_asked_but_not_the_draining(envoy, instances, client):
    web = await instances("web-1", "web-2", "web-3")
    app = application()
    await envoy.start(app, web=web)
    for instance in web:
        instance.healthy = False
    for instance in web:
        await envoy.until_target(instance.name, lambda target: target.health == "unhealthy")

    async def all_are_asked():
        return len(await client.spread(30)) == 3

    await soon(all_are_asked)
    envoy.push(app, web=[web[0].endpoint(draining=True), *web[1:]])
    await envoy.until_target("web-1", lambda target: target.draining)
    assert set(await client.spread(30)) == {"web-2", "web-3"}


async def test_a_check_without_an_answer_in_time_is_told_from_a_wrong_answer(envoy, instances):
    late, wrong = await instances("web-1", "web-2")
    health = HealthCheck(path="/health", interval_s=0.2, timeout_s=0.1)
    await envoy.start(application(service(health=health)), web=[late, wrong])
    late.health_s, wrong.healthy = 30.0, False
    for name in ("web-1", "web-2"):
        await envoy.until_target(name, lambda target: target.health == "unhealthy")
    assert [target.timed_out for target in await envoy.admin.targets()] == [True, False]
    wrong = (await envoy.admin.use()).wrong["web"]
    await instances_checked(envoy, wrong)


async def instances_checked(envoy, wrong: int) -> None:
    """Wrong answers are counted apart from those that never came."""
    assert wrong > 0

    async def more() -> bool:
        return (await envoy.admin.use()).wrong["web"] > wrong

    await soon(more)
