"""A closed boundary: only what the file declares is open, whatever happens to the application; and nothing is left."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import psutil
import pytest

from acceptance.running import Running
from flyball.local.process.walls.router import HERE

pytestmark = [pytest.mark.live, pytest.mark.root, pytest.mark.usefixtures("walls_stand")]
SERVER = """
import http.server, os, signal, socket, sys
from urllib.parse import urlsplit

def redis(question):
    at = urlsplit(os.environ["SESSIONS_URL"])
    with socket.create_connection((at.hostname, at.port), timeout=10) as channel:
        channel.sendall(question)
        return channel.recv(100)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        word = f"{os.getuid()} {os.getpid()}"
        if self.path == "/hits":
            word = redis(b"INCR hits\\r\\n").decode().strip(":\\r\\n")
        self.send_response(200)
        self.end_headers()
        self.wfile.write(word.encode())

    def log_message(self, *_):
        pass

signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
FILE = """
name = "walled"

[network]
boundary = "closed"

[defaults]
size = { cpu = 0.5, memory = "128MB" }
health = { path = "/health", every = "1s", timeout = "900ms", unhealthy_after = 5, grace = "60s" }

[services.web]
run = "python3 server.py"
routes = ["/"]
stores = ["sessions"]
instances = { min = 2, max = 4 }

[services.mail]
run = "python3 server.py"
routes = ["/mail"]
stores = ["letters", "list"]
egress = false
instances = 1

[stores.sessions]
kind = "redis"

[stores.letters]
kind = "bucket"

[stores.list]
kind = "table"
key = { id = "string" }
"""


@pytest.fixture
def walled(place: Callable[..., Running]) -> Running:
    running = place(files={"flyball.toml": FILE, "server.py": SERVER})
    running.up()
    return running


def wrong(running: Running) -> list[dict[str, str]]:
    """The paths that are other than declared, or cannot be tried."""
    done = running.flyball("network", "--probe", "--json", check=False)
    rows = json.loads(done.stdout)
    assert len(rows) == 3 * 7 + 2 * 8
    single = {("mail", "mail")}  # there is no other instance of it
    found = [row for row in rows if row["found"] != row["declared"] and (row["from"], row["to"]) not in single]
    assert (done.returncode == 0) == (not found), done.stderr
    return found


def asked(running: Running, path: str) -> str:
    with urlopen(f"{running.now()['url']}{path}", timeout=60) as answer:
        return answer.read().decode()


def processes_of(running: Running) -> list[int]:
    there = str(running.directory)
    found = []
    for one in psutil.process_iter():
        try:
            if there in " ".join(one.cmdline()) or one.cwd().startswith(there):
                found.append(one.pid)
        except psutil.Error:
            continue
    return [pid for pid in found if pid != os.getpid()]


def network(running: Running) -> Path:
    return HERE / running.paths.application_id("walled") / "network"


def test_only_declared_paths_are_open_and_stay_so(walled: Running) -> None:
    assert walled.ps()["boundary"].startswith("closed")
    assert wrong(walled) == []
    user, number = asked(walled, "/").split()
    assert int(user) >= 0x7000_0000
    assert int(number) < 10  # among the room's own processes
    assert asked(walled, "/hits") == "1"

    walled.kill_control_plane()
    assert asked_without_control_plane(walled, "/hits") == "2"
    walled.flyball("up", "-d")
    walled.flyball("scale", "web=3")
    walled.until(lambda: len(walled.pids()) == 4, what="a third instance")
    walled.flyball("deploy", "web")
    assert wrong(walled) == []


def test_from_inside_nothing_can_be_forged(walled: Running) -> None:
    attempts = """
import os, socket
def refused(work):
    try:
        work()
    except OSError:
        return True
    return False
def raw():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
def packet():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
def spoofed():
    with socket.socket() as channel:
        channel.bind(("198.18.0.77", 0))
def user():
    os.setuid(0)
def shadow():
    open("/etc/shadow").close()
def metadata():
    socket.create_connection(("169.254.169.254", 80), timeout=5)
names = [raw, packet, spoofed, user, shadow, metadata]
print([each.__name__ for each in names if not refused(each)], os.getuid() != 0, len(os.listdir("/proc/self/fd")))
"""
    said = walled.flyball("exec", "web", "python3", "-c", attempts).stdout
    assert said.startswith("[] True"), said


def test_after_kill_9_of_everything_the_next_up_serves_and_down_leaves_nothing(walled: Running) -> None:
    assert asked(walled, "/hits") == "1"
    kept = {one["pid"] for service in walled.now()["services"] for one in service["instances"]}
    store = json.loads((walled.paths.processes / "store-sessions.json").read_text())["pid"]
    for pid in [pid for pid in processes_of(walled) if pid != store]:
        kill(pid)  # all but Redis, which must be reached again where it is
    walled.until(lambda: not any(map(psutil.pid_exists, kept)), what="everything is gone")
    walled.flyball("up", "-d")
    assert int(asked(walled, "/hits")) == 2
    assert wrong(walled) == []

    walled.flyball("down")
    assert not network(walled).exists()
    assert processes_of(walled) == []

    walled.up()
    for pid in processes_of(walled):
        kill(pid)
    walled.until(lambda: processes_of(walled) == [], what="everything is gone")
    assert walled.flyball("down", check=False).returncode == 3
    assert not network(walled).exists()
    assert not [*Path("/sys/fs/cgroup").rglob(f"flyball-*{walled.paths.application_id('')}")]


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def asked_without_control_plane(running: Running, path: str) -> str:
    with urlopen(f"{json.loads(running.paths.control_file.read_text())['url']}{path}", timeout=60) as answer:
        return answer.read().decode()
