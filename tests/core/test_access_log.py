"""Access logs as traffic: how many requests came each second."""

from __future__ import annotations

import json

import pytest

from flyball.core.access_log import counted, is_access_log
from flyball.core.errors import FileError

COMBINED = '203.0.113.9 - frank [10/Oct/2025:13:55:{:02} +0200] "GET /a HTTP/1.1" 200 2326 "-" "curl/8 [x]"'
ALB = (
    "https 2025-10-10T13:55:{:02}.500000Z app/web/50dc6c 192.0.2.1:2817 10.0.0.1:80 0.0 0.9 0.0 200 200 34 366"
    ' "GET https://example.com:443/ HTTP/1.1" "curl/8 2020-01-01T00:00:00Z" A B arn:aws:x "Root=1-5" "example.com"'
    ' "session-reused" 1 2025-10-10T13:55:{:02}.100000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-"'
)


def envoy(at: float, service: str | None = "web") -> str:
    return json.dumps({"at": f"{at:.3f}", "service": service, "status": "200"})


def rates(*lines: str) -> list[tuple[float, float]]:
    return [(stage.rate, stage.duration_s) for stage in counted(lines).curve.stages]


def test_each_second_is_counted_in_any_order():
    lines = [COMBINED.format(second) for second in (3, 1, 1, 6)]

    assert is_access_log(lines[0])
    assert rates(*lines) == [(2.0, 1.0), (0.0, 1.0), (1.0, 1.0), (0.0, 2.0), (1.0, 1.0)]


def test_a_common_log_with_an_odd_user_is_read():
    assert is_access_log('::1 - "a b" [10/Oct/2025:13:55:36 -0700] "GET / HTTP/1.0" 200 5')


def test_a_request_of_a_load_balancer_counts_when_it_came():
    assert rates(ALB.format(2, 1), ALB.format(5, 2)) == [(1.0, 1.0), (1.0, 1.0)]
    old = "http 2018-07-02T22:23:00.186641Z app/x/5 192.168.131.39:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366"
    assert rates(old) == [(1.0, 1.0)]


def test_our_own_log_tells_each_services_share():
    found = counted([envoy(10.2), envoy(10.9), envoy(11.0, "api"), envoy(12.0, None)])

    assert [stage.rate for stage in found.curve.stages] == [2.0, 1.0, 1.0]
    assert found.shares == (("api", 1 / 3), ("web", 2 / 3))


def test_a_torn_line_is_left_out_and_many_are_refused():
    torn = envoy(10.0)[:20]
    assert rates(torn, "", envoy(10.0), envoy(10.5)) == [(2.0, 1.0)]
    with pytest.raises(FileError, match="line 2: this is no line of the access log"):
        counted([envoy(10.0), torn, torn])


def test_a_log_of_weeks_is_counted_by_the_minute():
    day = 86_400.0
    assert rates(envoy(0.0), envoy(30.0), envoy(3 * day)) == [(2 / 60, 60.0), (0.0, 3 * day - 60), (1 / 60, 60.0)]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (["GET / 200"], "no line is of a known access log"),
        ([], "no line is of a known access log"),
        ([envoy(0.0), envoy(400 * 86_400.0)], "covers 400 days"),
        ([json.dumps({"at": "nan", "service": "web"})], "no line is of a known access log"),
    ],
)
def test_what_is_no_log_is_refused(lines, sentence):
    with pytest.raises(FileError, match=sentence):
        counted(lines)
