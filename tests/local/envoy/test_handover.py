"""The Envoy that only hands over must not outlive that: no record tells of it, and it would keep the port."""

from pathlib import Path

import pytest

from flyball.local.envoy import handover
from flyball.local.face import ending
from flyball.local.paths import StateDirectory
from flyball.local.process import processes
from waiting import soon

pytestmark = pytest.mark.live


async def test_one_that_was_left_outside_is_found_and_ended(tmp_path: Path) -> None:
    paths = StateDirectory(tmp_path / ".flyball")
    paths.create()
    mark = {handover.MARK: str(paths.root.resolve())}
    outside = await processes.spawn(
        ["/bin/sleep", "1000"], environment=mark, directory=tmp_path, log=paths.logs / "log"
    )
    try:
        assert ending.left(paths) == [outside]
    finally:
        handover.clear(paths)
    await soon(lambda: not processes.alive(outside))
