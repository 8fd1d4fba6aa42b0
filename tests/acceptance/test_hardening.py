"""Windows between two things that belong together, and what an earlier control plane left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from acceptance.running import Running
from flyball.local.process import processes
from flyball.local.process.ports import free_port
from manifests import one_service

pytestmark = pytest.mark.live

SERVER = (
    "import http.server, os\nhttp.server.test(http.server.SimpleHTTPRequestHandler, port=int(os.environ['PORT']))\n"
)
FILE = one_service('routes = ["/"]', name="tiny", run="python3 server.py")
FILES = {"flyball.toml": FILE, "server.py": SERVER}


def envoys(running: Running) -> list[int]:
    mine = str(running.paths.xds)
    return [one.pid for one in psutil.process_iter(["cmdline"]) if mine in " ".join(one.info["cmdline"] or ())]


def test_a_refused_takeover_leaves_the_balancer_alone(place: Callable[..., Running]) -> None:
    running = place(files=FILES)
    running.up()
    before = envoys(running)
    running.kill_control_plane()
    done = running.flyball("up", "--port", str(free_port()), check=False)

    assert done.returncode == 1
    assert "is running on port" in done.stderr
    assert "Traceback" not in done.stderr
    assert envoys(running) == before
    running.flyball("up", "-d")
    assert envoys(running) == before


def test_a_balancer_that_was_never_recorded_is_taken_over(place: Callable[..., Running]) -> None:
    running = place(files=FILES)
    port = str(free_port())
    running.flyball("up", "-d", "--port", port)
    before = envoys(running)
    running.kill_control_plane()
    (running.paths.processes / "balancer.json").unlink()
    running.flyball("up", "-d")

    assert envoys(running) == before
    assert running.ps()["url"].endswith(port)


def test_an_unusable_source_leaves_nothing_running(place: Callable[..., Running]) -> None:
    running = place(files=FILES)
    (running.directory / "out").symlink_to("/etc/hostname")
    done = running.flyball("up", "-d", "--port", str(free_port()), check=False)

    assert done.returncode == 1
    assert "out of the source" in done.stderr
    assert envoys(running) == []


def test_down_without_control_plane_and_balancer_needs_no_port(place: Callable[..., Running]) -> None:
    running = place(files=FILES)
    port = free_port()
    running.flyball("up", "-d", "--port", str(port))
    running.directory.joinpath("flyball.toml").write_text(FILE + f"[listener]\nport = {port}\n")
    instance = processes.identify(next(iter(running.pids().values())))
    running.kill_control_plane()
    [envoy] = envoys(running)
    running.kill(envoy)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        running.flyball("down")

    assert instance is not None
    assert not processes.alive(instance)


def test_an_application_that_fails_after_it_was_taken_over(place: Callable[..., Running]) -> None:
    running = place(files={**FILES, "flyball.toml": FILE.replace("server.py", "server.py needed")})
    needed = running.directory / "needed"
    needed.write_text("")
    program = f"import sys, pathlib\nif not pathlib.Path({str(needed)!r}).exists():\n    sys.exit('it is not there')\n"
    (running.directory / "server.py").write_text(program + SERVER)
    running.up()
    [instance] = running.pids().values()
    running.kill_control_plane()
    Path.unlink(needed)
    os.kill(instance, signal.SIGKILL)
    done = running.flyball("up", "-d", check=False)

    assert done.returncode == 1
    assert "it is not there" in done.stderr


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tiny disk needs root")
def test_a_disk_that_fills_up_while_it_runs(place: Callable[..., Running]) -> None:
    running = place(files=FILES)
    running.paths.root.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", running.paths.root], check=False)
    if mounted.returncode != 0:
        pytest.skip("a tiny disk cannot be mounted here")
    try:
        running.up()
        before = running.ps()
        filler = running.paths.root / "filler"
        fill(filler)
        os.kill(before["services"][0]["instances"][0]["pid"], signal.SIGKILL)
        os.kill(before["balancer"]["pid"], signal.SIGKILL)
        running.until(lambda: running.now()["control"]["journal_error"] is not None, what="no room")
        filler.unlink()
        running.until(lambda: running.service()["capacity"]["in_service"] == 1, what="room again")

        assert running.ps()["control"]["pid"] == before["control"]["pid"]
        assert len(envoys(running)) == 1
        running.flyball("down")
    finally:
        subprocess.run(["umount", "-l", running.paths.root], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
