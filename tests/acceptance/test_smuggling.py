"""What a hostile client sends through the balancer, byte by byte, and what an instance gets to see of it.

All cases are sent at once, each under a path of its own; a request hidden in one has the path `/CASE/hidden`.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from acceptance.asking import ask
from acceptance.running import Running
from waiting import WITHIN_S, until

pytestmark = pytest.mark.live

HEADERS_S = 10  # the balancer's own limit for the head of a request
IDLE_S = HEADERS_S + 2
FILE = f"""
name = "strict"
[listener]
idle_timeout = "{IDLE_S}s"
[services.web]
run = "python3 strict_server.py"
routes = ["/"]
health = "/health"
env = {{ SEEN = "SEEN-FILE" }}
"""


def get(more: bytes = b"", *, target: bytes = b"@", version: bytes = b"HTTP/1.1") -> bytes:
    return b"GET " + target + b" " + version + b"\r\nHost: a\r\n" + more + b"\r\n"


HIDDEN = get(target=b"@/hidden")
LENGTH = str(len(HIDDEN) + 10).encode()  # of the hidden request in any case; paths differ in length


def post(headers: bytes, body: bytes) -> bytes:
    return b"POST @ HTTP/1.1\r\nHost: a\r\n" + headers + b"\r\n\r\n" + body


def chunks(body: bytes) -> bytes:
    return post(b"Transfer-Encoding: chunked", body + HIDDEN)


def coding(name: bytes) -> bytes:
    return post(b"Transfer-Encoding:" + name, b"0\r\n\r\n" + HIDDEN)


def length(value: bytes) -> bytes:
    return post(b"Content-Length:" + value, HIDDEN)


REFUSED = {
    "length-and-chunks": post(b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"0\r\n\r\n" + HIDDEN),
    "chunks-and-length": post(b"Transfer-Encoding: chunked\r\nContent-Length: " + LENGTH, b"0\r\n\r\n" + HIDDEN),
    "two-lengths": post(b"Content-Length: 0\r\nContent-Length: " + LENGTH, HIDDEN),
    "the-same-length-twice": post(b"Content-Length: 5\r\nContent-Length: 5", HIDDEN),
    "list-of-lengths": length(b" 0, " + LENGTH),
    "length-with-plus": length(b" +" + LENGTH),
    "length-in-hex": length(b" 0x5"),
    "length-below-zero": length(b" -1"),
    "length-too-large": length(b" 99999999999999999999"),
    "length-empty": length(b""),
    "length-name-with-space": post(b"Content-Length : 5", HIDDEN),
    "coding-unknown": coding(b" xchunked"),
    "coding-list": coding(b" chunked, identity"),
    "coding-gzip": coding(b" gzip, chunked"),
    "coding-with-tab": coding(b" \x0bchunked"),
    "coding-twice": coding(b" chunked\r\nTransfer-Encoding: identity"),
    "coding-name-with-space": post(b"Transfer-Encoding : chunked", b"0\r\n\r\n" + HIDDEN),
    "chunk-below-zero": chunks(b"-1\r\n"),
    "chunk-0x": chunks(b"0x5\r\nhello\r\n0\r\n\r\n"),
    "chunk-with-plus": chunks(b"+5\r\nhello\r\n0\r\n\r\n"),
    "chunk-not-hex": chunks(b"g\r\n"),
    "chunk-too-large": chunks(b"fffffffffffffffff\r\n"),
    "chunk-that-wraps": chunks(b"10000000000000000\r\n\r\n"),
    "chunk-longer-than-told": chunks(b"3\r\nhello\r\n0\r\n\r\n"),
    "chunk-with-bare-newlines": chunks(b"5\nhello\n0\n\n"),
    "chunk-extension-newline": chunks(b"5;a\nhello\r\n0\r\n\r\n"),
    "fold-before-first-header": b"GET @ HTTP/1.1\r\n Host: a\r\n\r\n",
    "nul-in-value": get(b"X: a\x00b\r\n"),
    "nul-in-name": get(b"X\x00: a\r\n"),
    "nul-in-path": get(target=b"@/\x00"),
    "header-without-colon": get(b"Whatever\r\n"),
    "header-without-name": get(b": a\r\n"),
    "header-of-100-kb": get(b"X: " + b"a" * 100_000 + b"\r\n"),
    "line-of-100-kb": get(target=b"@/" + b"a" * 100_000),
    "500-headers": get(b"".join(b"X%d: a\r\n" % number for number in range(500))),
    "space-in-path": get(target=b"@/a b"),
    "two-versions": get(version=b"HTTP/1.1 HTTP/1.1"),
    "version-in-lower-case": get(version=b"http/1.1"),
    "method-not-a-token": b"GE(T @ HTTP/1.1\r\nHost: a\r\n\r\n",
    "path-without-slash": get(target=b"x"),
    "path-not-ascii": get(target=b"@/\xc3\xa4"),
    "fragment": get(target=b"@#b"),
    "climb": get(target=b"@/../x"),
    "climb-in-percent": get(target=b"@/%2e%2E/x"),
    "climb-with-backslash": get(target=b"@/..\\x"),
    "climb-with-hidden-slash": get(target=b"@/..%2fx"),
    "climb-in-absolute-form": get(target=b"http://other@/../x"),
    "absolute-form-without-host": get(target=b"http:///x"),
    "no-host": b"GET @ HTTP/1.1\r\n\r\n",
    "two-hosts": get(b"Host: b\r\n"),
    "empty-host": b"GET @ HTTP/1.1\r\nHost:\r\n\r\n",
    "host-with-space": b"GET @ HTTP/1.1\r\nHost: a b\r\n\r\n",
    "connection-names-forwarded": get(b"Connection: close, X-Forwarded-For\r\n"),
    "connect": b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n",
    "trace": b"TRACE @ HTTP/1.1\r\nHost: a\r\n\r\n",
    "tls-on-the-plain-port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "all-bytes": bytes(range(256)) * 4,
}

# Lenient readings that RFC 9112 allows: one request in, exactly one well-formed request out. Its target and body.
ONE: dict[str, tuple[bytes, str, str]] = {
    "plain": (get(), "@", ""),
    "folded-header": (get(b"X: a\r\n b\r\n"), "@", ""),
    "bare-cr-in-value": (get(b"X: a\rContent-Length: 5\r\n"), "@", ""),
    "bare-newlines": (b"GET @ HTTP/1.1\nHost: a\n\n", "@", ""),
    "two-spaces": (get(target=b" @"), "@", ""),
    "empty-lines-first": (b"\r\n\r\n" + get(), "@", ""),
    "http-0.9": (b"GET @\r\n", "@", ""),
    "http-1.0-with-chunks": (post(b"Transfer-Encoding: chunked", b"0\r\n\r\n").replace(b"1.1", b"1.0"), "@", ""),
    "double-slash": (get(target=b"/@/x"), "/@/x", ""),
    "twice-encoded-dots": (get(target=b"@/%252e%252e/x"), "@/%252e%252e/x", ""),
    "absolute-form": (get(target=b"http://other@"), "@", ""),
    "chunk-extension": (post(b"Transfer-Encoding: chunked", b"5;a=b\r\nhello\r\n0\r\n\r\n"), "@", "hello"),
    "trailers": (
        post(b"Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\nContent-Length: 9\r\nX-Forwarded-For: 9\r\n\r\n"),
        "@",
        "hello",
    ),
    "upgrade-to-http-2": (
        get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAM\r\n"),
        "@",
        "",
    ),
    "refused-websocket": (
        get(b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n") + HIDDEN,
        "@",
        "",
    ),
    "body-of-a-get": (get(b"Content-Length: 5\r\n") + b"hello", "@", "hello"),
    "spoofed": (
        get(
            b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\nX_Forwarded_For: 8.8.8.8\r\n"
            b"X-Flyball-Instance: web-9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n"
        ),
        "@",
        "",
    ),
}
PIPELINED = get(target=b"@/1") + get(target=b"@/2") + post(b"Content-Length: 2", b"ok") + get(target=b"@/3")


class Came(NamedTuple):
    """What a client got: statuses and all bytes."""

    statuses: list[int]
    raw: bytes


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What all clients got, and what the instance wrote down."""

    came: dict[str, Came]
    seen: list[dict[str, Any]]

    def targets(self, case: str) -> list[str]:
        """Targets that the instance saw of a case, in order."""
        found = re.compile(rf"/*{re.escape(path(case))}(/.*)?")
        return [one["target"] for one in self.seen if found.fullmatch(one.get("target", ""))]


def path(case: str) -> str:
    return f"/{case}"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("strict") / "app"
    directory.mkdir()
    shutil.copy(Path(__file__).with_name("strict_server.py"), directory)
    seen = directory.parent / "seen"
    seen.touch()
    (directory / "flyball.toml").write_text(FILE.replace("SEEN-FILE", str(seen)))
    running = Running(directory)
    try:
        running.up()
        yield running
    finally:
        running.clean_up()


@pytest.fixture(scope="module")
def outcome(strict: Running) -> Outcome:
    cases = {**REFUSED, **{name: sent for name, (sent, _, _) in ONE.items()}, "pipelined": PIPELINED}
    address = urlsplit(strict.ps()["url"])

    def send(case: str) -> Came:
        sent = cases[case].replace(b"@", path(case).encode())
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=60) as client:
            return exchange(client, sent, answers=4 if case == "pipelined" else 1)

    with ThreadPoolExecutor(16) as pool:
        came = dict(zip(cases, pool.map(send, cases), strict=True))
    assert ask(strict.ps()["url"], "/last").status == 200
    lines = (strict.directory.parent / "seen").read_text().splitlines()
    return Outcome(came=came, seen=[json.loads(line) for line in lines])


def exchange(client: socket.socket, sent: bytes, *, answers: int) -> Came:
    """Send, and read until the connection ends, or is quiet for a second after as many answers as there should be."""
    raw = b""
    try:
        client.sendall(sent)
        while block := client.recv(65536):
            raw += block
            if len(statuses(raw)) >= answers:
                client.settimeout(1.0)
    except OSError:
        pass  # quiet, or cut: what came until then counts
    return Came(statuses(raw), raw)


def statuses(raw: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", raw)]


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_malformed_is_refused(outcome: Outcome, case: str) -> None:
    (status,) = outcome.came[case].statuses
    assert 400 <= status < 500 or status == 501
    # Its head may have gone on before a bad body came; nothing behind it does, and it never becomes a whole request.
    assert set(outcome.targets(case)) <= {path(case)}


@pytest.mark.parametrize("case", ONE)
def test_one_request_stays_one(outcome: Outcome, case: str) -> None:
    _, target, body = ONE[case]
    assert [status for status in outcome.came[case].statuses if status >= 200] == [200]
    assert outcome.targets(case) == [target.replace("@", path(case))]
    assert [one["body"] for one in outcome.seen if one.get("of") == target.replace("@", path(case))] == [body]


def test_an_instance_never_sees_anything_malformed(outcome: Outcome) -> None:
    assert [one for one in outcome.seen if "malformed" in one] == []


def test_no_malformed_body_arrives_as_a_whole_one(outcome: Outcome) -> None:
    assert {one["of"] for one in outcome.seen if "of" in one} & set(map(path, REFUSED)) == set()


def test_pipelined_requests_are_answered_in_their_order(outcome: Outcome) -> None:
    assert outcome.came["pipelined"].statuses == [200] * 4
    own = path("pipelined")
    assert outcome.targets("pipelined") == [f"{own}/1", f"{own}/2", own, f"{own}/3"]


def test_nobody_can_pretend_to_be_the_balancer(outcome: Outcome) -> None:
    (headers,) = [dict(one["headers"]) for one in outcome.seen if one.get("target") == path("spoofed")]
    assert headers["x-forwarded-for"] == "6.6.6.6,7.7.7.7,127.0.0.1"  # the last hop is the balancer's word
    assert (headers["x-forwarded-proto"], headers["x-forwarded-port"]) != ("https", "1")
    assert not {"x_forwarded_for", "x-flyball-instance"} & set(headers)
    # The instance itself claims to be another one.
    assert re.findall(rb"(?i)x-flyball-instance: *([^\r]*)", outcome.came["spoofed"].raw) == [b"web-1"]
    (upgraded,) = [dict(one["headers"]) for one in outcome.seen if one.get("target") == path("upgrade-to-http-2")]
    assert not {"upgrade", "http2-settings"} & set(upgraded)


def test_slow_clients_are_let_go_and_do_not_keep_others_waiting(strict: Running) -> None:
    url = strict.ps()["url"]
    port = urlsplit(url).port or 0
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    ended: dict[int, bytes] = {}
    silent, half_body, trickle = range(len(slow))[:50], range(len(slow))[50:100], range(len(slow))[100:]

    def all_have_ended() -> bool:
        # Behind slow clients it would wait until they are let go.
        assert ask(url, "/meanwhile", within_s=HEADERS_S / 2).status == 200
        for number in sorted(set(range(len(slow))) - set(ended)):
            look(slow[number], number, ended, feed=number in trickle)
        return len(ended) == len(slow)

    try:
        for number in half_body:
            slow[number].sendall(b"POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
        for number in trickle:
            slow[number].sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\nX: ")
        until(all_have_ended, what="slow clients are let go", within_s=IDLE_S + WITHIN_S, every_s=0.2)
    finally:
        for client in slow:
            client.close()

    assert all(ended[number] == b"" for number in silent)
    assert all(re.match(rb"HTTP/1.1 504 ", ended[number]) for number in half_body)
    assert all(re.match(rb"HTTP/1.1 408 ", ended[number]) for number in trickle)


def look(client: socket.socket, number: int, ended: dict[int, bytes], *, feed: bool) -> None:
    """Feed a slow client's connection one more byte, and note its end with what came."""
    client.setblocking(False)
    try:
        answer = client.recv(4096)
    except BlockingIOError:
        if feed:
            with contextlib.suppress(OSError):  # it may be cut just now
                client.send(b"x")
        return
    except OSError:
        answer = b""
    ended[number] = answer
