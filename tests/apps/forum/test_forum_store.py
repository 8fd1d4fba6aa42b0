"""The store's contract, held against SQLite and against a DynamoDB server process."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from forum.store import Conflict, Item, Put, Remove, Store, StoreDown, open_store

from app_servers import APPS, AWS_LIKE


@pytest.fixture(params=["sqlite", pytest.param("dynamodb", marks=pytest.mark.live)])
def address(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite://{tmp_path}/a%20new%20folder/forum.db?key=pk,sk"
    return request.getfixturevalue("forum_table")


@pytest.fixture
async def store(address):
    store = await open_store(address)
    yield store
    await store.close()


def item(sk: str = "a", *, pk: str = "things", body: bytes = b"{}", **fields) -> Item:
    return Item(pk=pk, sk=sk, body=body, **fields)


async def test_absent(store: Store):
    assert await store.get("things", "a") is None
    assert await store.query("things", after=None, newest_first=True, limit=10) == []


async def test_what_is_put_is_got(store: Store):
    made = item(body='{"text": "é 😀 \\u0000 \'; DROP TABLE items; --"}'.encode())
    await store.write(Put(item=made))
    assert await store.get("things", "a") == made
    assert await store.get("things", "b") is None
    assert await store.get("others", "a") is None


async def test_put_if_absent(store: Store):
    await store.write(Put(item=item(body=b"1")))
    with pytest.raises(Conflict):
        await store.write(Put(item=item(body=b"2")))
    assert (await store.get("things", "a")).body == b"1"


async def test_put_over_a_version(store: Store):
    await store.write(Put(item=item()))
    await store.write(Put(item=item(body=b"2", version=2), was=1))
    for was in (1, 3):
        with pytest.raises(Conflict):
            await store.write(Put(item=item(body=b"3", version=3), was=was))
    assert await store.get("things", "a") == item(body=b"2", version=2)


async def test_put_over_a_version_of_nothing(store: Store):
    with pytest.raises(Conflict):
        await store.write(Put(item=item(version=2), was=1))


async def test_remove(store: Store):
    await store.write(Put(item=item()))
    with pytest.raises(Conflict):
        await store.write(Remove(pk="things", sk="a", was=2))
    await store.write(Remove(pk="things", sk="a", was=1))
    assert await store.get("things", "a") is None
    with pytest.raises(Conflict):
        await store.write(Remove(pk="things", sk="a", was=1))


async def test_all_changes_or_none(store: Store):
    await store.write(Put(item=item("taken")))
    with pytest.raises(Conflict):
        await store.write(Put(item=item("free")), Put(item=item("taken")))
    assert await store.get("things", "free") is None
    await store.write(Put(item=item("free")), Put(item=item("more")), Remove(pk="things", sk="taken", was=1))
    found = await store.query("things", after=None, newest_first=False, limit=10)
    assert [each.sk for each in found] == ["free", "more"]


async def test_an_expired_item_counts_as_absent(store: Store):
    now = int(time.time())
    await store.write(Put(item=item("old", expires=now - 1)), Put(item=item("new", expires=now + 1000)))
    assert await store.get("things", "old") is None
    assert await store.get("things", "new") == item("new", expires=now + 1000)
    await store.write(Put(item=item("old", body=b"again", expires=now + 1000)))
    assert (await store.get("things", "old")).body == b"again"
    with pytest.raises(Conflict):
        await store.write(Put(item=item("new")))


@pytest.mark.parametrize("newest_first", [True, False])
async def test_query_goes_on_where_it_stopped(store: Store, newest_first):
    keys = ["0", "A", "Z", "a", "é", "名", "\U0001f600"]  # sorted by UTF-8 bytes, as DynamoDB sorts
    await store.write(*(Put(item=item(key)) for key in keys))
    await store.write(Put(item=item("x", pk="other")))
    found, after = [], None
    while page := await store.query("things", after=after, newest_first=newest_first, limit=3):
        found += [each.sk for each in page]
        after = found[-1]
    assert found == (keys[::-1] if newest_first else keys)


async def test_query_fills_a_page_larger_than_one_answer_of_dynamodb(store: Store):
    for number in range(40):  # 1.6 MB: DynamoDB answers 1 MB at a time
        await store.write(Put(item=item(f"{number:02}", body=b'"%b"' % (b"x" * 40_000))))
    found = await store.query("things", after=None, newest_first=False, limit=35)
    assert [each.sk for each in found] == [f"{number:02}" for number in range(35)]


async def test_of_many_writers_of_one_version_one_wins(address, store: Store):
    await store.write(Put(item=item()))
    others = [await open_store(address) for _ in range(4)]
    puts = [other.write(Put(item=item(body=b"%d" % n, version=2), was=1)) for n, other in enumerate(others)]
    ends = await asyncio.gather(*puts, return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["Conflict", "Conflict", "Conflict", "NoneType"]
    assert (await store.get("things", "a")).body == b"%d" % ends.index(None)
    for other in others:
        await other.close()


async def test_a_write_is_seen_at_once_by_another_process(address, store: Store):
    other = await open_store(address)
    await store.write(Put(item=item()))
    assert await other.get("things", "a") == item()
    await other.close()


async def test_a_cancelled_write_is_whole_or_absent(address, store: Store):
    writing = asyncio.ensure_future(store.write(Put(item=item("a")), Put(item=item("b"))))
    await asyncio.sleep(0)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await store.write(Put(item=item("c")))
    keys = [each.sk for each in await store.query("things", after=None, newest_first=False, limit=10)]
    assert keys in (["a", "b", "c"], ["c"])


@pytest.mark.parametrize("address", ["postgres://host/db", "", "dynamodb://table", "dynamodb://?region=eu-north-1"])
async def test_other_addresses_are_refused(address):
    with pytest.raises(ValueError, match="store"):
        await open_store(address)


async def test_sqlite_in_a_place_that_cannot_be():
    with pytest.raises(StoreDown):
        await open_store("sqlite:///dev/null/forum.db")


@pytest.mark.live
async def test_dynamodb_out_of_reach(dynamodb):
    store = await open_store(f"dynamodb://absent?region={AWS_LIKE['AWS_DEFAULT_REGION']}&endpoint={dynamodb}")
    with pytest.raises(StoreDown):
        await store.get("things", "a")
    await store.close()


async def test_expired_items_leave_the_sqlite_file(tmp_path):
    store = await open_store(f"sqlite://{tmp_path}/forum.db")
    await store.write(*(Put(item=item(str(number), expires=1)) for number in range(30)))
    await store.write(Put(item=item("last", expires=int(time.time()) + 1000)))
    await store.write(Put(item=item("very last", expires=int(time.time()) + 1000)))
    await store.close()
    with closing(sqlite3.connect(tmp_path / "forum.db")) as database:
        assert database.execute("SELECT sk FROM items ORDER BY sk").fetchall() == [("last",), ("very last",)]


WRITER = """
import asyncio, sys
from forum.store import Item, Put, open_store

async def main(url, name):
    store = await open_store(url)
    for number in range(100):
        await store.write(Put(item=Item(pk="things", sk=f"{name}-{number:03}", body=b"{}")))
        print(f"{name}-{number:03}", flush=True)
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


def written_by_ten(url: str) -> tuple[list[str], list[int]]:
    """What ten processes said that they wrote, the first of them killed on the way, and how the others ended."""
    command = [sys.executable, "-c", WRITER, url]
    writers = [
        subprocess.Popen([*command, f"w{number}"], cwd=APPS / "forum", stdout=subprocess.PIPE, text=True)
        for number in range(10)
    ]
    try:
        heard = [writers[0].stdout.readline().strip() for _ in range(20)]
        writers[0].kill()
        for writer in writers:
            heard += writer.communicate(timeout=60)[0].split()
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()
    return heard, [writer.returncode for writer in writers[1:]]


@pytest.mark.live
async def test_ten_processes_lose_nothing(tmp_path):
    url = f"sqlite://{tmp_path}/forum.db"
    heard, ends = written_by_ten(url)
    store = await open_store(url)
    found = {each.sk for each in await store.query("things", after=None, newest_first=False, limit=2000)}
    await store.close()
    assert ends == [0] * 9
    assert len(heard) >= 920
    assert set(heard) <= found
