"""Whatever is asked of the control API and the dashboard: never a failure of their own, never silence."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard.asking import ask
from dashboard.pretend import calm
from flyball.dashboard import api as dashboard_api
from flyball.dashboard.guard import Guard
from flyball.local import control_api
from waiting import WITHIN_S

CONTROL = {"pid": 1, "url": "http://127.0.0.1:8080", "socket": "", "dashboard": "http://127.0.0.1:1/?token=secret"}
NOT_HERE = ("/api/stream", "/api/live", "/api/file", "/api/pipeline", "/api/plan", "/api/network", "/api/down")
"""Streams have no end; the others do work that a pretended runtime has not."""
ODD_NUMBERS = ("-1", "0", "1e308", "nan", "inf", str(2**63), str(2**64), "1e999", "0x10", "1_0", "")
TEXT = st.text(max_size=20)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
BODIES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))
FIELDS = ("desired", "hold_s", "source", "note", "service", "release")
QUERIES = ("after", "before", "since", "until", "limit", "lines", "points", "resolution", "service", "kind", "cursor")


@pytest.fixture
def api(runtime):
    calm(runtime)
    made = control_api.create(runtime, CONTROL)
    dashboard_api.add_to(made, runtime, CONTROL)
    return made


def requests(api) -> st.SearchStrategy[tuple[str, str, Any]]:
    """Every route with names, numbers and bodies that nobody would send, and places that are no routes."""
    places = [
        (method.upper(), path)
        for path, methods in api.openapi()["paths"].items()
        for method in methods
        if path not in NOT_HERE
    ]
    value = st.sampled_from(ODD_NUMBERS) | st.integers().map(str) | TEXT
    known = st.dictionaries(st.sampled_from(FIELDS), SCALARS, max_size=3)
    return st.builds(
        lambda place, part, query, body: (place[0], f"{filled(place[1], part)}?{urlencode(query)}", body),
        st.sampled_from(places) | st.tuples(st.sampled_from(("GET", "POST", "PUT", "OPTIONS")), TEXT.map("/{}".format)),
        TEXT | st.sampled_from(("web", "..", "%2e%2e", "web-1", "\x00", "a/b")),
        st.dictionaries(st.sampled_from(QUERIES), value, max_size=3),
        st.none() | known | BODIES,
    )


def filled(path: str, part: str) -> str:
    before, opened, rest = path.partition("{")
    return before + quote(part, safe="") + rest.partition("}")[2] if opened else quote(path)


def test_no_request_is_a_failure_of_the_control_api(api):
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(request=requests(api))
    def asked(request):
        method, path, body = request
        answer = asyncio.run(asyncio.wait_for(ask(api, method, path, body=body), WITHIN_S))
        assert answer.status < 500, (request, answer.body)

    asked()


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b'{"desired": ' + b"9" * 5000 + b"}", b"\xff\xfe", b"NaN"])
async def test_a_body_that_is_no_json_is_refused(api, body):
    sent = await asyncio.wait_for(ask(api, "POST", "/api/services/web/scale", content=body), WITHIN_S)
    assert 400 <= sent.status < 500


def test_no_header_is_a_failure_of_the_dashboards_door(api):
    guarded = Guard(api, token="secret", port=1)
    visible = st.text(st.characters(max_codepoint=255), max_size=30)
    names = st.sampled_from(("host", "origin", "authorization", "cookie", "sec_fetch_site", "last_event_id", "range"))

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        headers=st.dictionaries(names, visible | st.sampled_from(("127.0.0.1:1", "Bearer secret")), max_size=4),
        path=st.sampled_from(("/", "/static/main.js", "/api/application", "/metrics")) | TEXT.map("/{}".format),
        token=st.none() | visible | st.just("secret"),
    )
    def asked(headers, path, token):
        query = "" if token is None else "?" + urlencode({"token": token})
        answer = asyncio.run(asyncio.wait_for(ask(guarded, "GET", quote(path) + query, **headers), WITHIN_S))
        assert answer.status < 500

    asked()
