"""What AWS's firewall is told, where it differs from what it is told here."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("aws_cdk")

from flyball.aws.firewall import above

pytestmark = pytest.mark.synth


@pytest.mark.parametrize("limit", [0, 7, 9, 10, 99, 100, 1048576, 20 * 1024 * 1024])
def test_a_length_above_the_limit_fits_and_no_other(limit: int) -> None:
    regex = re.compile(above(limit))
    near = range(max(limit - 200, 0), limit + 200)
    assert [number for number in near if regex.match(str(number))] == [number for number in near if number > limit]
    assert regex.match(str(limit * 10 + 10))
    assert len(above(limit)) <= 512
