"""What the applier does is heard of, however it ends."""

import asyncio
from types import SimpleNamespace

from flyball.core.control.actions import Build
from flyball.core.control.observation import ReleaseSpec
from flyball.core.model import Application, Service
from flyball.local.apply import Applier
from flyball.local.paths import StateDirectory


async def test_a_build_that_fails_in_a_way_nobody_foresaw_is_heard_of(tmp_path):
    def no_room(*_args, **_fields):
        raise TypeError("expected string or bytes-like object")

    paths = StateDirectory(tmp_path)
    source = paths.releases / "content" / "abc" / "source"
    source.mkdir(parents=True)
    heard = asyncio.get_running_loop().create_future()
    machine = SimpleNamespace(paths=paths, walls=SimpleNamespace(make_room=no_room))
    applier = Applier(tmp_path, machine, None, built=heard.set_result, now=lambda: 0.0, served=None)
    spec = ReleaseSpec(content="abc", run="true", build="true")
    applier._build(
        Application(name="board", services=(Service(name="web", run="true"),)),
        Build(service="web", release=1, spec=spec),
    )
    seen = await asyncio.wait_for(heard, 30)
    assert (seen.service, seen.release, seen.succeeded) == ("web", 1, False)
    assert "expected string or bytes-like object" in seen.message
    await applier.close()
