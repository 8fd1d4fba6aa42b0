"""A real Envoy and instances for a test, gone after it."""

import pytest

from local.envoy.envoy_rig import Client, Envoy, Instance


@pytest.fixture
async def instances():
    """Starts instances by name."""
    started: list[Instance] = []

    async def start(*names: str, **settings):
        new = [await Instance(name).start(**settings) for name in names]
        started.extend(new)
        return new if len(new) > 1 else new[0]

    yield start
    for instance in started:
        await instance.kill()


@pytest.fixture
async def envoy(tmp_path_factory):
    running = Envoy(tmp_path_factory.mktemp("e"))
    yield running
    running.stop()
    await running.admin.close()


@pytest.fixture
async def client(envoy):
    made = Client(lambda: envoy.url)
    yield made
    await made.session.close()
