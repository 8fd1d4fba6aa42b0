"""What the page asks: the live stream, the past, the map, logs and stores; and `/metrics`."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from builders import application, service
from dashboard.asking import ask
from dashboard.pretend import PretendRuntime, calm, overloaded, rolling, serving
from flyball.core.control.reasons import ReasonKind
from flyball.core.model import Condition, Redirect, Route
from flyball.core.view import as_json
from flyball.core.view.rows import Moment
from flyball.dashboard import api as dashboard_api
from flyball.dashboard import topology
from flyball.dashboard.feed import Feed
from flyball.dashboard.past import Past
from flyball.dashboard.requests import RecentRequests
from flyball.local import control_api

ROOT = Path(__file__).parents[2]
METRIC = re.compile(r"flyball_\w+")
CONTROL = {"pid": 1, "url": "http://127.0.0.1:8080", "dashboard": "http://127.0.0.1:1/?token=secret"}


@pytest.fixture
def api(runtime):
    made = control_api.create(runtime, CONTROL)
    dashboard_api.add_to(made, runtime, CONTROL)
    return made


class Listening:
    """An open stream, read piece by piece."""

    def __init__(self, runtime, after=None) -> None:
        self.feed = Feed(runtime, CONTROL, Past(runtime.paths.journal))
        self.stream = self.feed.stream(after)

    async def until(self, word: str, within_s: float = 60.0):
        """The next piece that has this word: its id and its data."""
        async with asyncio.timeout(within_s):
            async for piece in self.stream:
                if word in (text := piece.decode()):
                    fields = dict(line.split(": ", 1) for line in text.strip().splitlines())
                    return fields.get("id"), json.loads(fields["data"])
        raise AssertionError(f"the stream ended without {word}")


async def test_the_stream_tells_a_state_and_then_decisions_at_once(runtime):
    calm(runtime)
    listening = Listening(runtime)
    number, state = await listening.until("event: state")
    assert number is None  # so that Last-Event-ID stays a decision's
    [web] = state["services"]
    assert web["capacity"] == {"min": 1, "desired": 3, "max": 10, "in_service": 3}
    assert web["scalings"] == {"scale_out": 2, "scale_in": 1}
    assert [alarm["name"] for alarm in web["alarms"]] == ["target cpu high", "target cpu low"]
    assert "dashboard" not in state

    event = runtime.say(ReasonKind.SCALE_OUT, "cpu 90 % > 50 % for 3 of 3 points", before=3, after=6)

    told = (await anext(listening.stream)).decode()
    assert told == f"event: decision\ndata: {json.dumps(as_json.event(event))}\nid: {event.id}\n\n"
    _, state = await listening.until("event: state")
    assert state["services"][0]["scalings"]["scale_out"] == 3
    await listening.stream.aclose()


async def test_a_page_that_comes_back_hears_what_it_missed_once(runtime):
    calm(runtime)
    missed = [runtime.say(ReasonKind.HELD, f"hold {number}").id for number in range(3)]
    listening = Listening(runtime, after=missed[0])

    heard = [int((await listening.until("event: decision"))[0]) for _ in range(2)]
    new = runtime.say(ReasonKind.HELD, "and one more").id
    heard.append(int((await listening.until("event: decision"))[0]))

    assert heard == [*missed[1:], new]
    await listening.stream.aclose()


async def test_streams_end_when_the_control_plane_does(runtime):
    streams = [Listening(runtime).stream for _ in range(3)]
    for stream in streams:
        await anext(stream)
    reading = [asyncio.ensure_future(_to_the_end(stream)) for stream in streams]

    runtime.closing.set()

    await asyncio.wait_for(asyncio.gather(*reading), 60.0)


async def _to_the_end(stream):
    async for _ in stream:
        pass


async def test_states_are_made_only_while_somebody_looks(runtime):
    listening = Listening(runtime)
    await listening.until("event: state")
    await listening.stream.aclose()
    await asyncio.wait_for(listening.feed._task, 30.0)

    runtime.run(serving(2))
    listening.stream = listening.feed.stream(None)
    _, state = await listening.until("event: state")

    assert len(state["services"][0]["instances"]) == 2, "a page that is opened later is told nothing old"
    await listening.stream.aclose()


async def test_last_event_id_is_understood(api, runtime):
    event = runtime.say(ReasonKind.HELD, "missed")
    runtime.closing.set()

    answer = await ask(api, "GET", "/api/live", last_event_id=str(event.id - 1))

    assert answer.headers["content-type"].startswith("text/event-stream")
    assert f"event: decision\ndata: {json.dumps(as_json.event(event))}\nid: {event.id}\n\n" in answer.text
    for odd in ("9" * 5_000, "²", "-1", ""):
        assert (await ask(api, "GET", "/api/live", last_event_id=odd.encode().decode("latin-1"))).status == 200


async def test_series_are_columns_of_what_was(api, runtime):
    runtime.past(290, minutes=24 * 60)
    now = runtime.clock.now()

    five = (await ask(api, "GET", f"/api/series?since={now - 300}&until={now}&service=web")).json
    day = (await ask(api, "GET", f"/api/series?since={now - 86400}&until={now}&service=web&points=1440")).json
    week = (await ask(api, "GET", f"/api/series?since={now - 7 * 86400}&until={now}")).json

    assert five["step"] == 1
    assert 280 <= len(five["at"]) <= 290
    assert day["step"] == 60
    assert 1430 <= len(day["at"]) <= 1441
    assert week["step"] == 840
    for found in (five, day, week):
        assert {len(column) for name, column in found.items() if name != "step"} == {len(found["at"])}
        assert found["at"] == sorted(found["at"])


async def test_services_side_by_side_are_one_application(tmp_path):
    runtime = PretendRuntime(application(service("a"), service("b")), tmp_path)
    now = runtime.clock.now()
    row = {"eps": 1.0, "memory": None, "p50": 1.0, "p95": None, "p99": 3.0, "desired": 1}
    a = row | {"rps": 10.0, "cpu": 90.0, "in_service": 1}
    b = row | {"rps": 30.0, "cpu": 10.0, "in_service": 3, "p50": 7.0}
    runtime.journal.record_history([Moment(now - 2, "a", a), Moment(now - 2, "b", b)])

    found = await Past(runtime.paths.journal).series(since=now - 10, until=now, service=None, points=100)

    picked = {name: found[name][0] for name in ("rps", "eps", "cpu", "memory", "p50", "p95", "in_service")}
    assert picked == {"rps": 40.0, "eps": 2.0, "cpu": 30.0, "memory": None, "p50": 7.0, "p95": None, "in_service": 4}
    runtime.close()


async def test_a_time_without_a_control_plane_is_a_gap(runtime):
    now = runtime.clock.now()
    for ago in (100, 99, 20, 19):
        runtime.journal.record_history([Moment(now - ago, "web", {"rps": 5.0})])

    found = await Past(runtime.paths.journal).series(since=now - 200, until=now, service="web", points=1000)

    assert found["rps"] == [5.0, 5.0, None, 5.0, 5.0]


async def test_decisions_come_by_kind_and_page_by_page(api, runtime):
    numbers = [runtime.say(ReasonKind.HELD, f"hold {number}").id for number in range(5)]
    runtime.say(ReasonKind.SCALE_OUT, "more", before=1, after=2)

    page = (await ask(api, "GET", f"/api/decisions?kind=held&kind=scale_in&limit=2&before={numbers[4]}")).json

    assert [event["id"] for event in page] == numbers[2:4]


async def test_the_snapshot_explains_a_rollout(api, runtime):
    rolling(runtime)
    listening = Listening(runtime)

    _, state = await listening.until("event: state")

    rules = state["services"][0]["rollout"]["rules"]
    assert (rules["failures_allowed"], rules["minimum_healthy"], rules["maximum"]) == (3, 3, 6)
    await listening.stream.aclose()


def test_the_map_has_rules_in_their_order_and_the_default_last(app):
    found = topology.topology(app, "http://127.0.0.1:8080")

    assert [(rule["priority"], rule["when"]) for rule in found["rules"]] == [
        (5, "/robots.txt"),
        (100, "/"),
        (None, "everything else"),
    ]
    assert found["rules"][0]["answer"] == "200 none"
    assert found["rules"][1]["to"] == [{"service": "web", "weight": 1}]
    assert found["groups"][0]["stores"] == ["messages"]


def test_the_map_shows_hosts_headers_and_redirects():
    condition = Condition(path="/a", host="Shop.example", headers=(("X-Beta", "1"),))
    of = application(service(routes=(Route(condition=condition),)))
    redirect = Redirect(condition=Condition(path="/old"), location="/new")

    assert topology.topology(of, "")["rules"][0]["when"] == "shop.example  /a  x-beta: 1"
    assert redirect.status == 301


async def test_logs_are_listed_and_read(api, runtime):
    (runtime.paths.logs / "web-1.log").write_text("one\n<script>two</script>\n")

    assert (await ask(api, "GET", "/api/logs")).json == ["web-1"]
    assert (await ask(api, "GET", "/api/logs/web-1")).json == ["one", "<script>two</script>"]
    assert (await ask(api, "GET", "/api/logs/none")).status == 404


async def test_pushes_are_listed_without_their_output(api, runtime):
    run = runtime.pipeline.records.begin("job", "abc1234", now=5.0)
    run.lines.append("building")
    runtime.pipeline.records.save(run)

    [found] = (await ask(api, "GET", "/api/pipeline/runs")).json

    assert found["commit"] == "abc1234"
    assert "lines" not in found


@pytest.mark.parametrize(
    "query",
    [
        "series?since=nan",
        "series?since=-inf",
        "series?since=0&until=1e300",
        f"decisions?before={10**20}",
        f"events?after={10**20}",
        f"history?since=0&resolution={10**20}",
        f"live?after={10**20}",
        f"stream?after={10**20}",
    ],
)
async def test_moments_and_numbers_beyond_the_journal_are_refused(api, query):
    assert (await ask(api, "GET", f"/api/{query}")).status == 422


@pytest.mark.parametrize(
    ("verb", "wish"),
    [
        ("scale", {"desired": 2, "hold_s": float("inf")}),
        ("scale", {"desired": 2, "hold_s": 1e308}),
        ("rollback", {"release": 10**20}),
    ],
)
async def test_orders_that_cannot_be_written_down_are_refused(api, verb, wish):
    answer = await ask(api, "POST", f"/api/services/web/{verb}", body=wish)

    assert answer.status == 422
    assert answer.json["detail"].startswith(f"{list(wish)[-1]}: Input should be ")


async def test_drain_names_an_instance_that_is_there(api, runtime):
    calm(runtime)

    assert (await ask(api, "POST", "/api/instances/web-99/drain", body={})).status == 404
    assert (await ask(api, "POST", "/api/instances/web-2/drain", body={})).status == 200
    assert [one.instance for one in runtime.submitted] == ["web-2"]


async def test_prometheus_reads_every_number_of_the_page(api, runtime):
    text = (await ask(api, "GET", "/metrics")).text
    assert 'flyball_info{application="shop"' in text
    overloaded(runtime)

    answer = await ask(api, "GET", "/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    web = ("service", "web")
    assert found["flyball_capacity_desired", web] == 10
    assert found["flyball_capacity_in_service", web] == 8
    assert found["flyball_latency_seconds", ("quantile", "0.95"), web] == 1.9
    assert found["flyball_alarm", ("alarm", "target cpu high"), web] == 1
    assert found["flyball_decisions_total", ("kind", "scale_out"), web] == 2
    unhealthy = (("health", "unhealthy"), ("lifecycle", "in_service"), ("release", "1"), web)
    assert found["flyball_instances", *unhealthy] == 1


def test_percentiles_of_instances_come_from_the_newest_lines(tmp_path):
    log = tmp_path / "access.log"
    log.write_text('{"instance": "web-1", "duration_ms": 9999}\n')
    recent = RecentRequests(log)
    assert recent.read(0.0) == {}  # what was there before is not recent
    with log.open("a") as file:
        for took in range(1, 101):
            file.write(json.dumps({"instance": "web-1", "duration_ms": took}) + "\n")
        file.write('{"instance": null, "duration_ms": 3}\nnot json\n{"instance": "web-2", "dura')
    assert recent.read(1.0) == {"web-1": 95.0}
    with log.open("a") as file:
        file.write('tion_ms": 4}\n')
    assert recent.read(2.0) == {"web-1": 95.0, "web-2": 4.0}
    assert recent.read(11.5) == {"web-2": 4.0}
    log.write_text("")
    assert recent.read(30.0) == {}
    log.unlink()
    assert recent.read(31.0) == {}


async def test_many_instances_make_a_state_of_some_kilobytes(runtime):
    runtime.run(serving(100))
    listening = Listening(runtime)

    _, state = await listening.until("event: state")

    assert len(state["services"][0]["instances"]) == 100
    assert len(json.dumps(state)) < 60_000
    await listening.stream.aclose()


async def test_grafana_asks_for_what_there_is(api, runtime):
    overloaded(runtime)
    text = (await ask(api, "GET", "/metrics")).text
    names = {sample.name for family in text_string_to_metric_families(text) for sample in family.samples}
    grafana = json.loads((ROOT / "docs" / "reference" / "grafana.json").read_text())

    asked = {
        name for panel in grafana["panels"] for target in panel["targets"] for name in METRIC.findall(target["expr"])
    }

    assert len(asked) >= 8
    assert asked <= names


async def test_the_reference_lists_every_metric(api, runtime):
    rolling(runtime)
    text = (await ask(api, "GET", "/metrics")).text
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()

    for family in text_string_to_metric_families(text):
        short = family.name.removeprefix("flyball_capacity")
        assert f"`{family.name}" in page or f"`{short}`" in page, family.name


async def test_what_the_firewall_refused_is_in_the_state_and_in_the_metrics(api, runtime):
    runtime.refusals.add({"deny": 3}, runtime.app.listener.firewall, now=0.0)
    told = (await ask(api, "GET", "/api/application")).json
    assert told["firewall"] == [{"rule": "deny", "action": "block", "requests": 3}]
    assert 'flyball_firewall_requests_total{action="block",rule="deny"} 3.0' in (await ask(api, "GET", "/metrics")).text
