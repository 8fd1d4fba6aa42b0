"""What one copy answers, over the wire."""

import asyncio
import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
from yarl import URL

from app_servers import Server

pytestmark = pytest.mark.live


@pytest.fixture
async def client(app: Server) -> AsyncIterator[aiohttp.ClientSession]:
    # Cookies of plain addresses are kept too: the server is at 127.0.0.1.
    async with aiohttp.ClientSession(app.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as client:
        yield client


async def json_of(answer: aiohttp.ClientResponse) -> dict[str, object]:
    return await answer.json()


async def test_a_sessions_views_are_counted(client: aiohttp.ClientSession) -> None:
    for views in (1, 2, 3):
        async with client.get("/session") as answer:
            told = await json_of(answer)
            assert (answer.status, told["views"], told["new"]) == (200, views, views == 1)
    async with client.get("/", headers={"Accept": "text/html"}) as page:
        assert '<p class="number">4</p>' in await page.text()


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(client: aiohttp.ClientSession) -> None:
    async with client.get("/session") as answer:
        assert re.search(
            r"session=[\w-]{24}\.[0-9a-f]{64}; HttpOnly; Max-Age=3600; Path=/; SameSite=lax$", cookie(answer)
        )
    async with client.get("/session", headers={"X-Forwarded-Proto": "https"}) as answer:
        assert cookie(answer).endswith("SameSite=lax; Secure")


def cookie(answer: aiohttp.ClientResponse) -> str:
    return answer.headers["Set-Cookie"]


BAD_COOKIES = ["", "x", "a.b", "A" * 24 + "." + "0" * 64, "A" * 5000, '"', "\\", "..", "%00", "session:x", "=;=", "é"]


@pytest.mark.parametrize("value", [*BAD_COOKIES, '{"views": 9}'])
async def test_a_bad_cookie_is_a_new_session(client: aiohttp.ClientSession, value: str) -> None:
    async with client.get("/session", headers={"Cookie": f"session={value}"}) as answer:
        told = await json_of(answer)
        assert (answer.status, told["views"], told["new"]) == (200, 1, True)


async def test_a_changed_signature_is_a_new_session(app: Server) -> None:
    async with aiohttp.ClientSession(app.url) as client:
        async with client.get("/session") as answer:
            value = answer.cookies["session"].value
        other = value[:-1] + ("0" if value[-1] != "0" else "1")
        async with client.get("/session", headers={"Cookie": f"session={other}"}) as answer:
            assert (await json_of(answer))["views"] == 1
        async with client.get("/session", headers={"Cookie": f"session={value}"}) as answer:
            assert (await json_of(answer))["views"] == 2


async def test_more_views_at_once_than_connections_to_redis_wait_in_turn(app: Server) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(app.url, connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as client:
        async with client.get("/session") as answer:
            cookie = {"session": answer.cookies["session"].value}

        async def view() -> int:
            async with client.get("/session", cookies=cookie) as answer:
                assert answer.status == 200
                return (await answer.json())["views"]

        assert sorted(await asyncio.gather(*(view() for _ in range(300)))) == list(range(2, 302))


async def test_put_list_get(client: aiohttp.ClientSession) -> None:
    async with client.put(
        "/upload/r%C3%A9sum%C3%A9 1.pdf", data=b"%PDF", headers={"Content-Type": "application/pdf"}
    ) as answer:
        assert answer.status == 201
        assert answer.headers["Location"] == "/upload/r%C3%A9sum%C3%A9%201.pdf"
        assert (await json_of(answer))["size"] == 4
    async with client.get("/upload?limit=1000") as answer:
        assert "résumé 1.pdf" in [file["name"] for file in (await answer.json())["files"]]
    async with client.get("/upload/r%C3%A9sum%C3%A9 1.pdf") as answer:
        assert (answer.status, await answer.read()) == (200, b"%PDF")
        assert answer.headers["Content-Type"] == "application/pdf"
        assert answer.headers["Content-Disposition"] == "attachment; filename*=UTF-8''r%C3%A9sum%C3%A9%201.pdf"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("sandbox")


async def test_parts_and_conditions(client: aiohttp.ClientSession) -> None:
    await (await client.put("/upload/digits", data=b"0123456789")).release()
    async with client.head("/upload/digits") as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (200, "10")
        e_tag = answer.headers["ETag"]
    async with client.get("/upload/digits", headers={"Range": "bytes=2-4"}) as answer:
        assert (answer.status, await answer.read()) == (206, b"234")
        assert answer.headers["Content-Range"] == "bytes 2-4/10"
    async with client.get("/upload/digits", headers={"Range": "bytes=10-"}) as answer:
        assert (answer.status, answer.headers["Content-Range"]) == (416, "bytes */10")
    for tags, status in ((e_tag, 304), (f'"other", W/{e_tag}', 304), ("*", 304), ('"other"', 200)):
        async with client.get("/upload/digits", headers={"If-None-Match": tags}) as answer:
            assert answer.status == status
    for tag, status in ((e_tag, 206), ('"other"', 200)):
        async with client.get("/upload/digits", headers={"Range": "bytes=0-0", "If-Range": tag}) as answer:
            assert answer.status == status


async def test_the_form_and_its_page(client: aiohttp.ClientSession) -> None:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("note", "not a file")
    form.add_field("file", b"<script>alert(1)</script>" * 10_000, filename="a&b.html", content_type="text/html")
    async with client.post("/upload", data=form, headers={"Accept": "text/html"}, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/upload")
    async with client.get("/upload?limit=1000", headers={"Accept": "text/html"}) as page:
        text = await page.text()
        assert 'href="/upload/a%26b.html">a&amp;b.html</a>' in text
        assert "250.0 kB" in text
    async with client.get("/upload/a%26b.html") as answer:
        assert len(await answer.read()) == 250_000
        assert answer.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("name", "sent", "kept"),
    [
        ("a.png", None, "image/png"),
        ("a.tar.gz", None, "application/octet-stream"),
        ("a", "text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        ("a", "no type", "application/octet-stream"),
        ("a.html", "text/html", "text/html"),
    ],
)
async def test_types_are_kept_or_guessed(client: aiohttp.ClientSession, name: str, sent: str | None, kept: str) -> None:
    headers = {"Content-Type": sent} if sent else {}
    async with client.put(f"/upload/{name}", data=b"x", headers=headers, skip_auto_headers=["Content-Type"]) as answer:
        assert (await json_of(answer))["type"] == kept
    async with client.get(f"/upload/{name}") as answer:
        assert answer.headers["Content-Type"] == kept
        assert answer.headers["Content-Disposition"].startswith(
            "inline" if kept.startswith(("image/png", "text/plain")) else "attachment"
        )


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "after=a%00b", "after=..%2f", "after=%16"])
async def test_a_bad_question_for_the_list_is_refused(client: aiohttp.ClientSession, query: str) -> None:
    async with client.get(URL(f"/upload?{query}", encoded=True)) as answer:
        assert answer.status == 400


async def test_the_list_is_paged(client: aiohttp.ClientSession) -> None:
    for number in range(5):
        await (await client.put(f"/upload/page-{number}", data=b"x")).release()
    async with client.get("/upload?limit=2&after=page-0") as answer:
        told = await answer.json()
        assert [file["name"] for file in told["files"]] == ["page-1", "page-2"]
        assert told["next"] == "page-2"


UP = ["..%2f..%2fetc%2fpasswd", "%2e%2e%2fx", "..", "%2e%2e", ".types%2fx", "a%2fb", "a/b", "a%5cb"]


@pytest.mark.parametrize("path", [*UP, ".hidden", "a%00b", "%ff", "a%23%31"])
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_names_that_try_to_escape_are_refused(
    client: aiohttp.ClientSession, app: Server, path: str, method: str
) -> None:
    address = URL(f"{app.url}/upload/{path}", encoded=True)
    async with client.request(method, address, data=b"x" if method == "PUT" else None) as answer:
        assert answer.status == 400
        assert "name" in (await json_of(answer))["error"]


async def test_too_large_is_refused_before_and_during(client: aiohttp.ClientSession) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 50_000

    async with client.put("/upload/large", data=b"x" * 1_000_000) as answer:
        assert answer.status == 201
    async with client.put("/upload/too-large", data=b"x" * 1_000_001) as answer:
        assert answer.status == 413
        assert await json_of(answer) == {"error": "A file has at most 1000000 bytes."}
    async with client.put("/upload/too-large", data=endless()) as answer:
        assert answer.status == 413
    async with client.get("/upload/too-large") as answer:
        assert answer.status == 404


@pytest.mark.parametrize("framing", ["Content-Length: 5000", "Transfer-Encoding: chunked"])
async def test_an_upload_that_breaks_off_leaves_nothing(
    client: aiohttp.ClientSession, app: Server, framing: str
) -> None:
    url = URL(app.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(f"PUT /upload/broken HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode())
    writer.write((b"3e8\r\n" if "chunked" in framing else b"") + b"x" * 1000)
    await writer.drain()
    # What has been sent is read by the time another request is answered.
    await (await client.get("/health")).release()
    writer.close()
    await writer.wait_closed()
    assert reader is not None
    for _ in range(20):
        async with client.get("/upload/broken") as answer:
            assert answer.status == 404
    async with client.get("/upload?limit=1000") as answer:
        assert "broken" not in [file["name"] for file in (await answer.json())["files"]]


@pytest.mark.parametrize(
    "raw",
    [
        b"PUT /upload/s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"PUT /upload/s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"PUT /upload/s HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\nhello",
        b"PUT /upload/s HTTP/1.1\r\nHost: x\r\nContent-Length: 5x\r\n\r\nhello",
        b"PUT /upload/s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    ],
)
async def test_two_meanings_of_one_request_are_refused(app: Server, raw: bytes) -> None:
    url = URL(app.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(raw)
    answer = await asyncio.wait_for(reader.read(15), 60)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("ms", "status"), [("0", 200), ("100", 200), ("60001", 400), ("-1", 400), ("x", 400), ("1e3", 400)]
)
async def test_load_has_limits(client: aiohttp.ClientSession, ms: str, status: int) -> None:
    async with client.get(f"/load/{ms}") as answer:
        assert answer.status == status
        if status == 200:
            assert (await json_of(answer))["burned_ms"] == int(ms)


async def test_health_answers_while_processors_burn(client: aiohttp.ClientSession) -> None:
    burning = [asyncio.create_task(client.get("/load/500")) for _ in range(4)]
    await asyncio.sleep(0)
    answered = 0
    while not all(task.done() for task in burning):
        async with client.get("/health", timeout=aiohttp.ClientTimeout(total=30)) as answer:
            assert answer.status == 200
            answered += 1
    for task in burning:
        await (await task).release()
    assert answered >= 5


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}, {"Origin": "http://["}]
)
async def test_another_sites_page_cannot_store(client: aiohttp.ClientSession, headers: dict[str, str]) -> None:
    async with client.put("/upload/evil", data=b"x", headers=headers) as answer:
        assert answer.status == 403
    form = aiohttp.FormData()
    form.add_field("file", b"x", filename="evil")
    async with client.post("/upload", data=form, headers=headers) as answer:
        assert answer.status == 403


async def test_other_paths_and_methods(client: aiohttp.ClientSession) -> None:
    async with client.get("/nothing") as answer:
        assert (answer.status, await json_of(answer)) == (404, {"error": "Not Found."})
    for path, allow in (("/session", "GET"), ("/upload", "GET, POST"), ("/upload/a", "GET, HEAD, PUT")):
        async with client.delete(path) as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, allow)
    async with client.get("/nothing", headers={"Accept": "text/html"}) as page:
        assert "That did not work" in await page.text()
        assert "style-src 'sha256-" in page.headers["Content-Security-Policy"]
