"""An instance that once lost a child for memory is not said to have died of that when it exits later by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

from flyball.core.model import Size
from flyball.local.instances.instances import OOM_FRESH_S, Instances, Running
from flyball.local.instances.limits import Limits
from flyball.local.paths import StateDirectory


class Counting(Limits):
    """The kernel has killed so often."""

    kills = 0

    def oom_kills(self, instance: str) -> int:
        return self.kills


async def test_only_a_kill_of_a_moment_ago_is_blamed(tmp_path: Path) -> None:
    limits = Counting(None, "a fake")
    instances = Instances(StateDirectory(tmp_path), limits, lambda: None)
    one = Running(
        id="web-1", service="web", release=1, zone="a", port=1, size=Size(), health_path="/", started_at=0, directory=""
    )
    assert not instances.ran_out_of_memory(one)
    limits.kills = 1
    assert instances.ran_out_of_memory(one)
    assert instances.ran_out_of_memory(one)  # it exits a moment later
    one.oom_seen_at = asyncio.get_running_loop().time() - OOM_FRESH_S
    assert not instances.ran_out_of_memory(one)
    limits.kills = 2
    assert instances.ran_out_of_memory(one)
