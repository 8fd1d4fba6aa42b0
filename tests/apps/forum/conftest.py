import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from app_servers import APPS

sys.path.insert(0, str(APPS / "forum"))  # as a service's own process has it: the forum is not installed

from forum.app import Settings, create_app
from forum.log import Verbosity
from forum.pages import front_page
from posts.main import POSTS
from threads.main import THREADS
from users.main import USERS

from apps.forum.asgi_client import Client, FakePeers

RESOURCES = {"users": (USERS, []), "threads": (THREADS, front_page()), "posts": (POSTS, [])}
Started = Callable[..., Client]


@pytest.fixture
def peers():
    return FakePeers()


@pytest.fixture
async def start(tmp_path, peers) -> AsyncIterator[Started]:
    """Starts services by name, in this process; all share one store, or the one at `store`."""
    async with AsyncExitStack() as running:

        async def begin(name: str, *, store: str = f"sqlite://{tmp_path}/forum.db") -> Client:
            resource, pages = RESOURCES[name]
            app = create_app(resource, Settings(store=store, log=Verbosity.OFF), pages=pages, peers=peers)
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
