"""A closed boundary where nobody is root: the same paths, and the same after each kind of death; nothing is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import pytest

from acceptance.test_boundary import FILE, SERVER
from flyball.local.process.ports import free_port
from flyball.local.process.processes import is_zombie, stat
from waiting import until

NOBODY = 65534
TOOLS = ("unshare", "setpriv", "mount")
# What the Python of these tests needs may lie in a home that nobody else may enter: it is brought before that.
AS_NOBODY = """
if [ -n "$1" ]; then
    mount --bind "$2" "$3" && mount -t tmpfs -o mode=755 none "$1" && mkdir -p "$2" && mount --move "$3" "$2" || exit 97
fi
shift 3
exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
"""


def closed(path: Path) -> Path | None:
    return next((each for each in reversed(path.parents) if not each.stat().st_mode & 0o001), None)


def as_nobody(place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    base = Path(sys.base_prefix).resolve()
    behind = closed(base)
    hidden = ["", "", ""] if behind is None else [str(behind), str(base), str(place / "python")]
    (place / "python").mkdir(exist_ok=True)
    return subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", AS_NOBODY, "sh", *hidden, *command],
        cwd=place / "app",
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(place)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def missing() -> str:
    if sys.platform != "linux" or os.geteuid() != 0:
        return "only root can become somebody else"
    if absent := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"no {', '.join(absent)} here"
    if closed(Path(__file__).resolve()) or closed(Path(sys.prefix).resolve()):
        return "nobody else may read this checkout"
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        (place / "app").mkdir()
        place.chmod(0o755)
        done = as_nobody(place, sys.executable, "-c", "pass")
        done = done if done.returncode else as_nobody(place, "unshare", "-Urn", "true")
    return done.stderr.strip() or (f"exit code {done.returncode}" if done.returncode else "")


@pytest.fixture(scope="module")
def namespaces() -> None:
    if problem := missing():
        pytest.skip(f"no user namespaces without root here: {problem}")


pytestmark = [pytest.mark.live, pytest.mark.root, pytest.mark.usefixtures("namespaces")]


class Nobody:
    """The application, run by a user that is not root."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.port = free_port()

    def flyball(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = as_nobody(self.place, sys.executable, "-m", "flyball", *words)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def up(self) -> str:
        done = self.flyball("up", "-d", "--port", str(self.port))
        return done.stdout + done.stderr

    def hits(self) -> int:
        with urlopen(f"http://127.0.0.1:{self.port}/hits", timeout=30) as answer:
            return int(answer.read())

    def recorded(self, name: str) -> int:
        pid = json.loads((self.place / "app" / ".flyball" / name).read_text())["pid"]
        assert isinstance(pid, int)
        return pid

    def well(self) -> bool:
        """Whether every path that this user can try is as declared, and enough of them can be tried."""
        rows = json.loads(self.flyball("network", "--probe", "--json", check=False).stdout)
        known = [row for row in rows if row["found"] != "unknown"]
        return len(known) >= 3 * 7 + 2 * 8 - 8 and all(row["found"] == row["declared"] for row in known)

    def running(self) -> list[int]:
        here = str(self.place)
        found = []
        for one in psutil.process_iter(["pid", "cmdline"]):
            try:
                mine = here in " ".join(one.info["cmdline"] or ()) or one.cwd().startswith(here)
            except psutil.Error:
                continue
            fields = stat(one.pid)
            if mine and fields is not None and not is_zombie(fields):
                found.append(one.pid)
        return found

    def kill_all(self) -> None:
        def gone() -> bool:
            for pid in self.running():
                kill(pid)
            return not self.running()

        until(gone, what="everything has ended")


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.fixture
def nobody() -> Iterator[Nobody]:
    place = Path(tempfile.mkdtemp())
    (place / "app").mkdir()
    (place / "app" / "flyball.toml").write_text(FILE)
    (place / "app" / "server.py").write_text(SERVER)
    for path in (place, *place.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    running = Nobody(place)
    try:
        yield running
    finally:
        running.kill_all()
        shutil.rmtree(place)


def test_the_same_paths_are_closed_whatever_dies(nobody: Nobody) -> None:
    assert "boundary closed: " in nobody.up()
    assert nobody.hits() == 1
    assert nobody.well()
    said = nobody.flyball("exec", "web", "cat", "/proc/self/status").stdout
    assert "CapEff:\t0000000000000000" in said

    kill(nobody.recorded("control.json"))
    assert nobody.hits() == 2
    nobody.up()
    kill(nobody.recorded("processes/balancer.json"))
    until(lambda: served(nobody), what="the balancer is there again")
    keeper = nobody.recorded("keeper.json")
    kill(keeper)
    until(lambda: nobody.recorded("keeper.json") != keeper, what="another keeper")
    until(nobody.well, what="all of it is there again, in another network")
    assert nobody.hits() > 2

    nobody.kill_all()
    assert nobody.flyball("down", check=False).returncode == 3
    nobody.up()
    assert nobody.hits() > 2
    nobody.flyball("down")
    until(lambda: nobody.running() == [], what="nothing runs any more")


def served(nobody: Nobody) -> bool:
    try:
        return nobody.hits() > 2
    except (URLError, OSError):
        return False
