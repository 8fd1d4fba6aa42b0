"""No request is lost when instances come, go and die, through a real Envoy."""

import asyncio
import ssl
from pathlib import Path

import pytest

from flyball.core.model import Condition, FixedResponse, Route, Tls
from flyball.local.envoy import certificate
from flyball.local.envoy.config.resources import files
from local.envoy.envoy_rig import Instance, application, bound, service
from waiting import soon

pytestmark = pytest.mark.live


class Load:
    """Requests one after another in several lanes until told to stop; `failed` are those not answered 200."""

    def __init__(self, client, *, lanes=4, method="GET", path="/"):
        self.sent = 0
        self.failed = []
        self._client, self._method, self._path = client, method, path
        self._running = True
        self._lanes = [asyncio.ensure_future(self._lane()) for _ in range(lanes)]

    async def _lane(self):
        while self._running:
            self.sent += 1
            status, headers, _ = await self._client.get(self._path, method=self._method)
            if status != 200:
                self.failed.append((status, headers.get("x-flyball-instance")))

    async def sent_at_least(self, count):
        async def enough():
            return self.sent >= count

        await soon(enough)

    async def stop(self):
        self._running = False
        await asyncio.gather(*self._lanes)


async def test_2000_gets_survive_the_death_of_an_instance(envoy, instances, client):
    web = await instances("web-1", "web-2", "web-3")
    await envoy.start(application(), web=web)
    load = Load(client)
    await load.sent_at_least(500)
    await web[0].kill()
    await load.sent_at_least(1000)
    await web[1].kill()
    await load.sent_at_least(2000)
    await load.stop()
    assert load.failed == []
    assert (await client.spread(10)) == {"web-3": 10}


async def test_gets_survive_two_deaths_at_once(envoy, instances, client):
    web = await instances("web-1", "web-2", "web-3", "web-4")
    await envoy.start(application(), web=web)
    load = Load(client)
    await load.sent_at_least(200)
    await asyncio.gather(web[0].kill(), web[1].kill())
    await load.sent_at_least(700)
    await load.stop()
    assert load.failed == []


async def test_a_post_that_reached_an_instance_is_not_sent_twice(envoy, instances, client):
    one, two = await instances("web-1", "web-2")
    one.slow_s = two.slow_s = 30.0
    await envoy.start(application(), web=[one, two])
    answer = asyncio.ensure_future(client.get("/slow", method="POST", data="once"))

    async def arrived():
        return one.bodies + two.bodies

    await soon(arrived)
    await (one if one.bodies else two).kill()
    assert (await answer)[0] == 502
    assert one.bodies + two.bodies == ["once"]


async def test_a_refused_post_goes_to_another_instance(envoy, instances, client):
    one, two = await instances("web-1", "web-2")
    await envoy.start(application(), web=[one, two])
    await one.kill()
    assert {await client.who("/", method="POST", data="x") for _ in range(10)} == {"web-2"}


async def test_a_dead_instance_comes_back_by_its_health_check(envoy, instances, client):
    one, two = await instances("web-1", "web-2")
    await envoy.start(application(), web=[one, two])
    await one.kill()
    await envoy.until_target("web-1", lambda target: target.health == "unhealthy")
    await one.start(port=one.port)
    await envoy.until_target("web-1", lambda target: target.health == "healthy")

    async def serves():
        return (await client.spread(2))["web-1"]

    await soon(serves)


async def test_draining_finishes_what_is_in_flight_and_takes_nothing_new(envoy, instances, client):
    one, two = await instances("web-1", "web-2")
    one.slow_s = two.slow_s = 5.0
    app = application()
    await envoy.start(app, web=[one, two])
    slow = [asyncio.ensure_future(client.who("/slow")) for _ in range(2)]
    for name in ("web-1", "web-2"):
        await envoy.until_target(name, lambda target: target.in_flight == 1)

    envoy.push(app, web=[one.endpoint(draining=True), two])
    await envoy.until_target("web-1", lambda target: target.draining)
    before = one.requests
    assert await client.spread(50) == {"web-2": 50}
    target = await envoy.target("web-1")
    assert (target.in_flight, target.health) == (1, "healthy")
    assert sorted(await asyncio.gather(*slow)) == ["web-1", "web-2"]
    assert one.requests == before
    await envoy.until_target("web-1", lambda target: target.in_flight == 0)


async def test_when_the_last_instance_drains_nobody_answers(envoy, instances, client):
    one = await instances("web-1")
    app = application()
    await envoy.start(app, web=[one])
    envoy.push(app, web=[one.endpoint(draining=True)])
    await envoy.until_target("web-1", lambda target: target.draining)
    assert (await client.get("/"))[0] == 503


async def test_an_instance_leaves_while_its_checks_pass(envoy, instances, client):
    one, two = await instances("web-1", "web-2")
    app = application()
    await envoy.start(app, web=[one, two])
    load = Load(client)
    await load.sent_at_least(100)
    envoy.push(app, web=[two])
    await envoy.until_target("web-1", lambda target: target is None)
    await load.sent_at_least(load.sent + 20)  # what was under way when it left
    before = one.requests
    await load.sent_at_least(load.sent + 200)
    await load.stop()
    assert load.failed == []
    assert one.requests == before


async def test_a_new_instance_serves_soon(envoy, instances, client):
    app = application()
    one, two = await instances("web-1", "web-2")
    await envoy.start(app, web=[one])
    loop = asyncio.get_running_loop()
    start = loop.time()
    envoy.push(app, web=[one, two])

    async def serves():
        return (await client.spread(2))["web-2"]

    await soon(serves)
    assert loop.time() - start < 30, "as soon as its first check is done, not at the next round of checks"


async def test_scale_out_to_ten_and_in_to_one_loses_nothing(envoy, instances, client):
    app = application()
    web = await instances(*(f"web-{number}" for number in range(1, 11)))
    await envoy.start(app, web=web[:1])
    load = Load(client)
    for count in [*range(2, 11), *range(9, 0, -1)]:
        envoy.push(app, web=[each.endpoint(draining=index >= count) for index, each in enumerate(web)])
        await load.sent_at_least(load.sent + 30)
    envoy.push(app, web=web[:1])
    await load.sent_at_least(load.sent + 100)
    await load.stop()
    assert load.failed == []
    assert await client.spread(5) == {"web-1": 5}


async def test_services_come_and_go_under_load(envoy, instances, client):
    """The new service takes /api from the old one; no request may find it unknown, neither when it comes nor goes."""
    web, api = await instances("web-1", "api-1")
    before, after = application(service("web")), application(service("web"), service("api", "/api"))
    await envoy.start(before, web=[web])
    load = Load(client, path="/api")
    for _ in range(5):
        for app, members, who in [
            (after, {"web": [web], "api": [api]}, "api-1"),
            (before, {"web": [web]}, "web-1"),
        ]:
            await load.sent_at_least(load.sent + 50)

            async def switched(app=app, members=members, who=who):
                envoy.push(app, **members)
                return await client.who("/api") == who

            await soon(switched)
    await load.stop()
    assert load.failed == []
    assert await envoy.admin.rejected() == 0


async def test_routes_change_without_dropping_connections(envoy, instances, client):
    web = await instances("web-1")
    await envoy.start(application(), web=[web])
    web.slow_s = 0.5
    slow = asyncio.ensure_future(client.who("/slow"))
    await envoy.until_target("web-1", lambda target: target.in_flight == 1)
    down = FixedResponse(condition=Condition(path="/down"), status=503, body="closed")
    assert envoy.push(application(fixed_responses=(down,)), web=[web]) == ("rds.json",)

    async def closed():
        return (await client.get("/down"))[2] == "closed"

    await soon(closed)
    assert await slow == "web-1"


async def test_a_refused_file_is_counted_and_the_last_good_one_stays(envoy, instances, client):
    await envoy.start(application(), web=[await instances("web-1")])
    assert await envoy.admin.rejected() == 0
    for count, (name, content) in enumerate(
        [
            ("rds.json", "{"),
            ("eds-web.json", '{"resources": [{"@type": "nothing"}]}'),
            ("cds.json", '{"resources": 7}'),
            ("lds.json", "[]"),
        ],
        start=1,
    ):
        (envoy.directory / "bad").write_text(content)
        (envoy.directory / "bad").replace(envoy.directory / name)

        async def counted(count=count):
            return await envoy.admin.rejected() == count

        await soon(counted)
    assert await client.who("/") == "web-1"


async def test_posts_over_keep_alive_connections_that_the_app_closes(envoy, instances, client):
    """The app closes idle connections after 2.6 s; requests come about then. Envoy has closed them before, at 1 s."""
    web = await Instance("web-1").start(keepalive_timeout=2.6)
    await envoy.start(application(), web=[web])
    gaps = (0.0, 0.98, 1.0, 1.02, 2.55, 2.58, 2.6, 2.62)

    async def lane(offset):
        statuses = []
        for gap in gaps:
            await asyncio.sleep(gap + offset)
            statuses.append((await client.get("/", method="POST", data="x"))[0])
        return statuses

    answers = await asyncio.gather(*(lane(number * 0.003) for number in range(10)))
    await web.kill()
    assert {status for statuses in answers for status in statuses} == {200}
    assert len(web.bodies) == 10 * len(gaps)


SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
_FIELDS = b"\x82\x87\x84\x41\x09localhost"  # :method GET, :scheme https, :path / and :authority (RFC 7541, appendix A)
GET_BY_HTTP_2 = len(_FIELDS).to_bytes(3) + b"\x01\x05\x00\x00\x00\x01" + _FIELDS


async def h2_status(reader):
    """The status in the first response headers; only 200 is written as this one byte (RFC 7541, appendix A)."""
    while True:
        head = await asyncio.wait_for(reader.readexactly(9), 60)
        payload = await reader.readexactly(int.from_bytes(head[:3]))
        if head[3] == 1:
            return 200 if payload.startswith(b"\x88") else payload


async def test_tls_and_http_2(envoy, instances, client, tmp_path):
    envoy.certificate = certificate.self_made(tmp_path / "tls")
    await envoy.start(application(tls=Tls(hsts_s=60.0)), web=[await instances("web-1")])
    trust = ssl.create_default_context(cafile=envoy.certificate[0])
    for offered, agreed in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1")):
        trust.set_alpn_protocols(offered)
        reader, writer = await asyncio.open_connection("localhost", envoy.port, ssl=trust)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == agreed
        if agreed == "h2":
            writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS + GET_BY_HTTP_2)
            assert await h2_status(reader) == 200
        writer.close()
        await writer.wait_closed()
    secure = f"https://localhost:{envoy.port}"
    async with client.session.get(secure + "/", ssl=trust) as response:
        seen = (await response.json())["headers"]
        assert (response.status, seen["x-forwarded-proto"]) == (200, "https")
        assert seen["x-forwarded-port"] == str(envoy.port)
        assert response.headers["strict-transport-security"] == "max-age=60"
    async with client.session.options(secure + "/", headers={"Host": "a,b"}, ssl=trust) as response:
        assert response.status == 400
        assert response.headers["strict-transport-security"] == "max-age=60"
    status, headers, _ = await client.get("/a?b", headers={"Host": f"localhost:{envoy.port}"})
    assert (status, headers["location"]) == (301, secure + "/a?b")
    assert "strict-transport-security" not in headers
    async with client.session.get(f"http://127.0.0.1:{envoy.inside_port}/") as response:  # for the services themselves
        assert (response.status, (await response.json())["headers"]["x-forwarded-proto"]) == (200, "http")
        assert "strict-transport-security" not in response.headers


def speaks(directory: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate.self_made(directory))
    return context


async def test_a_service_goes_over_to_tls(envoy, instances, client, tmp_path):
    plain, first = await instances("web-1"), await instances("web-2", tls=speaks(tmp_path / "a"))
    await envoy.start(application(), web=[plain])
    load = Load(client)
    envoy.push(application(service(tls=True)), web=[plain, first])
    await envoy.until_target("web-2", lambda target: target is not None and target.health == "healthy")
    await soon(lambda: served_by(client, "web-1", "web-2"))
    envoy.push(application(service(tls=True)), web=[first])
    await envoy.until_target("web-1", lambda target: target is None)
    await load.stop()
    assert not load.failed
    assert set(await client.spread(4)) == {"web-2"}


async def served_by(client, *names) -> bool:
    return set(await client.spread(8)) == set(names)


async def test_only_who_the_authorities_vouch_for_is_asked(envoy, instances, client, tmp_path):
    known = await instances("web-1", tls=speaks(tmp_path / "known"))
    stranger = await instances("web-2", tls=speaks(tmp_path / "stranger"))
    trusting = service(tls=True, tls_ca=str(tmp_path / "known" / "certificate.pem"))
    await envoy.start(application(trusting), web=[known, stranger])
    await envoy.until_target("web-2", lambda target: target is not None and target.health == "unhealthy")
    assert set(await client.spread(8)) == {"web-1"}


async def latencies(envoy) -> dict:
    return dict((await envoy.admin.use()).latencies)


async def test_latencies_are_of_the_time_since_the_last_call(envoy, instances, client):
    web = await instances("web-1")
    await envoy.start(application(service("web"), service("idle", "/idle")), web=[web])
    await client.spread(20)
    # Envoy sums up its threads' histograms when it is asked, and answers without waiting for the sum.
    first = await soon(lambda: latencies(envoy))
    assert set(first) == {"web"}
    assert 0 <= first["web"]["p50"] <= first["web"]["p95"] <= first["web"]["p99"]
    assert await latencies(envoy) == {}
    web.slow_s = 0.4
    await asyncio.gather(*(client.get("/slow") for _ in range(10)))
    again = await soon(lambda: latencies(envoy))
    assert again["web"]["p50"] > 350


async def test_counters_of_targets(envoy, instances, client):
    one, two = await instances("web-1", "web-2")
    await envoy.start(application(), web=[one.endpoint(weight=2), two])
    for status in (200, 404, 500, 503):
        for _ in range(3):
            await client.get(f"/status/{status}")
    targets = await envoy.admin.targets()
    assert [(each.service, each.instance, each.weight) for each in targets] == [
        ("web", "web-1", 2),
        ("web", "web-2", 1),
    ]
    assert [each.requests for each in targets] == [one.requests, two.requests]
    assert sum(each.requests for each in targets) == 12
    assert sum(each.errors for each in targets) == 6
    assert all(each.in_flight == 0 and not each.draining for each in targets)


async def test_the_weight_of_a_running_instance_changes(envoy, instances, client):
    one, two = await instances("web-1", "web-2")
    app = application(service(routes=(Route(condition=Condition()),)))
    await envoy.start(app, web=[one, two])
    assert envoy.push(app, web=[one.endpoint(weight=9), two]) == ("eds-web.json",)
    await envoy.until_target("web-1", lambda target: target.weight == 9)
    assert (await client.spread(40))["web-1"] == pytest.approx(36, abs=3)


async def test_without_envoy_the_admin_says_so(envoy):
    assert not await envoy.admin.ready()
    with pytest.raises(ConnectionError):
        await envoy.admin.targets()


async def test_a_port_in_use_is_not_ready_and_the_log_says_why(envoy, tmp_path):
    held = bound()
    with held:
        content = files(
            application(),
            {},
            directory=str(envoy.directory),
            port=held.getsockname()[1],
            inside_port=envoy.inside_port,
            access_log=str(envoy.access_log),
            certificate=None,
        )
        await envoy.run(content)
        await soon(envoy.refused)
        assert not await envoy.admin.ready()
    assert "Address already in use" in envoy.log.read_text()
