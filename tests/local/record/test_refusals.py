"""What the firewall has matched is told in bulk: the first at once, the rest once a minute."""

from __future__ import annotations

from flyball.core.control.news import MishapKind
from flyball.core.model import CoreRules, Firewall, FirewallAction, RateLimit
from flyball.local.record.refusals import Refusals

FIREWALL = Firewall(deny=("203.0.113.0/24",), rates=(RateLimit(requests=1, per_s=60, action=FirewallAction.COUNT),))


def told(refusals: Refusals, now: float, **counted: int) -> list[str]:
    mishaps = refusals.add(counted, FIREWALL, now=now)
    assert {one.kind for one in mishaps} <= {MishapKind.FIREWALL}
    return [one.text for one in mishaps]


def test_the_first_is_told_at_once_and_the_rest_once_a_minute() -> None:
    refusals = Refusals({})
    assert told(refusals, 0.0, deny=1) == ["firewall, rule deny: 1 request refused"]
    assert told(refusals, 2.0, deny=500, rate=3) == ["firewall, rule rate: 3 requests counted and let through"]
    assert told(refusals, 59.0, deny=1000, rate=3) == []
    assert told(refusals, 60.0, deny=1001, rate=3) == ["firewall, rule deny: 1000 requests refused in 60 s"]
    assert told(refusals, 200.0, deny=1001, rate=3) == []
    assert refusals.total == {"deny": 1001, "rate": 3}


def test_the_rules_of_the_core_rule_set_are_told_together() -> None:
    refusals = Refusals({})
    firewall = Firewall(core_rules=CoreRules(fail_open=True))
    counted = {f"owasp-crs-{number}": number for number in (1, 2, 3, 4)} | {"owasp-crs unjudged": 5, "deny": 1}
    assert [one.text for one in refusals.add(counted, firewall, now=0.0)] == [
        "firewall, rule deny: 1 request refused",
        "firewall, rule owasp-crs: 10 requests refused (4 4, 3 3, 2 2, 1 more)",
        "firewall, rule owasp-crs unjudged: 5 requests counted and let through",
    ]
    assert refusals.told(firewall)[0] == {"rule": "deny", "action": "block", "requests": 1}


def test_a_balancer_that_was_started_again_counts_from_zero() -> None:
    refusals = Refusals({})
    told(refusals, 0.0, deny=10)
    told(refusals, 2.0, deny=4)
    assert refusals.total == {"deny": 14}


def test_what_was_counted_before_we_came_is_not_ours() -> None:
    refusals = Refusals(None)
    assert told(refusals, 0.0, deny=10) == []
    assert told(refusals, 2.0, deny=11) == ["firewall, rule deny: 1 request refused"]
    assert refusals.total == {"deny": 1}
