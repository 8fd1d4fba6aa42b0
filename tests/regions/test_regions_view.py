"""An application with regions as readers see it."""

from __future__ import annotations

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
    targets = [target("b_a", "a", "healthy", requests=2), target("b_a", "b", "healthy", requests=5)]
    assert [(one["nearest"], one["region"], one["requests"]) for one in view.served(targets)] == [
        ("b", "b", 5),
        ("b", "a", 2),
    ]
