"""A look into a real Redis server, through the panel's own addresses."""

from __future__ import annotations

import asyncio

import pytest

from app_servers import redis_server
from builders import application, service
from dashboard.asking import ask
from dashboard.pretend import OneRedis, PretendRuntime
from flyball.core.errors import Failed
from flyball.core.model import Store, StoreKind
from flyball.dashboard import api as dashboard_api
from flyball.dashboard import redis_view
from flyball.local import control_api
from flyball.local.stores.client import client

pytestmark = pytest.mark.live


@pytest.fixture
def redis_port(tmp_path):
    with redis_server(tmp_path) as server:
        yield int(server.url.rpartition(":")[2].partition("/")[0])


async def told(port: int, *commands: tuple[bytes, ...]) -> list:
    async with client(port, timeout_s=30.0) as redis:
        return [await redis.execute_command(*words) for words in commands]


@pytest.fixture
def api(redis_port, tmp_path):
    app = application(service(), stores=(Store(name="sessions", kind=StoreKind.REDIS),))
    runtime = PretendRuntime(app, tmp_path / "app")
    runtime.stores = OneRedis(redis_port)
    made = control_api.create(runtime, {"pid": 1})
    dashboard_api.add_to(made, runtime, {"pid": 1})
    yield made
    runtime.close()


async def test_keys_have_types_and_an_end(api, redis_port):
    await told(
        redis_port, (b"SET", b"session:1", b"<script>"), (b"EXPIRE", b"session:1", b"60"), (b"RPUSH", b"list", b"a")
    )

    found = (await ask(api, "GET", "/api/stores/sessions/keys")).json

    assert found["total"] == 2
    assert found["cursor"] == "0"
    by_name = {row["key"]: row for row in found["keys"]}
    assert by_name["list"]["type"] == "list"
    assert by_name["list"]["ttl_s"] is None
    assert 50 < by_name["session:1"]["ttl_s"] <= 60
    matching = (await ask(api, "GET", "/api/stores/sessions/keys?pattern=sess*")).json["keys"]
    assert [row["key"] for row in matching] == ["session:1"]


async def test_many_keys_come_page_by_page(api, redis_port):
    await told(redis_port, *((b"SET", b"key:%d" % number, b"x") for number in range(1000)))
    seen, cursor, pages = set(), "0", 0
    while pages == 0 or cursor != "0":
        page = (await ask(api, "GET", f"/api/stores/sessions/keys?cursor={cursor}")).json
        seen |= {row["key"] for row in page["keys"]}
        cursor, pages = page["cursor"], pages + 1

    assert len(seen) == 1000
    assert pages >= 5


VALUES = {
    b"string": ((b"SET", b"k", b"hello"), 5, ["hello"]),
    b"list": ((b"RPUSH", b"k", b"a", b"b"), 2, ["a", "b"]),
    b"hash": ((b"HSET", b"k", b"views", b"3"), 1, ["views  3"]),
    b"zset": ((b"ZADD", b"k", b"1.5", b"ann"), 1, ["ann  1.5"]),
    b"set": ((b"SADD", b"k", b"one"), 1, ["one"]),
}


@pytest.mark.parametrize("kind", VALUES)
async def test_values_of_every_type_are_lines(redis_port, kind):
    command, size, lines = VALUES[kind]
    await told(redis_port, command)

    found = await redis_view.value(redis_port, b"k")

    assert found == {"type": kind.decode(), "size": size, "lines": lines, "cut": False}


async def test_a_stream_is_lines_too(redis_port):
    await told(redis_port, (b"XADD", b"k", b"1-1", b"field", b"word"))

    assert (await redis_view.value(redis_port, b"k"))["lines"] == ["1-1  field word"]


async def test_large_values_are_cut_and_bytes_are_readable(api, redis_port):
    key = b"\xff\x00 a/b"
    await told(redis_port, (b"SET", key, b"\xfe" * 100_000))
    [row] = (await ask(api, "GET", "/api/stores/sessions/keys")).json["keys"]

    found = (await ask(api, "GET", f"/api/stores/sessions/value/{row['id']}")).json

    assert found["size"] == 100_000
    assert found["cut"]
    assert found["lines"][0].startswith("\\xfe\\xfe")


async def test_a_long_item_is_cut_and_a_huge_one_is_not_read(redis_port):
    await told(redis_port, (b"RPUSH", b"k", b"a" * 3_000, b"b"))
    assert (await redis_view.value(redis_port, b"k"))["lines"] == ["a" * 2_048 + "…", "b"]

    await told(redis_port, (b"RPUSH", b"k", b"c" * 2_000_000))
    with pytest.raises(Failed, match="2000000 bytes"):
        await redis_view.value(redis_port, b"k")


async def test_what_is_not_there_is_said(api, redis_port):
    assert (await ask(api, "GET", "/api/stores/messages/keys")).status == 404
    assert (await ask(api, "GET", "/api/stores/sessions/value/zz")).status == 404
    gone = await ask(api, "GET", "/api/stores/sessions/value/6b")
    assert (gone.status, gone.json["detail"]) == (409, "there is no such key")
    bad = await ask(api, "GET", "/api/stores/sessions/keys?cursor=nonsense")
    assert bad.status == 409


async def test_nothing_was_written(api, redis_port):
    await told(redis_port, (b"SET", b"k", b"v"))
    before = await told(redis_port, (b"INFO", b"persistence"))
    await ask(api, "GET", "/api/stores/sessions/keys")
    await ask(api, "GET", "/api/stores/sessions/value/6b")

    after = await told(redis_port, (b"INFO", b"persistence"))

    assert _changes(before) == _changes(after)


def _changes(info) -> bytes:
    return next(line for line in info[0].splitlines() if line.startswith(b"rdb_changes_since_last_save"))


async def test_only_commands_that_read_are_sent(redis_port):
    for number, (command, _, _) in enumerate(VALUES.values()):
        await told(redis_port, (command[0], b"k%d" % number, *command[2:]))
    await told(redis_port, (b"CONFIG", b"RESETSTAT"))

    found = await redis_view.keys(redis_port, cursor="0", pattern="*")
    for row in found["keys"]:
        await redis_view.value(redis_port, bytes.fromhex(row["id"]))

    async with client(redis_port, timeout_s=30.0) as redis:
        sent = {name.removeprefix("cmdstat_") for name in await redis.info("commandstats")}
    reads = {"dbsize", "scan", "type", "pttl", "strlen", "getrange", "llen", "lrange", "scard", "sscan", "zcard"}
    assert sent - {"config|resetstat"} == reads | {"zrange", "hlen", "hscan"}


async def test_a_server_that_is_away_or_silent_is_said():
    async def silent(reader, writer):
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(Failed, match="stopped answering"):
            await redis_view.keys(port, cursor="0", pattern="*")
    with pytest.raises(Failed, match="does not answer"):
        await redis_view.keys(port, cursor="0", pattern="*")
