"""Ids, cursors, the OpenAPI documents, the docs, the front page and the settings."""

import asyncio
import re
import tomllib

import jsonschema
import msgspec
import pytest
from forum.app import Settings
from forum.cursors import Cursors
from forum.inputs import is_id
from forum.log import Verbosity
from forum.openapi import document
from forum.resource import new_id
from forum.store import open_store
from hypothesis import given
from hypothesis import strategies as st

from app_servers import APPS
from apps.forum.asgi_client import RESOURCES


def test_ids_have_their_form_and_differ():
    ids = [new_id() for _ in range(1000)]
    assert all(is_id(id_) for id_ in ids)
    assert len(set(ids)) == 1000


@given(st.lists(st.integers(0, 2**48 // 1000 - 1), min_size=2, max_size=2, unique=True))
def test_ids_sort_by_time(times):
    first, second = sorted(times)
    assert new_id(lambda: first) < new_id(lambda: second)


@given(st.text())
def test_what_is_no_id_is_told(text):
    assert not is_id(text) or re.fullmatch("[0-9A-HJKMNP-TV-Z]{26}", text)


@pytest.fixture
async def cursors(tmp_path):
    store = await open_store(f"sqlite://{tmp_path}/forum.db")
    yield [Cursors(store), Cursors(store)]
    await store.close()


async def test_a_cursor_brings_its_position_back(cursors):
    assert await cursors[1].read("users", await cursors[0].make("users", "A7")) == "A7"


async def test_two_first_uses_at_once_agree_on_the_key(cursors):
    made = await asyncio.gather(*(each.make("users", "A7") for each in cursors))
    assert made[0] == made[1]


@pytest.mark.parametrize("cursor", ["", "A", "AAAA", "A" * 400, "=", "\0", "é", "a b", "//8="])
async def test_a_cursor_from_elsewhere_is_told(cursors, cursor):
    assert await cursors[0].read("users", cursor) is None


async def test_a_cursor_of_another_store_is_told(cursors, tmp_path):
    store = await open_store(f"sqlite://{tmp_path}/other.db")
    assert await cursors[0].read("users", await Cursors(store).make("users", "A7")) is None
    await store.close()


@pytest.mark.parametrize("name", RESOURCES)
async def test_the_openapi_document_is_whole(start, name):
    client = await start(name)
    answer = await client("GET", f"/api/{name}/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    found = answer.json
    assert set(found["paths"]) == {f"/api/{name}", f"/api/{name}/{{id}}"}
    assert set(found["paths"][f"/api/{name}"]) == {"get", "post"}
    assert set(found["paths"][f"/api/{name}/{{id}}"]) == {"parameters", "get", "patch", "delete"}
    for reference in re.findall(rb'"\$ref":"#/components/schemas/(\w+)"', answer.body):
        jsonschema.Draft202012Validator.check_schema(found["components"]["schemas"][reference.decode()])


async def test_answers_are_as_documented(users):
    user = (await users("POST", "/api/users", {"name": "Ada"})).json
    page = (await users("GET", "/api/users")).json
    problem = (await users("POST", "/api/users", {"name": ""})).json
    schemas = document(RESOURCES["users"])["components"]
    for value, name in ((user, "User"), (page, "UserPage"), (problem, "ProblemDocument")):
        text = msgspec.json.encode({**schemas["schemas"][name], "components": schemas})
        jsonschema.validate(value, msgspec.json.decode(text))


@pytest.mark.parametrize("name", RESOURCES)
async def test_the_docs_need_nothing_from_elsewhere(start, name):
    client = await start(name)
    answer = await client("GET", f"/api/{name}/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = answer.body.decode()
    assert f"GET /api/{name}/{{id}}" in page
    assert "http" not in re.findall(r"(?:src|href)=['\"]?([^'\">]*)", page)
    assert "<script" not in page


async def test_the_front_page_and_its_files(threads):
    page = await threads("GET", "/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for file in re.findall(r'(?:src|href)="(/forum[^"]*)"', page.body.decode()):
        answer = await threads("GET", file)
        assert answer.status == 200
        again = await threads("GET", file, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status, again.body) == (304, b"")


def test_the_page_never_writes_html():
    script = (APPS / "forum" / "static" / "forum.js").read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)


def test_settings():
    assert Settings.read({"FORUM_URL": "sqlite:///f", "FLYBALL_URL": "http://a", "FORUM_LOG": "off"}) == Settings(
        store="sqlite:///f", address="http://a", log=Verbosity.OFF
    )
    assert Settings.read({"FORUM_URL": "sqlite:///f"}) == Settings(store="sqlite:///f")


@pytest.mark.parametrize(
    ("environment", "words"),
    [({}, "FORUM_URL is not set"), ({"FORUM_URL": "sqlite:///f", "FORUM_LOG": "loud"}, "requests, errors, off")],
)
def test_bad_settings_say_what_is_missing(environment, words):
    with pytest.raises(ValueError, match=words):
        Settings.read(environment)


def test_the_file_is_the_seeds():
    file = tomllib.loads((APPS / "forum" / "flyball.toml").read_text())
    assert set(file["services"]) == {"users", "threads", "posts"}
    assert file["defaults"]["instances"] == {"min": 2, "max": 10}
    assert file["defaults"]["size"] == {"cpu": 0.25, "memory": "512MB"}
    assert file["defaults"]["scale"]["target"] == {"cpu": 70, "memory": 80}
    assert file["defaults"]["deploy"] == {"drain": "30s", "rollback": True}
    assert file["stores"]["forum"]["key"] == {"pk": "string", "sk": "string"}
    assert file["aws"] == {"region": "us-east-1", "compute": "fargate", "health_every": "30s"}
