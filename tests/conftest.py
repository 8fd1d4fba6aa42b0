"""How tests share two cores when they run in two processes (pytest -n 2 --dist loadgroup).

All that start whole applications run one after another in one process; the tests of one file, which often share a
server or a synthesized template, stay together in the other.
"""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# The same examples each time, however long they take: a change is judged by what it does, not by luck or load.
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")
TESTS = Path(__file__).parent
TOGETHER = {"acceptance", "aws", "bench"}


def pytest_configure() -> None:
    """What the tests start shall end on Ctrl-C also when a script started the tests in its background.

    A shell makes such a job ignore SIGINT, and every program inherits that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Name the group of each test as it is found: xdist looks for the names right after."""
    parts = item.path.relative_to(TESTS).parts
    group = parts[0] if parts[0] in TOGETHER else "/".join(parts)
    item.add_marker(pytest.mark.xdist_group("acceptance" if group == "bench" else group))
