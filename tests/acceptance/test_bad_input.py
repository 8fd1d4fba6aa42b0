"""What goes wrong is said clearly, with the right exit code, and nothing is left running."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Callable

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


def file(run: str = "python3 server.py", **keys: str) -> str:
    lines = ['routes = ["/"]', *(f"{key} = {value}" for key, value in keys.items())]
    return one_service("\n".join(lines), name="bad", run=run)


def nothing_runs(running: Running) -> bool:
    return not any(
        running.paths.application_id("bad") == environment.get("FLYBALL_APPLICATION_ID")
        for environment in map(environment_of, psutil.process_iter())
    ) and not any((loaded := processes.load(path)) and processes.alive(loaded[0]) for path in records(running))


def records(running: Running) -> list:
    return list(running.paths.processes.glob("*.json"))


def environment_of(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


def refused(running: Running, *arguments: str) -> subprocess.CompletedProcess[str]:
    return running.flyball("up", "-d", "--port", str(free_port()), *arguments, check=False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = \n", "flyball.toml:1"),
        ('name = "bad"\n[services.web]\nrun = 7\n', "run"),
        (one_service('helth = "/"'), "did you mean `health`"),
    ],
)
def test_a_wrong_file_starts_nothing(place: Callable[..., Running], text: str, says: str) -> None:
    running = place(files={"flyball.toml": text})
    done = refused(running)

    assert done.returncode == 2
    assert says in done.stderr
    assert not running.paths.root.exists()


def test_no_file_at_all(place: Callable[..., Running]) -> None:
    done = refused(place(files={}))

    assert done.returncode == 2
    assert "flyball.toml" in done.stderr


def test_a_missing_program_is_named(place: Callable[..., Running]) -> None:
    running = place(files={"flyball.toml": file(run="no-such-program --port $PORT")})
    done = refused(running)

    assert done.returncode == 1
    assert "no-such-program" in done.stderr
    assert nothing_runs(running)


def test_a_failing_build_shows_its_output(place: Callable[..., Running]) -> None:
    running = place(files={"flyball.toml": file(build='"echo the compiler says no; exit 3"'), "server.py": SERVER})
    done = refused(running)

    assert done.returncode == 1
    assert "the compiler says no" in done.stderr
    assert nothing_runs(running)


def test_a_program_that_crashes_at_start_shows_its_last_lines(place: Callable[..., Running]) -> None:
    crash = "raise SystemExit('no configuration for the flux compensator')"
    running = place(files={"flyball.toml": file(), "server.py": crash})
    done = refused(running)

    assert done.returncode == 1
    assert "flux compensator" in done.stderr
    assert nothing_runs(running)


def test_a_program_that_never_listens(place: Callable[..., Running]) -> None:
    health = '{ path = "/", grace = "3s" }'
    running = place(files={"flyball.toml": file(health=health), "server.py": "import time\ntime.sleep(600)"})
    done = refused(running)

    assert done.returncode == 1
    assert "nothing listens" in done.stderr
    assert nothing_runs(running)


def test_a_program_that_fails_its_health_path(place: Callable[..., Running]) -> None:
    health = '{ path = "/missing", grace = "3s" }'
    running = place(files={"flyball.toml": file(health=health), "server.py": SERVER})
    done = refused(running)

    assert done.returncode == 1
    assert "404" in done.stderr
    assert nothing_runs(running)


def test_a_port_in_use(place: Callable[..., Running]) -> None:
    running = place(files={"flyball.toml": file(), "server.py": SERVER})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        done = running.flyball("up", "-d", "--port", str(taken.getsockname()[1]), check=False)

    assert done.returncode == 1
    assert re.search(r"port \d+ is in use", done.stderr)
    assert nothing_runs(running)


def test_a_second_up_changes_nothing(place: Callable[..., Running]) -> None:
    running = place(files={"flyball.toml": file(), "server.py": SERVER})
    running.up()
    before = running.pids()
    done = refused(running)

    assert done.returncode == 1
    assert "already running" in done.stderr
    assert running.pids() == before


def test_a_state_directory_of_a_newer_version(place: Callable[..., Running]) -> None:
    running = place(files={"flyball.toml": file(), "server.py": SERVER})
    running.paths.root.mkdir()
    (running.paths.root / "version").write_text("99\n")
    done = refused(running)

    assert done.returncode == 2
    assert "newer" in done.stderr


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tiny disk needs root")
def test_a_full_disk(place: Callable[..., Running]) -> None:
    running = place(files={"flyball.toml": file(), "server.py": SERVER})
    running.paths.root.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", running.paths.root], check=False)
    if mounted.returncode != 0:
        pytest.skip("a tiny disk cannot be mounted here")
    try:
        (running.paths.root / "filler").write_bytes(b"x" * 60 * 1024)
        done = refused(running)
        assert done.returncode == 1
        assert "space" in done.stderr or "full" in done.stderr
        assert "Traceback" not in done.stderr
        assert nothing_runs(running)
    finally:
        subprocess.run(["umount", "-l", running.paths.root], check=True)


def test_verbs_without_a_running_application(place: Callable[..., Running]) -> None:
    running = place(files={"flyball.toml": file(), "server.py": SERVER})

    for verb in (["ps"], ["down"], ["scale", "web=2"], ["deploy", "web"], ["watch", "--times", "1"], ["open"]):
        done = running.flyball(*verb, check=False)
        assert (done.returncode, done.stdout) == (3, ""), verb
        assert "flyball up" in done.stderr


@pytest.mark.parametrize("arguments", [["up", "--nonsense"], ["nonsense"], ["scale", "web"], ["load", "--rate", "x"]])
def test_wrong_use(place: Callable[..., Running], arguments: list[str]) -> None:
    done = place(files={"flyball.toml": file(), "server.py": SERVER}).flyball(*arguments, check=False)

    assert done.returncode in {2, 3}
    assert done.stderr


def test_reading_verbs_speak_json(place: Callable[..., Running]) -> None:
    running = place(files={"flyball.toml": file(), "server.py": SERVER})
    running.up()

    for verb in (["ps"], ["config"], ["doctor"], ["releases"], ["replay"]):
        json.loads(running.flyball(*verb, "--json").stdout)
    assert running.ps()["services"][0].keys() == running.service().keys()
