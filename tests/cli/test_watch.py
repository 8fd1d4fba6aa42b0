"""What `flyball watch` shows, and what it leaves out where there is little room."""

from __future__ import annotations

from typing import Any

import pytest

from flyball.cli import watch

SENTENCE = "cpu 91.4 % > 50 % for 3 of 3 points, and more words than one line of a small terminal has"


def described(count: int, rps: float = 120.5) -> dict[str, Any]:
    instance = {
        "release": 1,
        "lifecycle": "in_service",
        "health": "healthy",
        "zone": "a",
        "pid": 123456,
        "port": 31000,
        "cpu_percent": 100.4,
        "memory_bytes": 40_000_000,
        "requests_per_second": rps,
        "started_at": 0.0,
    }
    service = {
        "name": "threads",
        "release": 1,
        "rollout": None,
        "capacity": {"min": 2, "desired": count, "max": 200, "in_service": count},
        "metrics": {
            "requests_per_second": 1234.5,
            "waiting": 0,
            "cpu_percent": 81.2,
            "latency_ms": {"p50": 100.4, "p95": 200.5, "p99": 300.6},
        },
        "instances": [instance | {"id": f"threads-{number}"} for number in range(1, count + 1)],
    }
    dashboard = "http://127.0.0.1:20000/?token=abc"
    return {"application": "forum", "url": "http://127.0.0.1:8080", "dashboard": dashboard, "services": [service]}


def decisions(count: int) -> list[dict[str, Any]]:
    decision = {"service": "threads", "kind": "scale_out", "from": 1, "to": 2, "reason": SENTENCE}
    return [decision | {"at": float(number)} for number in range(count)]


def lines(count: int, **room: int) -> list[str]:
    return [line.plain for line in watch.screen(described(count), decisions(12), **room).renderables]


@pytest.mark.parametrize("count", [0, 1, 6, 100])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30)])
def test_a_small_terminal_still_shows_the_newest_decision_in_full(count, width, height):
    shown = lines(count, width=width, height=height)

    assert len(shown) < height
    assert max(map(len, shown)) <= width
    assert " ".join(" ".join(shown).split()).endswith(f"1 -> 2: {SENTENCE}")


def test_columns_that_ps_has_give_way_to_the_bars():
    headers = next(line for line in lines(3, width=80, height=24) if line.startswith("INSTANCE"))

    assert headers.endswith("  SERVES")
    assert "HEALTH" in headers
    assert "PID" not in headers


def test_columns_stay_when_traffic_comes():
    (still, busy) = (watch.screen(described(3, rps), [], width=80, height=24).renderables for rps in (0.0, 1.0))

    assert [line.plain for line in still if "INSTANCE" in line.plain] == [
        line.plain for line in busy if "INSTANCE" in line.plain
    ]


def test_more_instances_than_lines_are_counted():
    shown = lines(100, width=80, height=24)

    names = [line.split()[0] for line in shown if line.startswith("threads-")]
    assert f"and {100 - len(names)} more" in shown


def test_what_is_no_terminal_gets_everything():
    shown = lines(100)

    assert sum(line.startswith("threads-") for line in shown) == 100
    assert sum(SENTENCE in line for line in shown) == 12
    assert any("PID" in line for line in shown)
    assert not any(line.endswith(" ") for line in shown)
