"""A panel without a server, a panel in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

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


@pytest.fixture
async def runtime(app, tmp_path: Path):
    made = PretendRuntime(app, tmp_path)
    yield made
    made.close()
