"""What the edge writes for its balancer: what a full disk refuses is written later, and nothing new is forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from flyball.core.manifest import parse
from flyball.local.envoy import certificate
from flyball.local.envoy.admin import TargetStats
from flyball.local.envoy.balancer import Balancer
from flyball.local.envoy.config.types import Json
from flyball.local.paths import StateDirectory
from flyball.local.process import logs
from flyball.local.record.journal import Journal
from flyball.local.runtime.start import locked
from flyball.regions.carrying import Carrying
from flyball.regions.edge import Edge
from flyball.regions.record import read
from manifests import one_service
from waiting import soon

US, EU = "us-east-1", "eu-west-1"
APP = f"""
[regions.{US}]
[regions.{EU}]
[edge]
return_over = "1h"
[listener]
tls = {{ certificate = "chain.pem", key = "key.pem" }}
"""


class Refusing(Balancer):
    """A balancer that does not run, on a disk that is full while `full`."""

    full = False
    seen: tuple[TargetStats, ...] = ()

    def write(self, files: Mapping[str, Json]) -> bool:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(files)

    async def targets(self) -> tuple[TargetStats, ...]:
        return self.seen


class Looking:
    """An edge that only looks and writes."""

    def __init__(self, home: Path) -> None:
        self.home, self.paths = home, StateDirectory(home / ".flyball")
        self.paths.create()
        self.new_certificate()
        app = parse(one_service("routes = ['/']", APP))
        self.edge = Edge(
            app, home / "flyball.toml", self.paths, Journal(self.paths.journal), locked(self.paths.lock, "x")
        )
        self.balancer = self.edge._balancer = Refusing(self.paths, "x-edge", lambda: None)
        self.edge.regions = dict.fromkeys((US, EU), _At())
        self.heard: list[str] = []
        self.edge.listeners.add(lambda event: self.heard.append(event.reason.kind))

    def new_certificate(self) -> None:
        for name in ("certificate.pem", "key.pem"):
            (self.home / name).unlink(missing_ok=True)
        chain, _ = certificate.self_made(self.home)
        Path(chain).rename(self.home / "chain.pem")

    @property
    def written(self) -> str:
        return "".join(json.dumps(json.loads(one.read_text())) for one in sorted(self.paths.xds.glob("*.json")))

    def serves(self) -> str:
        """The newest certificate, as the balancer was told."""
        copies = (self.paths.tls / "served").glob("*.chain.pem")
        return next((one.name for one in copies if one.name in self.written), "")


class _At:
    """A region as far as the edge writes of it."""

    port = 20001
    paths = StateDirectory(Path("/nonexistent"))
    stopped = False

    async def stop(self) -> None:
        self.stopped = True


@pytest.fixture
async def looking(tmp_path: Path) -> AsyncIterator[Looking]:
    made = Looking(tmp_path)
    work = asyncio.ensure_future(made.edge.run())
    await soon(made.serves, what="a certificate is served")
    yield made
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    made.edge.regions = {}
    await made.edge.leave()


async def test_a_certificate_that_came_while_the_disk_was_full_is_served_afterwards(looking: Looking):
    before = looking.serves()
    looking.balancer.full = True
    looking.new_certificate()
    await soon(lambda: "certificate" in looking.heard, what="the new one is seen")
    assert looking.serves() == before
    looking.balancer.full = False
    await soon(lambda: looking.serves() not in {before, ""}, what="the new one is served")


async def test_a_share_that_could_not_be_written_is_written_afterwards(looking: Looking):
    before = looking.written
    looking.balancer.full = True
    looking.edge._returning.is_new(EU)
    looking.balancer.seen = tuple(
        TargetStats(
            service=name, instance=name, health="healthy", draining=False, requests=0, errors=0, in_flight=0, weight=1
        )
        for name in (US, EU)
    )
    await soon(lambda: "region_healthy" in looking.heard or looking.edge._returning.shares(now=0.0), what="it returns")
    assert looking.written == before
    looking.balancer.full = False
    await soon(lambda: looking.written != before, what="it gets a part of its visitors")


async def test_a_region_that_is_about_to_start_is_not_taken_for_one_that_was_left_out(looking: Looking):
    app = looking.edge.app
    looking.edge._left_out = (EU,)
    del looking.edge.regions[EU]
    new = replace(app, regions=(*app.regions, replace(app.regions[0], name="ap-south-1")))
    applying = asyncio.ensure_future(looking.edge._apply(new))
    await looking.edge._carrying._turn.acquire()  # the change waits for a round of the replication
    await soon(lambda: looking.edge.app is new, what="the change has begun")
    looking.edge._push({})
    record = read(looking.paths)
    applying.cancel()
    looking.edge._carrying._turn.release()
    assert record is not None
    assert record.left_out == (EU,)


async def test_a_region_that_leaves_is_written_no_more_and_what_it_stored_last_is_brought_over(looking: Looking):
    gone = _At()
    looking.edge._leaving = {"ap-south-1": gone}
    async with looking.edge._carrying._turn:  # a round of the replication goes on
        leaving = asyncio.ensure_future(looking.edge._let_go())
        await soon(lambda: gone.stopped, what="it is stopped")
        await asyncio.sleep(0)
        looking.edge._push({})
        record, stores = read(looking.paths), looking.edge._stores()
    await leaving
    assert record is not None
    assert set(record.regions) == {US, EU}
    assert set(stores) == {US, EU, "ap-south-1"}
    assert looking.edge._leaving == {}


async def test_what_cannot_be_brought_over_at_the_end_keeps_nothing_from_ending(tmp_path: Path):
    def places() -> dict[str, Path]:
        raise OSError(errno.EIO, "Input/output error")

    await Carrying(tmp_path / "replication.db", places, lambda *_: None).flush()


async def test_the_logs_of_the_edge_stay_within_bounds(looking: Looking):
    log = looking.paths.logs / "judge.log"
    with log.open("wb") as file:
        file.write(b"refused\n" * (logs.CAP_BYTES // 4))
    assert log.stat().st_blocks * 512 > logs.CAP_BYTES
    await soon(lambda: log.stat().st_blocks * 512 <= logs.CAP_BYTES, what="the oldest part is given back")
