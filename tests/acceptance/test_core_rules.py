"""The three applications behind the OWASP Core Rule Set: attacks are refused, nothing that people do with them is."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from acceptance.asking import ask
from acceptance.running import Running
from flyball.local.envoy.judge.directives import DEBIAN

pytest.importorskip("libmodsecurity")
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not DEBIAN.exists(), reason="Debian's modsecurity-crs is not installed"),
]

BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "en-GB,en;q=0.5",
    "Sec-Fetch-Site": "same-origin",
}
FORM = {**BROWSER, "Content-Type": "application/x-www-form-urlencoded"}
JSON = {**BROWSER, "Content-Type": "application/json"}
PNG = b"\x89PNG\r\n\x1a\n" + os.urandom(200_000)
RULES = '[listener.firewall]\nrules = "owasp-crs"\n'
Step = tuple[str, str, dict[str, str], bytes, int]


def form(name: str, content: bytes) -> tuple[dict[str, str], bytes]:
    """A file as a browser's form sends it."""
    told = f'name="file"; filename="{name}"'
    head = f"--between\r\nContent-Disposition: form-data; {told}\r\nContent-Type: image/png\r\n\r\n"
    return (
        {**BROWSER, "Content-Type": "multipart/form-data; boundary=between"},
        head.encode() + content + b"\r\n--between--\r\n",
    )


BOARD: list[Step] = [
    ("GET", "/", BROWSER, b"", 200),
    ("GET", "/health", {}, b"", 200),
    ("POST", "/messages", FORM, b"name=Zo%C3%AB+O%27Neil&message=It%27s+my+1st+visit+%26+I+like+it%21+5+%3C+6", 303),
    ("POST", "/messages", FORM, b"name=Ren%C3%A9&message=Select+a+table+from+the+menu%2C+then+order+by+phone", 303),
    ("GET", "/", BROWSER, b"", 200),
]
SESSIONS: list[Step] = [
    ("GET", "/", BROWSER, b"", 200),
    ("GET", "/session", BROWSER, b"", 200),
    ("PUT", "/upload/holiday.png", {**BROWSER, "Content-Type": "image/png"}, PNG, 201),
    (
        "PUT",
        "/upload/notes.txt",
        {**BROWSER, "Content-Type": "text/plain"},
        b"<script>alert(1)</script> is how to",
        201,
    ),
    ("POST", "/upload", *form("cat picture (1).png", PNG), 303),
    ("GET", "/upload", {"Accept": "application/json"}, b"", 200),
    ("GET", "/upload/holiday.png", BROWSER, b"", 200),
    ("GET", "/load/1", {}, b"", 200),
]
FORUM: list[Step] = [
    ("GET", "/", BROWSER, b"", 200),
    ("POST", "/api/users", JSON, json.dumps({"name": "ada-lovelace"}).encode(), 201),
    ("GET", "/api/users?limit=10&order=oldest", BROWSER, b"", 200),
    ("GET", "/api/threads", BROWSER, b"", 200),
    ("GET", "/api/posts", BROWSER, b"", 200),
    ("GET", "/api/posts/docs", BROWSER, b"", 200),
]


def sent(url: str, step: Step) -> int:
    """The status of the answer."""
    method, path, headers, body, _ = step
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    try:
        connection.request(method, path, body or None, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def walked(running: Running, steps: list[Step]) -> None:
    url = running.now()["url"]
    answers = {(step[0], step[1], number): sent(url, step) for number, step in enumerate(steps)}
    assert answers == {(step[0], step[1], number): step[4] for number, step in enumerate(steps)}


def written(running: Running) -> None:
    """What one does with a forum: a thread, a post that quotes, a change, an end."""
    url = running.now()["url"]

    def call(method: str, path: str, status: int, **fields: object) -> dict[str, object]:
        answer = ask(url, path, method=method, headers=BROWSER, send=fields or None)
        assert answer.status == status, (method, path, answer)
        return dict(answer.json()) if status != 204 else {}

    user = call("POST", "/api/users", 201, name="grace")["id"]
    thread = call("POST", "/api/threads", 201, title="What's new in O'Reilly's books?", user_id=user)["id"]
    text = "I'd say: \"it depends\" -- 3 > 2, isn't it? See https://example.com/a?b=c#d (page 12; chapter 4)."
    post = call("POST", "/api/posts", 201, thread_id=thread, user_id=user, text=text)["id"]
    call("PATCH", f"/api/posts/{post}", 200, text=text + " Edited.")
    call("GET", f"/api/posts/{post}", 200)
    call("DELETE", f"/api/posts/{post}", 204)


@pytest.mark.parametrize(
    ("app", "steps"),
    [("visitor-board", BOARD), ("session-app", SESSIONS), ("forum", FORUM)],
    ids=lambda one: str(one)[:13],
)
def test_nothing_that_people_do_is_refused_and_attacks_are(
    place: Callable[..., Running], app: str, steps: list[Step]
) -> None:
    running = place(app)
    file = running.directory / "flyball.toml"
    before, found, after = file.read_text().partition("[listener.firewall]\n")
    file.write_text(f"{before}{RULES}{after}" if found else f"{before}\n{RULES}")
    running.up()
    walked(running, steps)
    if app == "forum":
        written(running)
    assert running.now()["firewall"] == []
    attacks = ("/?q=%3Cscript%3Ealert(1)%3C/script%3E", "/?id=1%27%20OR%20%271%27=%271", "/?f=../../../etc/passwd")
    url = running.now()["url"]
    assert [ask(url, path, headers=BROWSER).status for path in attacks] == [403] * 3
    running.until(
        lambda: sum(one["requests"] for one in running.now()["firewall"]) == 3, what="the refusals are counted"
    )
