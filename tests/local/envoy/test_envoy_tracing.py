"""The balancer's spans, as a collector gets them."""

import json
from dataclasses import replace

import pytest
from aiohttp import web

from flyball.core.model import Application, Observe
from flyball.local.envoy.config import resources, tracing
from local.envoy.envoy_rig import application, bound
from waiting import soon

MINE = "0af7651916cd43dd8448eb211c80319c"


def traced(endpoint: str | None) -> Application:
    return replace(application(), observe=Observe(otlp=endpoint))


def content(app: Application) -> str:
    made = resources.files(app, {}, directory="/d", port=1, inside_port=2, access_log="/l", certificate=None)
    return json.dumps(made)


@pytest.fixture
async def collector():
    """An OTLP receiver: its endpoint, and the bodies that were posted to /v1/traces."""
    bodies: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        bodies.append(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    held = bound()
    await web.SockSite(runner, held).start()
    yield f"http://127.0.0.1:{held.getsockname()[1]}", bodies
    await runner.cleanup()


@pytest.mark.live
async def test_a_request_is_one_trace_from_the_balancer_to_the_instance(envoy, instances, client, collector):
    endpoint, bodies = collector
    await envoy.start(traced(endpoint), web=[await instances("web-1")])
    _, headers, body = await client.get("/", headers={"x-request-id": "6f1f1b5c-5d3e-4a9d-8a52-0a3b5c1d2e3f"})
    new = json.loads(body)["headers"]["traceparent"].split("-")[1]
    _, _, body = await client.get("/", headers={"traceparent": f"00-{MINE}-b7ad6b7169203331-01"})
    went_on = json.loads(body)["headers"]["traceparent"]

    async def arrived() -> bool:
        return all(bytes.fromhex(one) in b"".join(bodies) for one in (new, MINE))

    await soon(arrived)
    assert went_on.startswith(f"00-{MINE}-")
    assert "b7ad6b7169203331" not in went_on  # the instance's parent is the balancer's own span
    assert bytes.fromhex(went_on.split("-")[2]) in b"".join(bodies)
    assert b"board-balancer" in b"".join(bodies)
    assert b"service.namespace" in b"".join(bodies)
    assert headers["x-request-id"] == "6f1f1b5c-5d3e-4a9d-8a52-0a3b5c1d2e3f"
    assert [target.instance for target in await envoy.admin.targets()] == ["web-1"]

    async def measured() -> list[str]:
        return list((await envoy.admin.use()).latencies)

    assert await soon(measured) == ["web"]


@pytest.mark.live
async def test_a_collector_that_is_away_costs_no_request(envoy, instances, client):
    with bound() as closed:
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
    await envoy.start(traced(endpoint), web=[await instances("web-1")])
    assert await client.spread(50) == {"web-1": 50}
    assert await envoy.admin.rejected() == 0


@pytest.mark.live
async def test_a_collector_may_come_and_go_while_it_runs(envoy, instances, client, collector):
    endpoint, bodies = collector
    one = await instances("web-1")
    await envoy.start(traced(None), web=[one])
    assert "traceparent" not in (await client.get("/"))[2]
    envoy.push(traced(endpoint), web=[one])

    async def arrived() -> bool:
        await client.get("/")
        return bool(bodies)

    await soon(arrived)
    envoy.push(traced(None), web=[one])

    async def off() -> bool:
        return "traceparent" not in (await client.get("/"))[2]

    await soon(off)
    assert await envoy.admin.rejected() == 0


@pytest.mark.parametrize("endpoint", [None, "https://collector.example.com"])
def test_without_a_collector_in_reach_nothing_is_traced(endpoint):
    assert "opentelemetry" not in content(traced(endpoint))
    assert tracing.CLUSTER not in content(traced(endpoint))


def test_the_collectors_address():
    (cluster,) = tracing.clusters(traced("http://collector.example.com/otel/"))
    (target,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    address = target["endpoint"]["address"]["socket_address"]
    assert address == {"address": "collector.example.com", "port_value": 80}
    assert '"http://collector.example.com/otel/v1/traces"' in content(traced("http://collector.example.com/otel/"))
