"""How visitors come back."""

from __future__ import annotations

from flyball.core.returning import share_back


def test_they_come_in_steps_and_then_all():
    assert [share_back(20.0, since_s) for since_s in (0.0, 1.9, 5.0, 19.9, 20.0)] == [5, 5, 25, 95, 100]
    assert share_back(0.0, 0.0) == 100
