"""An application with regions as readers see it."""

from __future__ import annotations

from flyball.dashboard import regions as page
from flyball.local.envoy.admin import TargetStats
from flyball.regions import view


def target(order: str, region: str, health: str, *, requests: int = 0) -> TargetStats:
    return TargetStats(
        service=order,
        instance=region,
        health=health,
        draining=False,
        requests=requests,
        errors=0,
        in_flight=0,
        weight=1,
    )


def test_the_regions_stand_side_by_side():
    told = {
        "us-east-1": {
            "url": "http://127.0.0.1:20001",
            "dashboard": None,
            "control": {"pid": 1, "journal_error": None},
            "balancer": {"pid": 2},
            "services": [{"name": "web", "instances": [{"id": "web-1"}]}],
        },
        "eu-west-1": None,
    }
    found = view.merged(told, {"us-east-1": "healthy"})
    assert found["services"] == [
        {"name": "web", "region": "us-east-1", "instances": [{"id": "web-1", "region": "us-east-1"}]}
    ]
    assert [(one["name"], one["health"], one["balancer"]) for one in found["regions"]] == [
        ("us-east-1", "healthy", {"pid": 2}),
        ("eu-west-1", "unknown", None),
    ]


def test_a_region_is_unhealthy_as_soon_as_one_of_its_checks_says_so():
    targets = [
        target("a_b", "a", "healthy"),
        target("b_a", "a", "unhealthy"),
        target("a_b", "b", "healthy"),
        target("b_a", "b", "initial"),
    ]
    assert view.health_of(targets) == {"a": "unhealthy", "b": "healthy"}


def test_who_is_served_where():
    targets = [
        target("b_a@x", "a", "healthy", requests=2),
        target("b_a@x", "b", "healthy", requests=4),
        target("b_a@y", "b", "healthy", requests=1),
    ]
    assert [(one["nearest"], one["region"], one["requests"]) for one in view.served(targets)] == [
        ("b", "b", 5),
        ("b", "a", 2),
    ]


def test_the_edge_tells_prometheus_who_is_served_where():
    told = {
        "regions": [{"name": "a", "health": "healthy"}, {"name": "b", "health": "unhealthy"}],
        "firewall": [{"rule": "deny", "action": "block", "requests": 3}],
        "served": [{"nearest": "b", "region": "a", "requests": 5, "errors": 1}],
        "replication": [{"store": "files", "region": "b", "waiting": 2, "lag_s": 1.5}],
    }
    lines = page.text(told).decode().splitlines()
    assert 'flyball_region_healthy{region="a"} 1.0' in lines
    assert 'flyball_region_healthy{region="b"} 0.0' in lines
    assert 'flyball_firewall_requests_total{action="block",rule="deny"} 3.0' in lines
    assert 'flyball_region_requests{nearest="b",region="a"} 5.0' in lines
    assert 'flyball_replication_lag_seconds{region="b",store="files"} 1.5' in lines
