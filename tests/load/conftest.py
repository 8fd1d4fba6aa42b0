"""A server that answers everything well."""

from collections.abc import AsyncIterator

import pytest

from load.scripted_server import OK, Server, serving


@pytest.fixture
async def ok_server() -> AsyncIterator[Server]:
    async with serving(OK) as server:
        yield server
