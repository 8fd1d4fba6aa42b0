"""Every rule of the REST interface, asked in this process."""

import asyncio
import json
import sqlite3
import string
from contextlib import closing

import pytest
from forum.app import Settings, create_app
from forum.endpoints import Endpoints
from forum.inputs import MAX_BODY, read_body
from forum.log import Verbosity
from forum.problems import Problem
from forum.resource import new_id
from forum.store import Conflict
from starlette.requests import Request
from users.main import USERS

from apps.forum.asgi_client import Client

ID = new_id()


async def created(client, path, body):
    answer = await client("POST", path, body)
    assert answer.status == 201, answer.body
    return answer.json


async def new_user(users, name="Ada"):
    return await created(users, "/api/users", {"name": name})


def assert_problem(answer, status):
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status
    assert answer.json["title"]
    assert answer.json["detail"]


async def test_create_answers_with_the_resource_and_its_place(users):
    answer = await users("POST", "/api/users", {"name": "Ada"})
    assert answer.status == 201
    assert answer.headers["location"] == f"/api/users/{answer.json['id']}"
    assert answer.headers["etag"] == '"1"'
    assert answer.json["name"] == "Ada"
    assert answer.json["about"] == ""
    assert answer.json["created_at"] == answer.json["updated_at"]
    assert (await users("GET", answer.headers["location"])).json == answer.json


@pytest.mark.parametrize("name", ["é😀", "名前", "\u202eevil", "<script>", "a\x00b", "x" * 120])
async def test_text_comes_back_as_it_was_sent(users, name):
    user = await new_user(users, name)
    assert user["name"] == name
    assert (await users("GET", f"/api/users/{user['id']}")).json["name"] == name


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#"),
        ([], "#"),
        ({"name": 3}, "#/name"),
        ({"name": ""}, "#/name"),
        ({"name": "\t \n"}, "#/name"),
        ({"name": "x" * 121}, "#/name"),
        ({"name": "Ada", "about": "x" * 501}, "#/about"),
        ({"name": "Ada", "admin": True}, "#"),
    ],
)
async def test_bad_fields_are_refused_with_their_place(users, body, pointer):
    answer = await users("POST", "/api/users", body)
    assert_problem(answer, 422)
    assert answer.json["errors"][0].get("pointer", "#") == pointer


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"name": "\\ud800"}', b'{"name": "A"} {}'])
async def test_what_is_not_json_is_refused(users, body):
    assert_problem(await users("POST", "/api/users", headers={"content-type": "application/json"}, body=body), 400)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"name":' * 10_000, b'{"x":' * 20_000, b'{"name": "A", "x": ' + b"[" * 90_000]
)
async def test_deep_bodies_are_refused(users, body):
    answer = await users("POST", "/api/users", headers={"content-type": "application/json"}, body=body)
    assert_problem(answer, answer.status)
    assert answer.status in (400, 422)


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_another_content_type_is_refused(users, content_type):
    headers = {"content-type": content_type} if content_type else {}
    assert_problem(await users("POST", "/api/users", headers=headers, body=b'{"name": "Ada"}'), 415)


async def test_content_type_with_a_charset_is_taken(users):
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert (await users("POST", "/api/users", {"name": "Ada"}, headers=headers)).status == 201


async def test_a_body_that_is_too_large_is_refused(users):
    body = json.dumps({"name": "x" * MAX_BODY}).encode()
    assert_problem(await users("POST", "/api/users", headers={"content-type": "application/json"}, body=body), 413)


async def test_a_body_that_is_far_too_large_is_read_to_its_end_so_that_the_sender_sees_the_answer():
    pieces = iter([b"x" * MAX_BODY] * 5)

    async def receive():
        piece = next(pieces, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    request = Request({"type": "http", "headers": [(b"content-type", b"application/json")]}, receive)
    with pytest.raises(Problem) as raised:
        await read_body(request, dict)
    assert raised.value.status == 413
    assert next(pieces, None) is None


async def test_a_body_that_ends_early_creates_nothing(users):
    answer = await users("POST", "/api/users", {"name": "Ada"}, cut=True)
    assert_problem(answer, 400)
    assert (await users("GET", "/api/users")).json["items"] == []


@pytest.mark.parametrize("id_", [ID, "x", ID.lower(), ID + "\n", "é", "%2e%2e"], ids=range(6))
async def test_an_unknown_id_is_not_found(users, id_):
    for method in ("GET", "PATCH", "DELETE"):
        assert_problem(await users(method, f"/api/users/{id_}", {} if method == "PATCH" else None), 404)


async def test_other_addresses_and_methods_are_problems_too(users):
    assert_problem(await users("GET", "/nowhere"), 404)
    assert_problem(await users("GET", "/api/users/"), 404)
    answer = await users("PUT", "/api/users", {})
    assert_problem(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    answer = await users("POST", f"/api/users/{ID}", {})
    assert_problem(answer, 405)
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "PATCH", "DELETE"}


async def test_change_keeps_what_it_does_not_name(users):
    user = await new_user(users)
    answer = await users("PATCH", f"/api/users/{user['id']}", {"about": "mathematics"})
    assert answer.status == 200
    assert answer.headers["etag"] == '"2"'
    assert answer.json["name"] == "Ada"
    assert answer.json["about"] == "mathematics"
    assert answer.json["version"] == 2
    assert answer.json["created_at"] == user["created_at"]
    assert answer.json["updated_at"] > user["updated_at"]
    assert (await users("GET", f"/api/users/{user['id']}")).json == answer.json
    assert (await users("GET", "/api/users")).json["items"] == [answer.json]


@pytest.mark.parametrize("body", [{"name": ""}, {"name": None}, {"id": ID}, {"version": 3}, []])
async def test_a_bad_change_is_refused(users, body):
    user = await new_user(users)
    assert_problem(await users("PATCH", f"/api/users/{user['id']}", body), 422)
    assert (await users("GET", f"/api/users/{user['id']}")).json == user


async def test_if_match_guards_change_and_delete(users):
    place = f"/api/users/{(await new_user(users))['id']}"
    assert (await users("PATCH", place, {"name": "B"}, headers={"if-match": '"1"'})).status == 200
    assert_problem(await users("PATCH", place, {"name": "C"}, headers={"if-match": '"1"'}), 412)
    assert_problem(await users("DELETE", place, headers={"if-match": '"1"'}), 412)
    assert (await users("DELETE", place, headers={"if-match": '"1", "2"'})).status == 204


async def test_if_none_match_saves_the_body(users):
    place = f"/api/users/{(await new_user(users))['id']}"
    for condition in ('"1"', 'W/"1"', "*"):
        answer = await users("GET", place, headers={"if-none-match": condition})
        assert (answer.status, answer.body) == (304, b"")
    assert (await users("GET", place, headers={"if-none-match": '"2"'})).status == 200


async def test_deleted_is_gone_for_every_verb(users):
    place = f"/api/users/{(await new_user(users))['id']}"
    answer = await users("DELETE", place)
    assert (answer.status, answer.body) == (204, b"")
    for method in ("GET", "PATCH", "DELETE"):
        assert_problem(await users(method, place, {} if method == "PATCH" else None), 404)
    assert (await users("GET", "/api/users")).json["items"] == []


async def test_changes_at_the_same_time_all_count(users):
    place = f"/api/users/{(await new_user(users))['id']}"
    answers = await asyncio.gather(*(users("PATCH", place, {"about": str(number)}) for number in range(6)))
    assert {answer.status for answer in answers} == {200}
    assert sorted(answer.json["version"] for answer in answers) == [2, 3, 4, 5, 6, 7]


async def pages(client, query):
    found, cursor = [], None
    while True:
        parameters = dict(query) | ({"cursor": cursor} if cursor else {})
        answer = await client("GET", "/api/users", query=list(parameters.items()))
        assert answer.status == 200, answer.body
        found.append([item["id"] for item in answer.json["items"]])
        cursor = answer.json["next"]
        if cursor is None:
            return found


@pytest.mark.parametrize("order", ["newest", "oldest"])
@pytest.mark.parametrize("limit", [1, 3, 7, 8, 100])
async def test_pages_cover_the_list_once(users, order, limit):
    made = sorted([(await new_user(users, str(number)))["id"] for number in range(7)], reverse=order == "newest")
    found = await pages(users, {"limit": limit, "order": order})
    assert [id_ for page in found for id_ in page] == made
    assert all(len(page) == limit for page in found[:-1])
    assert found[-1]  # a full last page says that it is the last


async def test_a_page_behind_a_deleted_item_goes_on(users):
    made = sorted([(await new_user(users))["id"] for _ in range(4)])
    first = (await users("GET", "/api/users", query=[("limit", 2), ("order", "oldest")])).json
    await users("DELETE", f"/api/users/{made[1]}")
    rest = await users("GET", "/api/users", query=[("order", "oldest"), ("cursor", first["next"])])
    assert [item["id"] for item in rest.json["items"]] == made[2:]


@pytest.mark.parametrize(
    "query",
    [
        [("limit", "0")],
        [("limit", "101")],
        [("limit", "-1")],
        [("limit", "ten")],
        [("limit", "")],
        [("limit", "1e1")],
        [("limit", "\u0661")],  # the Arabic one: a digit to Python, not to us
        [("limit", "1"), ("limit", "2")],
        [("order", "best")],
        [("cursor", "x")],
        [("cursor", "")],
        [("cursor", "é")],
        [("page", "2")],
        [("thread_id", ID)],  # posts only
    ],
)
async def test_bad_list_parameters_are_refused(users, query):
    assert_problem(await users("GET", "/api/users", query=query), 422)


async def test_a_cursor_that_was_changed_or_used_elsewhere_is_refused(users):
    for _ in range(3):
        await new_user(users)
    cursor = (await users("GET", "/api/users", query=[("limit", 1)])).json["next"]
    assert (await users("GET", "/api/users", query=[("cursor", cursor)])).status == 200
    changed = [cursor[:at] + ("A" if cursor[at] != "A" else "B") + cursor[at + 1 :] for at in range(len(cursor))]
    # base64 has other texts for the same bytes: unused bits at the end, padding, characters it leaves out.
    changed += [cursor[:-1] + one for one in string.ascii_letters + string.digits + "-_" if one != cursor[-1]]
    changed += [cursor + "=", cursor + "====", cursor + "!", "\n" + cursor]
    for other in changed:
        assert_problem(await users("GET", "/api/users", query=[("cursor", other)]), 422)
    assert_problem(await users("GET", "/api/users", query=[("cursor", cursor), ("order", "oldest")]), 422)


async def test_a_cursor_holds_at_every_instance(start):
    one, other = await start("users"), await start("users")
    for _ in range(3):
        await new_user(one)
    cursor = (await one("GET", "/api/users", query=[("limit", 1)])).json["next"]
    assert len((await other("GET", "/api/users", query=[("cursor", cursor)])).json["items"]) == 2


async def test_the_same_key_and_body_give_the_same_answer(users):
    headers = {"idempotency-key": "first"}
    first = await users("POST", "/api/users", {"name": "Ada", "about": ""}, headers=headers)
    await users("PATCH", first.headers["location"], {"name": "Ada L."})
    again = await users("POST", "/api/users", {"about": "", "name": "Ada"}, headers=headers)  # written otherwise
    await users("DELETE", first.headers["location"])
    after = await users("POST", "/api/users", {"name": "Ada"}, headers=headers)
    for answer in (again, after):
        assert (answer.status, answer.body) == (201, first.body)
        assert answer.headers["location"] == first.headers["location"]
        assert answer.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert (await users("GET", "/api/users")).json["items"] == []


async def test_a_key_with_another_body_is_refused(users):
    headers = {"idempotency-key": "first"}
    await users("POST", "/api/users", {"name": "Ada"}, headers=headers)
    assert_problem(await users("POST", "/api/users", {"name": "Bob"}, headers=headers), 422)
    assert len((await users("GET", "/api/users")).json["items"]) == 1


async def test_a_key_belongs_to_one_service(users, threads):
    headers = {"idempotency-key": "first"}
    assert (await users("POST", "/api/users", {"name": "Ada"}, headers=headers)).status == 201
    assert (await threads("POST", "/api/threads", {"title": "Engines"}, headers=headers)).status == 201


async def test_a_refused_create_does_not_use_up_its_key(users):
    headers = {"idempotency-key": "first"}
    assert_problem(await users("POST", "/api/users", {"name": ""}, headers=headers), 422)
    assert (await users("POST", "/api/users", {"name": "Ada"}, headers=headers)).status == 201


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\x01"])
async def test_a_bad_key_is_refused(users, key):
    assert_problem(await users("POST", "/api/users", {"name": "Ada"}, headers={"idempotency-key": key}), 400)


async def test_the_same_key_at_the_same_time_creates_once(start):
    instances = [await start("users") for _ in range(3)]
    answers = await asyncio.gather(
        *(
            instances[number % 3]("POST", "/api/users", {"name": "Ada"}, headers={"idempotency-key": "once"})
            for number in range(12)
        )
    )
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1
    assert len((await instances[0]("GET", "/api/users")).json["items"]) == 1


def a_post(peers, **fields):
    post = {"thread_id": new_id(), "user_id": new_id(), "text": "Hello"} | fields
    peers.known |= {("threads", post["thread_id"]), ("users", post["user_id"])}
    return post


async def test_a_post_needs_its_thread_and_its_user(posts, peers):
    post = a_post(peers)
    assert (await posts("POST", "/api/posts", post)).status == 201
    for field in ("thread_id", "user_id"):
        answer = await posts("POST", "/api/posts", post | {field: new_id()})
        assert_problem(answer, 422)
        assert answer.json["errors"][0]["pointer"] == f"#/{field}"
    assert len((await posts("GET", "/api/posts")).json["items"]) == 1


async def test_a_post_is_answered_503_when_a_service_is_down_and_its_key_stays_free(posts, peers):
    post, headers = a_post(peers), {"idempotency-key": "first"}
    peers.down = True
    answer = await posts("POST", "/api/posts", post, headers=headers)
    assert_problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
    peers.down = False
    assert (await posts("POST", "/api/posts", post, headers=headers)).status == 201
    peers.down = True
    assert (await posts("POST", "/api/posts", post, headers=headers)).status == 201  # known already: nobody is asked


async def test_the_list_of_a_thread_follows_its_posts(posts, peers):
    thread = new_id()
    mine = await created(posts, "/api/posts", a_post(peers, thread_id=thread))
    await created(posts, "/api/posts", a_post(peers))
    changed = (await posts("PATCH", f"/api/posts/{mine['id']}", {"text": "Changed"})).json
    assert (await posts("GET", "/api/posts", query=[("thread_id", thread)])).json["items"] == [changed]
    assert len((await posts("GET", "/api/posts")).json["items"]) == 2
    await posts("DELETE", f"/api/posts/{mine['id']}")
    assert (await posts("GET", "/api/posts", query=[("thread_id", thread)])).json["items"] == []
    assert_problem(await posts("GET", "/api/posts", query=[("thread_id", "x")]), 422)


async def test_a_post_stays_in_its_thread(posts, peers):
    post = await created(posts, "/api/posts", a_post(peers))
    assert_problem(await posts("PATCH", f"/api/posts/{post['id']}", {"thread_id": new_id()}), 422)


async def test_a_thread_checks_its_user_if_it_names_one(threads, peers):
    assert (await threads("POST", "/api/threads", {"title": "Engines"})).json["user_id"] is None
    assert_problem(await threads("POST", "/api/threads", {"title": "Engines", "user_id": ID}), 422)
    peers.known.add(("users", ID))
    assert (await threads("POST", "/api/threads", {"title": "Engines", "user_id": ID})).json["user_id"] == ID


async def test_any_page_may_use_the_api(users):
    preflight = {
        "origin": "https://example.org",
        "access-control-request-method": "PATCH",
        "access-control-request-headers": "content-type, if-match",
    }
    answer = await users("OPTIONS", f"/api/users/{ID}", headers=preflight)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    answer = await users("GET", f"/api/users/{ID}", headers={"origin": "https://example.org"})
    assert_problem(answer, 404)
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_health(users):
    answer = await users("GET", "/health")
    assert (answer.status, answer.json) == (200, {"status": "ok", "service": "users"})


async def test_a_store_that_is_gone_is_a_503_everywhere(users, tmp_path):
    place = f"/api/users/{(await new_user(users))['id']}"
    with closing(sqlite3.connect(tmp_path / "forum.db")) as database:
        database.execute("DROP TABLE items")
    for method, path, body in (("GET", "/health", None), ("GET", place, None), ("POST", "/api/users", {"name": "B"})):
        answer = await users(method, path, body)
        assert_problem(answer, 503)
        assert "table" not in answer.json["detail"]  # how it is made inside is not for clients


class Broken:
    """A store that reads and whose writes end with `error`."""

    def __init__(self, store, error):
        self.get, self.query, self.error = store.get, store.query, error

    async def write(self, *changes):
        raise self.error


def break_writes(client, peers, error):
    client.state["endpoints"] = Endpoints(USERS, store=Broken(client.state["store"], error), peers=peers)


async def test_a_change_that_others_always_overtake_is_given_up(users, peers):
    place = f"/api/users/{(await new_user(users))['id']}"
    break_writes(users, peers, Conflict("another was first"))
    assert_problem(await users("PATCH", place, {"name": "B"}), 409)
    assert_problem(await users("DELETE", place), 409)


async def test_a_crash_is_a_problem_and_is_logged(tmp_path, peers, capsys):
    settings = Settings(store=f"sqlite://{tmp_path}/forum.db", instance="users-3", log=Verbosity.ERRORS)
    async with Client(create_app(USERS, settings, peers=peers)) as users:
        await new_user(users)
        break_writes(users, peers, RuntimeError("a secret"))
        answer = await users("POST", "/api/users", {"name": "B"}, headers={"x-request-id": "7"}, raise_errors=False)
    assert_problem(answer, 500)
    assert b"secret" not in answer.body
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert line.items() >= {"instance": "users-3", "path": "/api/users", "status": 500, "request_id": "7"}.items()
