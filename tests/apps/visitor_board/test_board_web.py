import base64
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from visitor_board.sqlite_store import SqliteStore
from visitor_board.store import Store
from visitor_board.visits import Visits
from visitor_board.web import BODY_MAX, create_app, instance_name


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    store = SqliteStore(str(tmp_path / "board.db"))
    with create_app(store, Visits(store), instance="web-7").test_client() as client:
        yield client
    store.close()


def post(client: FlaskClient, message: str, name: str = "Ann") -> None:
    assert client.post("/messages", data={"name": name, "message": message}).status_code == 303


def test_the_board_shows_form_count_and_instance(client: FlaskClient) -> None:
    page = client.get("/").text
    assert '<form method="post" action="/messages"' in page
    assert "<b>1</b> visit<" in page
    assert "Served by <b>web-7</b>" in page
    assert "Be the first" in page
    assert "<b>2</b> visits" in client.get("/").text


def test_a_posted_message_is_shown_and_escaped(client: FlaskClient) -> None:
    answer = client.post("/messages", data={"name": "<i>Ann", "message": "<script>alert(1)</script>\r\n& {{ 7 * 7 }}"})
    assert (answer.status_code, answer.location) == (303, "/")
    page = client.get("/").text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\n&amp; {{ 7 * 7 }}" in page
    assert "<strong>&lt;i&gt;Ann</strong>" in page
    assert "<script" not in page
    assert "<i>" not in page


def test_pages_of_twenty_newest_first(client: FlaskClient) -> None:
    for number in range(45):
        post(client, f"message-{number:02}")
    seen, path = [], "/"
    for length in (20, 20, 5):
        page = client.get(path).text
        found = re.findall(r"message-\d\d", page)
        assert len(found) == length
        seen += found
        link = re.search(r'class="older" href="([^"]+)"', page)
        path = link.group(1) if link else ""
    assert path == ""
    assert seen == [f"message-{number:02}" for number in reversed(range(45))]


@pytest.mark.parametrize(
    ("name", "message", "mistake"),
    [
        ("", "kept words", "Please write a name."),
        ("Kept Name", " ", "Please write a message."),
        ("Kept Name", "x" * 501, "At most 500 characters, please; this has 501."),
        ('"><b>' * 20, "kept words", "At most 40 characters, please; this has 100."),
    ],
)
def test_a_mistake_keeps_the_words(client: FlaskClient, name: str, message: str, mistake: str) -> None:
    answer = client.post("/messages", data={"name": name, "message": message})
    assert answer.status_code == 400
    assert mistake in answer.text
    assert "aria-invalid" in answer.text
    kept = name if name.strip() and "Kept" in name else message
    assert kept in answer.text
    assert '"><b>"><b>' not in answer.text
    assert client.get("/messages").json == {"messages": [], "next": None}


def test_json_in_and_out(client: FlaskClient) -> None:
    answer = client.post("/messages", json={"name": "Ann", "message": "hello"})
    assert answer.status_code == 201
    assert answer.json
    assert client.get("/messages").json == {"messages": [answer.json], "next": None}
    wrong = client.post("/messages", json={"name": "Ann"})
    assert (wrong.status_code, wrong.json) == (
        400,
        {"error": "The message was not posted.", "mistakes": {"message": "Please write a message."}},
    )


def test_the_list_is_paged(client: FlaskClient) -> None:
    for number in range(7):
        post(client, str(number))
    first = client.get("/messages?limit=4").json
    second = client.get(f"/messages?limit=4&before={first['next']}").json
    assert [each["message"] for each in first["messages"] + second["messages"]] == list("6543210")
    assert second["next"] is None


@pytest.mark.parametrize("limit", ["0", "-1", "201", "x", "", "1e3", "²", "9" * 99, "0100" + "0" * 30])
def test_a_bad_limit_is_refused(client: FlaskClient, limit: str) -> None:
    assert client.get("/messages", query_string={"limit": limit}).status_code == 400


@pytest.mark.parametrize("path", ["/", "/messages"])
def test_a_bad_cursor_is_refused(client: FlaskClient, path: str) -> None:
    assert client.get(path, query_string={"before": "'; --"}).status_code == 400


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "http://evil.example"}])
def test_another_sites_page_cannot_post(client: FlaskClient, headers: dict[str, str]) -> None:
    answer = client.post("/messages", data={"name": "Ann", "message": "spam"}, headers=headers)
    assert answer.status_code == 403
    assert client.get("/messages").json == {"messages": [], "next": None}


def test_the_boards_own_form_can_post(client: FlaskClient) -> None:
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}
    assert client.post("/messages", data={"name": "Ann", "message": "hi"}, headers=headers).status_code == 303


def test_odd_requests_are_refused_with_their_status(client: FlaskClient) -> None:
    assert client.get("/nothing").status_code == 404
    assert client.put("/messages").status_code == 405
    assert "POST" in client.put("/messages").headers["Allow"]
    assert client.post("/messages", data=b"x", content_type="text/plain").status_code == 415
    assert client.post("/messages", data=b"{", content_type="application/json").status_code == 400
    assert client.post("/messages", json=[1]).status_code == 400
    assert client.post("/messages", data=b"[" * 9_000, content_type="application/json").status_code == 400
    assert client.post("/messages", data={"name": "a", "message": "b" * BODY_MAX}).status_code == 413


def test_every_answer_carries_the_policy_that_the_page_keeps(client: FlaskClient) -> None:
    for path in ("/", "/nothing", "/messages", "/health"):
        assert client.get(path).headers["X-Content-Type-Options"] == "nosniff"
    page = client.get("/")
    style = re.search(r"<style>(.*?)</style>", page.text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page.headers["Content-Security-Policy"]
    assert "style=" not in page.text
    assert "no-referrer" not in page.headers["Referrer-Policy"]


def test_a_store_that_is_away_is_said_plainly(broken: Store, caplog: pytest.LogCaptureFixture) -> None:
    client = create_app(broken, Visits(broken), instance="web-1").test_client()
    health = client.get("/health")
    assert (health.status_code, health.text) == (503, "the store failed: away\n")
    page = client.get("/")
    assert page.status_code == 503
    assert page.headers["Retry-After"] == "5"
    assert "Please try again in a moment" in page.text
    assert client.post("/messages", data={"name": "a", "message": "b"}).status_code == 503
    assert client.get("/messages").json == {"error": "Its store does not answer. Please try again in a moment."}
    assert "GET /health: away" in caplog.text


def test_the_instances_name() -> None:
    assert instance_name({"FLYBALL_INSTANCE": "web-3"}) == "web-3"
    assert instance_name({})
