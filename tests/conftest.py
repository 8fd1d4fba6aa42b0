"""How tests share two cores when they run in several processes (pytest -n 3): which stay together, which come first."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

# The same examples each time, however long they take: a change is judged by what it does, not by luck or load.
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")
# Long tests that share nothing: each goes wherever there is room.
APART = ("acceptance", "architecture", "bench", "properties", "scenarios")
# These share an application, servers in the place of AWS or templates, made once in each process that needs them.
TOGETHER = (
    "acceptance/test_regions.py",
    "acceptance/test_smuggling.py",
    "apps/forum",
    "apps/session_app",
    "apps/visitor_board",
    "aws",
)


def pytest_configure() -> None:
    """What the tests start shall end on Ctrl-C also when a script started the tests in its background.

    A shell makes such a job ignore SIGINT, and every program inherits that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, so that no process is left with one of them at the end."""
    items.sort(key=lambda item: not inside(item.nodeid, APART))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Tests of one group run in one process: what they share is made there only."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    config.option.loadscopereorder = False  # the order above counts
    return ByGroup(config, log)


def group(nodeid: str) -> str:
    """The name of a test's group: a folder, a file or the test alone."""
    for place in TOGETHER:
        if inside(nodeid, (place,)):
            return place
    return nodeid if inside(nodeid, APART) else nodeid.partition("::")[0]


def inside(nodeid: str, places: tuple[str, ...]) -> bool:
    """Whether a test lies in one of these folders or files of the tests."""
    path = nodeid.partition("::")[0].removeprefix("tests/")
    return any(path == place or path.startswith(f"{place}/") for place in places)


@pytest.fixture(scope="session")
def walls_stand() -> None:
    """Skip, by name, where the system lets nobody make walls. It is tried once, and only for tests that run."""
    from flyball.local.process.walls.walls import tried

    if problem := tried():
        pytest.skip(f"no walls here: {problem}")
