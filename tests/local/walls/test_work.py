"""Builds and tests run behind the walls: in a room with a way outside, with the caller's caches but not its keys."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from flyball.core.control.observation import ReleaseSpec
from flyball.core.manifest import parse
from flyball.local.paths import StateDirectory
from flyball.local.pipeline import testing
from flyball.local.process import commands
from flyball.local.process.ports import free_port
from flyball.local.process.walls.walls import Walls
from flyball.local.releases import builds
from flyball.local.stores.stores import Stores
from waiting import soon, until

pytestmark = [pytest.mark.live, pytest.mark.root, pytest.mark.usefixtures("walls_stand")]
FILE = """
name = "shop"
[network]
boundary = "closed"
[services.web]
run = "serve"
test = "python3 tries.py > said.json && cat said.json"
build = "python3 -m venv --without-pip .venv && python3 tries.py > said.json"
routes = ["/"]
stores = ["sessions", "letters"]
[services.web.env]
PATH = "{home}/.cargo/bin:/usr/local/bin:/usr/bin:/bin"
HOME = "{home}"
CONTROL = "{control}"
REDIS = "{redis}"
OTHERS = "{pid}"
[stores.sessions]
kind = "redis"
[stores.letters]
kind = "bucket"
"""
TRIES = """
import json, os, socket
from pathlib import Path
from urllib.parse import urlsplit

def reached(work):
    try:
        work()
    except OSError:
        return False
    return True

def redis(at):
    with socket.create_connection((at.hostname, at.port), timeout=20) as channel:
        channel.sendall(b"PING\\r\\n")
        assert channel.recv(10).startswith(b"+PONG"), "no answer"

def control():
    socket.socket(socket.AF_UNIX).connect(os.environ["CONTROL"])

found = {
    "control": reached(control),
    "keys": reached(lambda: Path(f"/proc/{os.environ['OTHERS']}/environ").read_bytes()),
    "redis": reached(lambda: redis(urlsplit("redis://" + os.environ["REDIS"]))),
    "own redis": "SESSIONS_URL" in os.environ and reached(lambda: redis(urlsplit(os.environ["SESSIONS_URL"]))),
    "letters": "LETTERS_URL" in os.environ
    and reached(lambda: Path(urlsplit(os.environ["LETTERS_URL"]).path, "letter").write_text("here")),
    "cloud keys": Path.home().joinpath(".aws").exists(),
    "cache": reached(lambda: Path.home().joinpath(".cache/uv/kept").write_text("kept")),
    "crates": reached(lambda: Path.home().joinpath(".cargo/registry/kept").write_text("kept")),
    "programs": [
        place
        for place in (".cargo/bin", "go/bin", ".local/share/uv/python")
        if not Path.home().joinpath(place, "tool").exists()
        or reached(lambda: Path.home().joinpath(place, "tool").write_text("mine"))
        or reached(lambda: Path.home().joinpath(place, "another").write_text("mine"))
    ],
    "user": os.getuid(),
    "rights": [line.split()[1] for line in open("/proc/self/status") if line.startswith("CapEff")][0],
}
print(json.dumps(found))
"""
CLOSED = {
    "control": False,
    "keys": False,
    "redis": False,
    "cloud keys": False,
    "cache": True,
    "crates": True,
    "programs": [],
    "rights": "0" * 16,
}


async def test_a_build_and_a_test_reach_what_they_need_and_nothing_else(tmp_path: Path) -> None:
    paths, source, home = StateDirectory(tmp_path / ".flyball"), tmp_path / "source", tmp_path / "home"
    paths.create()
    for directory in (source, home / ".aws", home / ".cache" / "uv"):
        directory.mkdir(parents=True)
    (source / "tries.py").write_text(TRIES)
    (home / ".cargo" / "registry").mkdir(parents=True)
    for programs in (home / ".cargo" / "bin", home / "go" / "bin", home / ".local" / "share" / "uv" / "python"):
        programs.mkdir(parents=True)
        (programs / "tool").touch(mode=0o755)
    control = paths.sockets / "control.sock"
    server = await asyncio.start_unix_server(lambda *_: None, control)
    first = parse(FILE.format(home=home, control=control, redis="", pid=0))
    walls = Walls.of(first, paths)
    assert walls is not None
    stores = Stores(walls)
    try:
        assert walls.make_room is not None, walls.work_problem
        await stores.ensure(first, paths)
        walls.admit(first, stores.ports, door=free_port())
        at = stores.redis_address("sessions")
        assert at is not None
        app = parse(FILE.format(home=home, control=control, redis=f"{at.host}:{at.port}", pid=os.getpid()))
        web, content = app.service("web"), builds.snapshot(source, paths.releases, built=True)
        spec, log = ReleaseSpec.of(web, content=content), paths.logs / "log"
        built = await builds.build(
            content,
            spec.build,
            releases=paths.releases,
            environment=dict(spec.environment),
            log=log,
            make_room=walls.make_room,
        )
        assert built.succeeded, log.read_text()
        said = json.loads((built.directory / "said.json").read_text())
        assert said == {**CLOSED, "own redis": False, "letters": False, "user": said["user"]}
        assert said["user"] >= 0x7000_0000
        kept = home / ".cache" / "uv" / "kept"
        assert kept.stat().st_uid == (built.directory / "said.json").stat().st_uid == os.getuid()
        assert {each.stat().st_uid for each in home.rglob("*")} == {os.getuid()}
        scratch = tmp_path / ".flyball" / "pipeline" / "web"
        scratch.mkdir(parents=True)
        failed = await testing.test(
            web, spec, app=app, paths=paths, scratch=scratch, url="http://127.0.0.1:1", log=log, walls=walls
        )
        assert failed == "", log.read_text()
        assert json.loads(log.read_text().splitlines()[-1]) == {**said, "own redis": True, "letters": True}
    finally:
        server.close()
        await stores.stop()
        walls.remove()


async def test_what_a_build_leaves_running_ends_with_it(tmp_path: Path) -> None:
    paths = StateDirectory(tmp_path / ".flyball")
    paths.create()
    walls = Walls.of(parse(FILE.format(home=tmp_path, control="", redis="", pid=0)), paths)
    assert walls is not None
    try:
        log = paths.logs / "log"
        room = walls.work_room("sleep", {"PATH": "/usr/bin:/bin"}, tmp_path)
        told = {"what": "it", "directory": tmp_path, "environment": {"PATH": "/usr/bin:/bin"}, "log": log, "room": room}
        assert (
            await commands.run("sleep 1234567 & exit 7", timeout_s=60, **told)
            == "it failed (exit code 7): it printed nothing"
        )
        assert await commands.run("setsid sleep 1234567", timeout_s=2, **told) == "it was stopped after 2 s"
        await soon(
            lambda: (
                not any("1234567" in " ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"]))
            )
        )
    finally:
        walls.remove()


NO_MORE = """
read mapped
exec sh -c 'mount -t tmpfs none /run && echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"' sh "$@"
"""
MADE = """
import sys
from pathlib import Path
from flyball.core.manifest import parse
from flyball.local.paths import StateDirectory
from flyball.local.process.walls.walls import Walls
walls = Walls.of(parse(Path("flyball.toml").read_text()), StateDirectory(Path(".flyball").absolute()))
print(walls.problem or walls.work_problem, walls.make_room)
walls.remove()
"""


def test_builds_run_outside_where_no_user_namespace_can_be_made(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Um", "true"], check=False).returncode != 0:
        pytest.skip("no user namespaces here, or no unshare")
    StateDirectory(tmp_path / ".flyball").create()
    (tmp_path / "flyball.toml").write_text(FILE.format(home=tmp_path, control="", redis="", pid=0))
    command = ["unshare", "-Um", "--propagation", "private", "sh", "-c", NO_MORE, "sh", sys.executable, "-c", MADE]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            namespace = Path(f"/proc/{process.pid}/ns/user")
            until(lambda: namespace.stat().st_ino != Path("/proc/self/ns/user").stat().st_ino, what="it is inside")
            for kind in ("uid", "gid"):
                Path(f"/proc/{process.pid}/{kind}_map").write_text("0 0 4294967295")
            said, _ = process.communicate("\n", timeout=60)
        finally:
            process.kill()
    assert "no user namespace can be made" in said
    assert said.endswith("None\n")
