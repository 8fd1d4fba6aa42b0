"""Programs that nobody here wrote run unchanged: a published web application for Python and one for Node."""

from __future__ import annotations

import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from acceptance.asking import ask
from acceptance.running import Running, stopped
from flyball.local.process.ports import free_port

pytestmark = pytest.mark.live

# What uv and npm say when there is no way to a registry; anything else is a failure.
UNREACHABLE = re.compile(
    r"(?i)error sending request|failed to fetch|dns error|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT"
)

DATASETTE = """
name = "third-party"

[services.web]
build = "uv venv && uv pip install datasette==0.65.5"
run = "datasette serve fruit.db --host $HOST --port $PORT"
routes = ["/"]
health = "/-/versions.json"
instances = { min = 1, max = 3 }
"""
HTTP_SERVER = """
name = "third-party"

[services.web]
build = "npm install --no-audit --no-fund http-server@14.1.1"
run = "http-server public -a $HOST -p $PORT"
routes = ["/"]
health = "/"
instances = { min = 1, max = 3 }
"""


def database(directory: Path, fruit: str) -> None:
    """What datasette serves."""
    with closing(sqlite3.connect(directory / "fruit.db")) as made:
        made.executescript("DROP TABLE IF EXISTS fruit; CREATE TABLE fruit (name TEXT)")
        made.execute("INSERT INTO fruit VALUES (?)", (fruit,))
        made.commit()


def page(directory: Path, fruit: str) -> None:
    """What http-server serves."""
    (directory / "public").mkdir(exist_ok=True)
    (directory / "public" / "index.html").write_text(f"<h1>{fruit}</h1>")


def up(running: Running) -> None:
    done = running.flyball("up", "-d", "--port", str(free_port()), check=False)
    if done.returncode != 0 and (why := UNREACHABLE.search(done.stderr)):
        pytest.skip(f"the package registry cannot be reached ({why[0]})")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("file", "write", "path"),
    [
        pytest.param(DATASETTE, database, "/fruit/fruit.json", id="datasette"),
        pytest.param(
            HTTP_SERVER,
            page,
            "/",
            id="http-server",
            marks=pytest.mark.skipif(shutil.which("npm") is None, reason="Node and npm are not installed"),
        ),
    ],
)
def test_a_published_program_is_served_scaled_and_rolled_out(
    place: Callable[..., Running], file: str, write: Callable[[Path, str], None], path: str
) -> None:
    running = place(files={"flyball.toml": file})
    write(running.directory, "apple")
    up(running)
    url = running.ps()["url"]
    assert b"apple" in ask(url, path).body

    load = running.load("web", "--path", path, "--rate", "20", "--for", "120s")
    running.flyball("scale", "web=3", "--hold", "60s")
    running.until(lambda: running.service()["capacity"]["in_service"] == 3, what="three in service")
    write(running.directory, "pear")
    running.flyball("deploy", "web")
    running.until(lambda: len(running.service()["instances"]) == 3, what="the old ones gone")
    served = running.paths.logs / "access.log"
    new = [f'"instance":"web-{number}"' for number in (4, 5, 6)]
    running.until(lambda: all(one in served.read_text() for one in new), what="each new one has answered")
    result = stopped(load)

    assert result["failed"] == 0
    assert set(result["by_instance"]) == {f"web-{number}" for number in range(1, 7)}  # three of each release
    assert b"pear" in ask(url, path).body
    assert running.service()["release"] == 2
