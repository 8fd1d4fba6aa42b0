"""Several copies, large files, and a Redis that dies."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest

from app_servers import Server, redis_server
from waiting import soon

pytestmark = pytest.mark.live
StartApp = Callable[..., AbstractContextManager[Server]]
GIGABYTE = 1024**3
BLOCK = bytes(range(256)) * 4096


async def body(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // len(BLOCK)):
        yield BLOCK


async def status(client: aiohttp.ClientSession, url: str) -> int:
    async with client.get(url) as answer:
        await answer.read()
        return answer.status


async def health_becomes(client: aiohttp.ClientSession, app: Server, wanted: int) -> dict[str, str]:
    async def told() -> dict[str, str] | None:
        async with client.get(app.url + "/health") as answer:
            said = await answer.json()
            return said if answer.status == wanted else None

    return await soon(told, what=f"/health answers {wanted}")


async def test_ten_copies_count_one_session_exactly(start_app: StartApp, redis: Server, tmp_path: Path) -> None:
    with ExitStack() as stack:
        settings = {"SESSIONS_URL": redis.url, "UPLOADS_URL": f"file://{tmp_path}/uploads"}
        starting = [asyncio.to_thread(stack.enter_context, start_app(**settings)) for _ in range(10)]
        apps = await asyncio.gather(*starting)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
            async with client.get(apps[0].url + "/session") as answer:
                cookie = {"session": answer.cookies["session"].value}
            gate = asyncio.Semaphore(32)

            async def view(number: int) -> int:
                async with gate, client.get(apps[number % 10].url + "/session", cookies=cookie) as answer:
                    return (await answer.json())["views"]

            views = await asyncio.gather(*(view(number) for number in range(1000)))
            assert sorted(views) == list(range(2, 1002))
            async with client.put(apps[0].url + "/upload/shared.txt", data=b"of all") as answer:
                assert answer.status == 201
            for app in apps:
                async with client.get(app.url + "/upload/shared.txt") as answer:
                    assert await answer.read() == b"of all"


async def test_a_gigabyte_streams_with_flat_memory(start_app: StartApp, redis: Server, tmp_path: Path) -> None:
    with start_app(SESSIONS_URL=redis.url, UPLOADS_URL=f"file://{tmp_path}/uploads") as app:
        process, most = psutil.Process(app.pid), 0
        async with aiohttp.ClientSession(app.url) as client:

            async def watched(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
                nonlocal most
                async for chunk in chunks:
                    most = max(most, process.memory_info().rss)
                    yield chunk

            async with client.put("/upload/large", data=watched(body(GIGABYTE))) as answer:
                assert answer.status == 201
                assert (await answer.json())["size"] == GIGABYTE
            seen, wanted = hashlib.blake2b(), hashlib.blake2b()
            async with client.get("/upload/large") as answer:
                async for chunk in watched(answer.content.iter_chunked(1024**2)):
                    seen.update(chunk)
            async for chunk in body(GIGABYTE):
                wanted.update(chunk)
        assert seen.digest() == wanted.digest()
        assert most < 150_000_000, f"{most / 1e6:.0f} MB"


async def test_files_in_a_bucket(start_app: StartApp, redis: Server, bucket: str) -> None:
    with (
        start_app(SESSIONS_URL=redis.url, UPLOADS_URL=bucket) as one,
        start_app(SESSIONS_URL=redis.url, UPLOADS_URL=bucket) as two,
    ):
        async with aiohttp.ClientSession() as client:
            headers = {"Content-Type": "image/png"}
            async with client.put(one.url + "/upload/a b.png", data=body(12 * 1024**2), headers=headers) as answer:
                assert answer.status == 201
            async with client.get(two.url + "/upload/a b.png") as answer:
                assert answer.headers["Content-Type"] == "image/png"
                assert await answer.read() == BLOCK * 12
            async with client.get(two.url + "/upload/a b.png", headers={"Range": "bytes=-4"}) as answer:
                assert (answer.status, await answer.read()) == (206, BLOCK[-4:])
            async with client.get(two.url + "/upload") as answer:
                assert [file["name"] for file in (await answer.json())["files"]] == ["a b.png"]


async def test_redis_dies_and_comes_back(start_app: StartApp, tmp_path: Path) -> None:
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(tmp_path))
        app = stack.enter_context(start_app(SESSIONS_URL=redis.url, UPLOADS_URL=f"file://{tmp_path}/uploads"))
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
            for _ in range(5):
                assert await status(client, app.url + "/session") == 200
            redis.kill()
            told = await health_becomes(client, app, 503)
            assert told["sessions"].startswith("Redis: ")
            assert told["uploads"] == "ok"
            async with client.get(app.url + "/session") as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
                assert await answer.json() == {"error": "The session store does not answer. Please try again."}
            async with client.put(app.url + "/upload/meanwhile", data=b"x") as answer:
                assert answer.status == 201
            stack.enter_context(redis_server(tmp_path, port=urlsplit(redis.url).port))
            await health_becomes(client, app, 200)
            async with client.get(app.url + "/session") as answer:
                assert (await answer.json())["views"] == 6


async def test_an_emptied_redis_gives_new_sessions_that_all_copies_count(start_app: StartApp, tmp_path: Path) -> None:
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(tmp_path))
        settings = {"SESSIONS_URL": redis.url, "UPLOADS_URL": f"file://{tmp_path}/uploads"}
        one, two = stack.enter_context(start_app(**settings)), stack.enter_context(start_app(**settings))
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
            for app in (one, two):
                assert await status(client, app.url + "/session") == 200
            await empty(redis)
            views = []
            for number in range(8):
                async with client.get((two, one)[number % 2].url + "/session") as answer:
                    assert answer.status == 200
                    views.append((await answer.json())["views"])
            # Each copy may need one view to find out that the key is another one now.
            assert views[-4:] == list(range(views[-4], views[-4] + 4))


async def said(redis: Server, command: bytes) -> bytes:
    url = urlsplit(redis.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(command + b"\r\n")
    line = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return line.rstrip()


async def empty(redis: Server) -> None:
    assert await said(redis, b"FLUSHALL") == b"+OK"


async def no_session(redis: Server) -> bool:
    return await said(redis, b"KEYS session:*") == b"*0"


async def test_a_session_ends_after_its_time(start_app: StartApp, redis: Server, tmp_path: Path) -> None:
    settings = {"SESSIONS_URL": redis.url, "UPLOADS_URL": f"file://{tmp_path}/uploads", "SESSION_TTL_SECONDS": "1"}
    with start_app(**settings) as app:
        await empty(redis)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
            async with client.get(app.url + "/session") as answer:
                cookie = {"session": answer.cookies["session"].value}
            await soon(lambda: no_session(redis), what="the session has expired")
            async with client.get(app.url + "/session", cookies=cookie) as answer:
                assert (await answer.json())["views"] == 1


async def test_a_stop_finishes_what_is_in_flight(start_app: StartApp, redis: Server, tmp_path: Path) -> None:
    with start_app(SESSIONS_URL=redis.url, UPLOADS_URL=f"file://{tmp_path}/uploads") as app:
        async with aiohttp.ClientSession() as client:
            asked = asyncio.create_task(client.get(app.url + "/load/1500"))
            # Its thread is burning as soon as the process uses its processor.
            process = psutil.Process(app.pid)
            before = process.cpu_times().user
            await soon(lambda: process.cpu_times().user >= before + 0.1, what="it burns")
            process.terminate()
            async with await asked as answer:
                assert (answer.status, (await answer.json())["burned_ms"]) == (200, 1500)
