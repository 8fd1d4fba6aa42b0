"""The generator against servers that freeze, fail and misbehave."""

import asyncio
import shutil
import ssl
import subprocess

import pytest

from flyball.core.arrivals import parse_stages
from flyball.core.errors import FileError
from flyball.load import Plan, Progress, run
from flyball.load.address import look_up
from flyball.load.client import Client
from flyball.load.meter import STARVED, Meter
from load.scripted_server import OK, bound, plan, serving
from waiting import soon


async def deaf(reader, writer):
    await reader.read()
    return False


async def hang_up(reader, writer):
    return False


def replying(data):
    async def reply(reader, writer):
        writer.write(data)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        return False

    return reply


async def one_by_one(chosen, count, *, each_closed=False):
    """Send requests, each after the answer to the one before, and after the server has let go of its connection."""
    meter = Meter(expect=None)
    client = Client(chosen, look_up(chosen.url, allow_remote=False), meter, limit=1)
    began = asyncio.get_running_loop().time()
    for _ in range(count):
        client.send(asyncio.get_running_loop().time())
        await client.settled()
        if each_closed:
            await soon(lambda: client.connections == 0)
    await client.close()
    return meter.result(duration_s=asyncio.get_running_loop().time() - began, seed=0, stopped=False)


async def test_every_request_is_sent_and_answered_once(ok_server):
    result = await run(plan(ok_server.url, rate=200, duration_s=1))
    assert (result.sent, result.ok, result.failed) == (200, 200, 0)
    assert len(ok_server.requests) == 200
    assert result.by_status == {"200": 200}
    assert result.by_instance == {"web-1": 200}
    assert result.duration_s > 0.99


async def test_a_freeze_is_felt_by_every_request_that_was_due_in_it():
    # A fifth of the requests fall into the freeze; they wait from all of it to nothing, so that half of them, a tenth
    # of all, wait for half of it or longer. A generator that waits for answers would see one slow request.
    frozen_from, frozen_s, whole_s = 1.0, 0.6, 3.0
    began = asyncio.get_running_loop().time()

    async def freeze(reader, writer):
        now = asyncio.get_running_loop().time() - began
        if frozen_from <= now < frozen_from + frozen_s:
            await asyncio.sleep(frozen_from + frozen_s - now)
        writer.write(OK)
        return True

    async with serving(freeze) as server:
        began = asyncio.get_running_loop().time()
        result = await run(plan(server.url, rate=200, duration_s=whole_s))
    assert result.ok == 600
    if not result.valid:
        pytest.skip(f"this machine is too busy: {result.invalid}")
    assert result.latency_ms.p50 < 100
    assert result.latency_ms.p90 == pytest.approx(300, abs=60)
    assert result.latency_ms.p99 == pytest.approx(570, abs=60)
    assert result.latency_ms.max == pytest.approx(600, abs=60)


async def test_a_poisson_schedule_has_the_rate_of_each_stage(ok_server):
    stages = Plan(url=ok_server.url, curve=parse_stages("100:500ms,600:500ms"), seed=5)
    result = await run(stages)
    assert result.ok == result.sent == len(list(stages.due()))
    assert 290 < result.sent < 410  # 350 expected, deviation 18.7


def test_a_plan_is_the_same_each_time_and_another_with_another_seed():
    one, same, other = (
        Plan(url="http://localhost/", curve=parse_stages("50:10s"), seed=seed, requests=20) for seed in (1, 1, 2)
    )
    assert list(one.due()) == list(same.due()) != list(other.due())
    assert len(list(one.due())) == 20


async def test_an_idle_connection_is_used_again(ok_server):
    await one_by_one(plan(ok_server.url), 20)
    assert ok_server.accepted == 1


async def test_connections_that_the_server_closes_while_idle_fail_nothing():
    async def once_then_leave(reader, writer):
        writer.write(OK)
        await writer.drain()
        return False

    async with serving(once_then_leave) as server:
        result = await one_by_one(plan(server.url), 5, each_closed=True)
    assert (result.ok, result.failed) == (5, 0)
    assert server.accepted == 5


async def test_nothing_is_left_open_or_running(ok_server):
    before = asyncio.all_tasks()
    async with serving(deaf) as silent:
        await run(plan(silent.url, timeout_s=0.1))
        await run(plan(ok_server.url, rate=500))
        await soon(lambda: silent.open == 0 and ok_server.open == 0)
    await soon(lambda: asyncio.all_tasks() == before)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (hang_up, "closed before the answer|connection reset"),
        (replying(b"nonsense\r\n\r\n"), "unreadable answer"),
        (replying(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok"), "closed before the answer"),
        (replying(b"HTTP/1.1 100 Continue\r\n\r\n"), "closed before the answer"),
        (b"HTTP/1.1 503 Gone\r\nContent-Length: 0\r\nX-Flyball-Instance: web-2\r\n\r\n", "status 503"),
        (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "status 404"),
    ],
)
async def test_each_kind_of_failure_is_counted_with_an_example(answer, kind):
    async with serving(answer) as server:
        result = await run(plan(server.url, rate=50, duration_s=0.2))
    assert (result.sent, result.ok, result.failed) == (10, 0, 10)
    assert set(result.failures) <= set(kind.split("|"))
    assert sum(failure.count for failure in result.failures.values()) == 10
    assert all(failure.example for failure in result.failures.values())


async def test_a_failing_instance_is_named():
    async with serving(b"HTTP/1.1 503 x\r\nContent-Length: 0\r\nX-Flyball-Instance: web-2\r\n\r\n") as server:
        result = await run(plan(server.url, rate=50, duration_s=0.1))
    assert result.failures["status 503"].example == "answered 503 from web-2"
    assert result.by_instance == {"web-2": 5}


async def test_a_refused_connection_fails_and_is_not_timed():
    with bound() as nobody:
        result = await run(plan(f"http://127.0.0.1:{nobody.getsockname()[1]}/", rate=50, duration_s=0.1))
    assert result.failures["connection refused"].count == result.failed == 5
    assert result.latency_ms.p50 is None


async def test_a_request_without_an_answer_times_out_and_is_timed():
    async with serving(deaf) as server:
        result = await run(plan(server.url, rate=50, duration_s=0.2, timeout_s=0.2))
    assert result.failures["timed out"].count == result.failed == 10
    assert result.failures["timed out"].example == "no answer within 0.2 s"
    assert result.latency_ms.p50 > 199


async def test_only_so_many_requests_may_be_unanswered():
    async with serving(deaf) as server:
        result = await run(plan(server.url, rate=1000, duration_s=0.05, timeout_s=2.0, max_outstanding=8))
        assert server.most_open == 8
    assert (result.sent, result.not_sent, result.failed, result.ok) == (8, 42, 50, 0)
    assert result.failures["not sent"].example == "8 requests were already unanswered"


async def test_a_generator_that_falls_behind_says_so():
    async with serving(deaf) as server:
        result = await run(plan(server.url, rate=1_000_000, duration_s=0.1, timeout_s=0.1, max_outstanding=1))
    assert not result.valid
    assert result.invalid.startswith("generator could not keep up, numbers not valid")
    assert result.as_json()["valid"] is False


@pytest.mark.parametrize(
    ("status", "expect", "ok"),
    [(204, None, True), (302, None, True), (404, {404}, True), (200, {404}, False), (500, {500, 503}, True)],
)
async def test_the_expected_statuses_are_ok(status, expect, ok):
    async with serving(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status) as server:
        chosen = None if expect is None else frozenset(expect)
        result = await run(plan(server.url, rate=50, duration_s=0.1, expect=chosen))
    assert (result.ok, result.failed) == ((5, 0) if ok else (0, 5))
    assert result.by_status == {str(status): 5}


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
        replying(b"HTTP/1.1 200 OK\r\n\r\nuntil the end"),
        replying(b"HTTP/1.0 200 OK\r\n\r\nuntil the end"),
    ],
)
async def test_every_way_to_end_an_answer_is_understood(answer):
    async with serving(answer) as server:
        result = await run(plan(server.url, rate=50, duration_s=0.2))
    assert (result.ok, result.failed) == (10, 0)


async def test_an_answer_to_head_has_no_body_though_it_announces_one():
    async with serving(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n") as server:
        result = await one_by_one(plan(server.url, method="HEAD"), 10)
    assert (result.ok, result.failed, server.accepted) == (10, 0, 1)


async def test_method_headers_and_body_are_sent_as_given(ok_server):
    await run(
        plan(
            ok_server.url + "messages?board=a%20b#part",
            rate=10,
            duration_s=0.1,
            method="post",
            body=b"text=hello",
            headers=(("Content-Type", "text/plain"), ("host", "board.example")),
        )
    )
    head, _, body = ok_server.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /messages?board=a%20b HTTP/1.1\r\n")
    assert b"Content-Length: 10\r\nContent-Type: text/plain\r\nhost: board.example" in head
    assert b"Host: 127" not in head
    assert body == b"text=hello"


async def test_stopping_leaves_what_was_on_its_way_out_of_the_count():
    stop = asyncio.Event()
    async with serving(deaf) as server:
        running = asyncio.create_task(run(plan(server.url, rate=100, duration_s=60), stop=stop))
        await soon(lambda: len(server.requests) >= 10)
        stop.set()
        result = await running
    assert result.stopped
    assert (result.ok, result.failed) == (0, 0)
    assert result.unfinished == result.sent >= 10


async def test_progress_is_told_once_a_second(ok_server):
    told: list[Progress] = []
    result = await run(plan(ok_server.url, rate=100, duration_s=2.3), on_progress=told.append)
    assert 1 <= len(told) <= result.duration_s  # a busy machine may miss one
    assert told[0].rate == pytest.approx(100, rel=0.9)
    assert told[-1].ok >= told[0].ok
    assert all(set(each.by_instance) == {"web-1"} for each in told)
    assert sum(each.by_instance["web-1"] for each in told) == told[-1].ok  # each second's alone


async def test_a_mistake_in_the_progress_function_is_not_swallowed(ok_server):
    def broken(progress):
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        await run(plan(ok_server.url, rate=10, duration_s=30), on_progress=broken)
    await soon(lambda: ok_server.open == 0)


async def test_made_up_instance_names_do_not_fill_the_memory():
    count = 0

    async def another(reader, writer):
        nonlocal count
        count += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Flyball-Instance: web-%d\r\n\r\n" % count)
        return True

    async with serving(another) as server:
        result = await run(plan(server.url, rate=2000, duration_s=0.6))
    assert len(result.by_instance) == 1001
    assert result.by_instance["(others)"] == 200


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"url": "ftp://127.0.0.1/"}, "is not an http"),
        ({"url": "127.0.0.1:80"}, "is not an http"),
        ({"url": "http://[::1/"}, "is not an http"),
        ({"url": "http://127.0.0.1/a b"}, "must escape"),
        ({"url": "http://127.0.0.1/", "method": "GET /"}, "is not an HTTP method"),
        ({"url": "http://127.0.0.1/", "timeout_s": 0}, "timeout must be more than 0"),
        ({"url": "http://127.0.0.1/", "max_outstanding": 0}, "at least 1 request"),
        ({"url": "http://127.0.0.1/", "headers": (("A", "b\r\nC: d"),)}, "is not a header"),
        ({"url": "http://127.0.0.1/", "headers": (("", "b"),)}, "is not a header"),
    ],
)
def test_a_plan_without_meaning_is_refused(options, says):
    with pytest.raises(FileError, match=says):
        plan(**options)


@pytest.mark.parametrize("url", ["http://192.0.2.1/", "http://[2001:db8::1]/"])
async def test_another_machine_is_refused(url):
    with pytest.raises(FileError, match="--allow-remote"):
        await run(plan(url))


async def test_an_impossible_port_is_refused():
    with pytest.raises(FileError, match="99999"):
        await run(plan("http://127.0.0.1:99999/"))


@pytest.fixture
def certified(tmp_path):
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x"]
    subprocess.run([openssl, *made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    return tls


@pytest.mark.live
async def test_a_certificate_of_this_machine_is_not_asked_for_its_signature(certified):
    async with serving(OK, tls=certified) as server:
        result = await run(plan(server.url, rate=50, duration_s=0.3))
    assert (result.ok, result.failed) == (15, 0)


def test_a_single_late_request_among_few_does_not_make_the_numbers_invalid():
    meter = Meter(expect=None)
    for late_s in (0.0, 0.0, 0.05):
        meter.sent += 1
        meter.lag(late_s)
    assert meter.result(duration_s=1, seed=0, stopped=False).valid
    meter.sent += 1
    meter.lag(0.05)
    assert not meter.result(duration_s=1, seed=0, stopped=False).valid


def test_milliseconds_of_lateness_say_nothing_about_seconds_of_latency():
    meter = Meter(expect=None)
    for _ in range(100):
        meter.sent += 1
        meter.lag(0.013)
        meter.answered(200, "web-1", latency_s=2.0, service_s=2.0)
    assert meter.result(duration_s=1, seed=0, stopped=False).valid
    for _ in range(10):
        meter.lag(0.5)
    assert not meter.result(duration_s=1, seed=0, stopped=False).valid


def test_a_generator_without_files_or_ports_does_not_blame_the_server():
    meter = Meter(expect=None)
    meter.failed_at_transport(STARVED, "Too many open files")
    assert "Too many open files" in meter.result(duration_s=1, seed=0, stopped=False).invalid


async def test_unasked_bytes_from_an_idle_server_fail_nothing():
    async def chatty(reader, writer):
        writer.write(OK)
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.write(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        return True

    async with serving(chatty) as server:
        result = await one_by_one(plan(server.url), 5, each_closed=True)
    assert (result.ok, result.failed) == (5, 0)


async def test_a_connection_that_lay_idle_for_long_is_not_used_again(ok_server):
    # Servers close such connections, and a request that crosses the close would be lost.
    await run(plan(ok_server.url, rate=0.5, duration_s=4))
    assert ok_server.accepted == 2
    assert len(ok_server.requests) == 2


@pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:1"])
async def test_both_loopbacks_are_this_machine(address):
    result = await run(plan(f"http://{address}/", rate=10, duration_s=0.1))
    assert result.failed == 1
