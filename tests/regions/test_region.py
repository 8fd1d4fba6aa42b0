"""A region as the edge keeps it, whatever befalls the one who is told of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from flyball.local.paths import StateDirectory
from flyball.local.process import processes
from flyball.regions.region import RunningRegion
from waiting import soon


async def test_a_region_is_kept_also_when_it_cannot_be_told_of(tmp_path: Path):
    paths = StateDirectory(tmp_path / "eu")
    paths.root.mkdir()
    paths.root.joinpath("version").mkdir()
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        raise KeyError("nobody foresaw it")

    region = RunningRegion("eu", tmp_path / "flyball.toml", paths, 1, tell)
    region.keep(pause_s=0.0)
    await soon(lambda: told, what="it could not start")
    paths.root.joinpath("version").rmdir()
    paths.root.joinpath("version").write_text("99\n")
    await soon(lambda: len(told) > 1, what="it is tried again")
    await region.leave()


@pytest.mark.live
async def test_what_runs_in_a_region_is_ended_also_when_no_control_plane_can_be(tmp_path: Path):
    paths = StateDirectory(tmp_path / "eu")
    paths.create()
    instance = processes.launch(["sleep", "600"], {}, tmp_path, tmp_path / "log")
    processes.save(paths.processes / "web-1.json", instance, instance="web-1")
    paths.root.joinpath("version").write_text("99\n")
    region = RunningRegion("eu", tmp_path / "flyball.toml", paths, 1, lambda _: None)
    region.keep()
    await region.stop()
    assert not processes.alive(instance)
