"""When a certificate is asked for anew."""

from __future__ import annotations

import pytest

from flyball.core.renewal import Issued, Tries, due, renew_at

DAY_S = 86400.0
SHOP = frozenset({"shop.example.com"})


def issued(*, days: float = 90, domains: frozenset[str] = SHOP) -> Issued:
    return Issued(domains=domains, begins=0.0, ends=days * DAY_S)


@pytest.mark.parametrize(("days", "renewed"), [(397, 367), (90, 60), (60, 40), (6, 4)])
def test_it_is_renewed_30_days_before_its_end_or_in_the_last_third_of_a_short_life(days: float, renewed: float):
    assert renew_at(issued(days=days)) == renewed * DAY_S
    assert not due(issued(days=days), SHOP, Tries(), now=renewed * DAY_S - 1)
    assert due(issued(days=days), SHOP, Tries(), now=renewed * DAY_S)


def test_without_one_or_with_one_for_others_it_is_asked_for_at_once():
    assert due(None, SHOP, Tries(), now=0.0)
    assert due(issued(), SHOP | {"www.example.com"}, Tries(), now=0.0)
    assert due(issued(domains=SHOP | {"www.example.com"}), SHOP, Tries(), now=0.0)


def test_after_failures_it_waits_longer_and_longer():
    tries, pauses = Tries(), []
    for _ in range(12):
        tries = tries.failed(now=1000.0)
        pauses.append(tries.next_at - 1000.0)
        assert not due(None, SHOP, tries, now=tries.next_at - 1)
        assert due(None, SHOP, tries, now=tries.next_at)
    assert pauses[:4] == [120.0, 240.0, 480.0, 960.0]
    assert pauses[-1] == 12 * 3600.0
    assert sum(1 for end in (sum(pauses[:tried]) for tried in range(12)) if end < 3600) == 5


def test_a_clock_that_was_set_back_does_not_make_it_wait():
    assert due(None, SHOP, Tries().failed(now=1e9), now=1e6)
    assert Tries().next_at == 0.0
