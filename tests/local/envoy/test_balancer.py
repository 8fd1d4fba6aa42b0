"""The balancer is started again whatever happens, and at once when it lasted."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from builders import application, service
from flyball.core.errors import Failed
from flyball.core.model import Application, Condition, Listener, Route
from flyball.local.envoy import sharing
from flyball.local.envoy.balancer import Balancer
from flyball.local.envoy.config.bootstrap import CLUSTERS_FILE
from flyball.local.envoy.config.listener import ROUTES_FILE
from flyball.local.envoy.process import MARK
from flyball.local.paths import StateDirectory
from flyball.local.process import processes
from flyball.local.process.ports import free_port
from waiting import soon


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
    return Reluctant(paths, "tiny", lambda: None)


async def test_a_start_that_fails_is_tried_again(tmp_path: Path) -> None:
    balancer = reluctant(tmp_path)
    await asyncio.wait_for(balancer._start_again(), 60)

    assert balancer.tries == 3
    await balancer.close()


def connections_per_instance(paths: StateDirectory) -> int:
    [cluster] = json.loads((paths.xds / CLUSTERS_FILE).read_text())["resources"]
    return cluster["circuit_breakers"]["per_host_thresholds"][0]["max_connections"]


async def test_a_changed_file_shares_the_connections_among_as_many_instances_as_it_allows(tmp_path: Path) -> None:
    paths = StateDirectory(tmp_path / ".flyball")
    paths.create()
    few, many = (application(service(high=most)) for most in (2, 2000))
    balancer = Balancer(paths, few.name, lambda: None)
    shares = []
    for app in (few, many):
        balancer.push(app, {"web": ()}, port=1, inside_port=2, certificate=None, concurrency={})
        shares.append(connections_per_instance(paths))
    await balancer.close()

    assert shares[1] < shares[0]


async def test_what_waits_is_written_later_and_what_somebody_else_changes_is_put_right(tmp_path: Path) -> None:
    paths = StateDirectory(tmp_path / ".flyball")
    paths.create()
    web, api = (service(name, routes=(Route(condition=Condition(path=f"/{name}")),)) for name in ("web", "api"))
    one, two = application(web), application(web, api)
    balancer = Balancer(paths, one.name, lambda: None)

    def push(app: Application) -> bool:
        endpoints = {each.name: () for each in app.services}
        return balancer.push(app, endpoints, port=1, inside_port=2, certificate=None, concurrency={})

    routes = paths.xds / ROUTES_FILE
    assert push(one)
    assert not push(one)
    assert not push(one)
    before = routes.read_text()
    assert push(two)  # its routes wait until Envoy has had time to hear of the new service
    assert routes.read_text() == before
    await soon(lambda: push(two) and routes.read_text() != before)
    assert not push(two)

    after = routes.read_text()
    routes.write_text("damaged")
    assert push(two)
    assert routes.read_text() == after
    (paths.xds / CLUSTERS_FILE).unlink()
    assert push(two)
    await balancer.close()


@pytest.mark.live
async def test_one_that_is_stopped_while_it_is_started_again_is_gone(tmp_path: Path) -> None:
    paths = StateDirectory(tmp_path / ".flyball")
    paths.create()
    died = asyncio.Event()
    app = application(service())
    balancer = Balancer(paths, app.name, died.set)
    balancer.push(app, {"web": ()}, port=free_port(), inside_port=free_port(), certificate=None, concurrency={})
    await balancer.start()
    await balancer.until_ready()
    assert balancer.process is not None
    os.kill(balancer.process.pid, signal.SIGKILL)
    await asyncio.wait_for(died.wait(), 60)
    for _ in range(10):  # until a thread is at it, which takes a while
        await asyncio.sleep(0)
    await balancer.stop()

    await asyncio.get_running_loop().shutdown_default_executor()  # whatever was begun is done
    assert processes.carriers(MARK, str(paths.root)) == []
    assert list(paths.processes.iterdir()) == []


@pytest.mark.live
@pytest.mark.skipif(not sharing.possible(), reason="two balancers cannot share a port on this system")
async def test_one_that_has_given_way_is_ended_with_the_others(tmp_path: Path) -> None:
    paths = StateDirectory(tmp_path / ".flyball")
    paths.create()
    app = replace(application(service()), listener=Listener(standby=True))
    balancer, port = Balancer(paths, app.name, lambda: None), free_port()
    balancer.push(app, {"web": ()}, port=port, inside_port=free_port(), certificate=None, concurrency={})
    await balancer.start()
    try:
        await balancer.until_ready()
        await soon(lambda: balancer.standby.pid is not None)
        first = balancer.process
        assert first is not None
        _, writer = await asyncio.open_connection("127.0.0.1", port)  # it has something to finish
        os.kill(first.pid, signal.SIGSTOP)
        await soon(lambda: balancer.process != first)
    finally:
        await balancer.stop()
    writer.close()
    assert processes.carriers(MARK, str(paths.root)) == []
