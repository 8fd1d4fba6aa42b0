"""The balancer is started again whatever happens, and at once when it lasted."""

from __future__ import annotations

import asyncio
from pathlib import Path

from flyball.core.errors import Failed
from flyball.local.balancer import Balancer
from flyball.local.paths import StateDirectory


class Reluctant(Balancer):
    """Cannot be started the first times."""

    tries = 0

    async def start(self) -> None:
        self.tries += 1
        if self.tries < 3:
            raise Failed("the disk is full")


def reluctant(directory: Path) -> Reluctant:
    paths = StateDirectory(directory / ".flyball")
    paths.create()
    return Reluctant(paths, "tiny", (), lambda: None)


async def test_a_start_that_fails_is_tried_again(tmp_path: Path) -> None:
    balancer = reluctant(tmp_path)
    await asyncio.wait_for(balancer._start_again(), 10)

    assert balancer.tries == 3
    await balancer.close()
