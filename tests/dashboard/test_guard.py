"""Who may come in: the token, the Host, the Origin, and nothing done by GET."""

from __future__ import annotations

import re

import pytest

from dashboard.asking import ask
from dashboard.pretend import calm
from flyball.dashboard.panel import open_panel


@pytest.fixture
def panel(runtime):
    calm(runtime)
    opened = open_panel(runtime, {"pid": 1, "url": runtime.url, "dashboard": None})
    yield opened
    opened.listener.close()


@pytest.fixture
def token(panel):
    return panel.url.partition("token=")[2]


@pytest.fixture
def host(panel):
    return re.search(r"//([^/]+)/", panel.url)[1]


def bearer(token):
    return f"Bearer {token}"


PATHS = ["/", "/api/application", "/api/live", "/api/logs/web-1", "/metrics", "/openapi.json", "/static/main.js"]


@pytest.mark.parametrize("path", PATHS)
async def test_without_the_token_nothing_is_shown(panel, host, path):
    answer = await ask(panel.app, "GET", path, host=host)

    assert answer.status == 401
    assert b"shop" not in answer.body


@pytest.mark.parametrize("given", ["", "Bearer ", "Bearer wrong", "Basic abc"])
async def test_a_wrong_token_is_no_token(panel, host, given):
    assert (await ask(panel.app, "GET", "/api/application", host=host, authorization=given)).status == 401
    assert (await ask(panel.app, "GET", "/api/application?token=wrong", host=host)).status == 401


@pytest.mark.parametrize("cookie", ["flyball-1=x", "flyball-{port}=wrong", "a=b; ;;=", "\\"])
async def test_a_wrong_cookie_is_no_token(panel, host, cookie):
    cookie = cookie.format(port=host.partition(":")[2])

    assert (await ask(panel.app, "GET", "/", host=host, cookie=cookie)).status == 401


@pytest.mark.parametrize(
    "foreign", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "[::1]:{port}"]
)
async def test_a_foreign_host_is_refused_with_and_without_the_token(panel, host, token, foreign):
    foreign = foreign.format(port=host.partition(":")[2])

    for path in ("/", "/api/application", f"/?token={token}"):
        answer = await ask(panel.app, "GET", path, host=foreign, authorization=bearer(token))
        assert answer.status == 403
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:8080", "http://localhost"])
async def test_another_sites_page_is_refused(panel, runtime, host, token, origin):
    path, wish = "/api/services/web/scale", {"desired": 9}

    answer = await ask(panel.app, "POST", path, body=wish, host=host, origin=origin, authorization=bearer(token))

    assert answer.status == 403
    assert runtime.submitted == []
    assert (
        await ask(panel.app, "GET", "/api/application", host=host, origin=origin, authorization=bearer(token))
    ).status == 403


async def test_a_cross_site_form_without_an_origin_is_refused(panel, runtime, host, token):
    rest = {"host": host, "authorization": bearer(token), "sec_fetch_site": "cross-site"}

    assert (await ask(panel.app, "POST", "/api/services/web/scale", body={"desired": 9}, **rest)).status == 403
    assert runtime.submitted == []


async def test_the_pages_own_origin_may_act(panel, runtime, host, token):
    rest = {"host": host, "authorization": bearer(token), "origin": f"http://{host}"}

    answer = await ask(panel.app, "POST", "/api/services/web/scale", body={"desired": 4, "hold_s": 60}, **rest)

    assert answer.status == 200
    assert [(one.service, one.desired, one.hold_s) for one in runtime.submitted] == [("web", 4, 60)]


@pytest.mark.parametrize(
    "path",
    [
        "/api/services/web/scale",
        "/api/services/web/deploy",
        "/api/services/web/rollback",
        "/api/instances/web-1/drain",
        "/api/down",
        "/api/file",
    ],
)
async def test_nothing_is_done_by_reading(panel, runtime, host, token, path):
    for method in ("GET", "HEAD", "OPTIONS"):
        answer = await ask(panel.app, method, path, host=host, authorization=bearer(token))
        assert answer.status in {404, 405}

    assert runtime.submitted == []


async def test_the_printed_address_logs_in_with_a_cookie_and_leaves_the_address_bar(panel, host, token):
    answer = await ask(panel.app, "GET", f"/?token={token}", host=host)

    assert answer.status == 303
    assert answer.headers["location"] == f"/#token={token}", "no server is sent a fragment, and the page removes it"
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    page = await ask(panel.app, "GET", "/", host=host, cookie=cookie.partition(";")[0])
    assert page.status == 200
    assert b"<h1" in page.body


async def test_the_cookie_that_every_program_of_this_machine_gets_opens_nothing_but_the_pages_files(
    panel, runtime, host, token
):
    cookie = (await ask(panel.app, "GET", f"/?token={token}", host=host)).headers["set-cookie"].partition(";")[0]

    assert token not in cookie
    assert (await ask(panel.app, "GET", "/static/main.js", host=host, cookie=cookie)).status == 200
    for path in ("/api/application", "/api/live", "/api/logs/web-1", "/metrics", "/openapi.json", "/docs"):
        assert (await ask(panel.app, "GET", path, host=host, cookie=cookie)).status == 401
    for given in (cookie.partition("=")[2], token + "x"):
        assert (await ask(panel.app, "GET", f"/api/application?token={given}", host=host)).status == 401
        assert (await ask(panel.app, "GET", "/api/application", host=host, authorization=bearer(given))).status == 401
    path, wish = "/api/services/web/scale", {"desired": 9}
    assert (await ask(panel.app, "POST", path, body=wish, host=host, cookie=cookie)).status == 401
    assert (await ask(panel.app, "POST", f"{path}?token={token}", body=wish, host=host, cookie=cookie)).status == 401
    assert runtime.submitted == []


async def test_data_is_read_with_the_token_in_the_address_for_a_browsers_live_stream(panel, host, token):
    answer = await ask(panel.app, "GET", f"/api/application?token={token}", host=host)

    assert answer.status == 200
    assert "set-cookie" not in answer.headers


async def test_the_login_leads_nowhere_else(panel, host, token):
    for path in ("//evil.example/", "/\\\\evil.example", "/a b\r\nx: y"):
        location = (await ask(panel.app, "GET", f"{path}?token={token}", host=host)).headers["location"]
        assert re.fullmatch(r"/(?!/)[!-~]*#token=\S+", location)


async def test_every_answer_forbids_foreign_scripts_frames_and_sniffing(panel, host, token):
    for rest in ({"authorization": bearer(token)}, {}):
        headers = (await ask(panel.app, "GET", "/", host=host, **rest)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"


async def test_files_outside_are_not_served(panel, host, token):
    for path in (
        "/static/../api.py",
        "/static/%2e%2e/api.py",
        "/static//etc/passwd",
        "/api/logs/..%2fjournal",
        "/api/logs/../journal",
    ):
        answer = await ask(panel.app, "GET", path, host=host, authorization=bearer(token))
        assert answer.status in {404, 405}


async def test_the_token_and_the_port_stay_when_the_control_plane_comes_back(panel, runtime):
    panel.listener.close()

    again = open_panel(runtime, {"pid": 2, "url": runtime.url, "dashboard": None})

    again.listener.close()
    assert again.url == panel.url
