import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import aiohttp
import pytest
from aiodynamo.client import Client as DynamoClient
from aiodynamo.credentials import Credentials
from aiodynamo.http.aiohttp import AIOHTTP
from aiodynamo.models import KeySchema, KeySpec, KeyType, PayPerRequest
from yarl import URL

from app_servers import APPS, AWS_LIKE, aws_like

sys.path.insert(0, str(APPS / "forum"))  # as a service's own process has it: the forum is not installed

from forum.app import Settings, create_app
from forum.log import Verbosity
from forum.pages import front_page

from apps.forum.asgi_client import RESOURCES, Client, FakePeers

Started = Callable[..., Client]


@pytest.fixture
def peers():
    return FakePeers()


@pytest.fixture
async def start(tmp_path, peers) -> AsyncIterator[Started]:
    """Starts services by name, in this process; all share one store."""
    async with AsyncExitStack() as running:

        async def begin(name: str) -> Client:
            pages = front_page() if name == "threads" else []
            app = create_app(
                RESOURCES[name],
                Settings(store=f"sqlite://{tmp_path}/forum.db", log=Verbosity.OFF),
                pages=pages,
                peers=peers,
            )
            return await running.enter_async_context(Client(app))

        yield begin


@pytest.fixture
async def users(start):
    return await start("users")


@pytest.fixture
async def threads(start):
    return await start("threads")


@pytest.fixture
async def posts(start):
    return await start("posts")


@pytest.fixture(scope="session")
def dynamodb(pytestconfig, tmp_path_factory):
    """The address of a DynamoDB-like server."""
    # The store finds its credentials in the environment, as on AWS it finds them in the task's role.
    os.environ.update(AWS_LIKE)
    with aws_like(pytestconfig, tmp_path_factory.mktemp("dynamodb")) as server:
        yield server.url
    for name in AWS_LIKE:
        os.environ.pop(name, None)


@pytest.fixture
async def forum_table(dynamodb):
    """The FORUM_URL of a fresh table with the key that the file declares."""
    name, region = f"forum-{time.time_ns()}", AWS_LIKE["AWS_DEFAULT_REGION"]
    async with aiohttp.ClientSession() as session:
        client = DynamoClient(AIOHTTP(session), Credentials.auto(), region, endpoint=URL(dynamodb))
        keys = KeySchema(hash_key=KeySpec("pk", KeyType.string), range_key=KeySpec("sk", KeyType.string))
        await client.create_table(name, PayPerRequest(), keys, wait_for_active=True)
    return f"dynamodb://{name}?region={region}&endpoint={dynamodb}"
