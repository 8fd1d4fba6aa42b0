"""A panel without a server, a panel in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytest_asyncio

from builders import application, service, tracking
from dashboard.pretend import PretendRuntime
from flyball.core.model import Condition, FixedResponse, Listener, Route, Store, StoreKind


@pytest.fixture
def app():
    """One service with a target and a store."""
    web = service(scaling=tracking(), routes=(Route(condition=Condition(path="/")),), stores=("messages",))
    answer = FixedResponse(condition=Condition(path="/robots.txt"), status=200, body="none", priority=5)
    return application(
        web, stores=(Store(name="messages", kind=StoreKind.TABLE),), listener=Listener(fixed_responses=(answer,))
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser():
    """One browser for the tests of a file."""
    from dashboard.browsing import launched

    async with launched() as started:
        yield started


@pytest.fixture
def runtime(app, tmp_path: Path):
    made = PretendRuntime(app, tmp_path)
    yield made
    made.close()
