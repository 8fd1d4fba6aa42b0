"""`git push flyball main` with the real git client: what passes rolls out, what fails changes nothing."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from acceptance.running import Running
from acceptance.small import file, load, pipeline, server

pytestmark = pytest.mark.live
PUSHER = {
    "GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.org",
    "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
}  # fmt: skip
RULES = "import os\nassert os.environ['PORT']\nassert 'teapot' not in open('server.py').read(), 'we serve no tea'\n"
TESTED = 'test = "python3 rules.py && echo every rule holds"'


def git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=directory, env={**os.environ, **PUSHER}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def push(running: Running, subject: str, **files: str) -> str:
    """Commit these files and push; what the pusher sees."""
    for name, text in files.items():
        (running.directory / name.replace("_", ".")).write_text(text)
    git(running.directory, "add", ".")
    git(running.directory, "commit", "-q", "--allow-empty", "-m", subject)
    return git(running.directory, "push", "flyball", "main")


def answer(running: Running) -> str:
    connection = http.client.HTTPConnection(urlsplit(running.ps()["url"]).netloc, timeout=60)
    connection.request("GET", "/")
    try:
        return connection.getresponse().read().decode()
    finally:
        connection.close()


@pytest.fixture
def shop(place: Callable[..., Running], tmp_path: Path) -> Running:
    """The application in a directory of a repository that holds more than it, up, with its remote."""
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "README.md").write_text("more than one application\n")
    running = place(
        files={
            "flyball.toml": file(instances="{ min = 2, max = 4 }", test=TESTED),
            "server.py": server("one"),
            "rules.py": RULES,
        }
    )
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    running.up()
    return running


def test_a_good_push_rolls_out_and_a_bad_one_changes_nothing(shop: Running) -> None:
    with load(shop, rate=100) as result:
        seen = push(shop, "say two", server_py=server("two"))
        assert "remote: test     ok" in seen
        assert "remote: rollout  ok" in seen
        assert "web 2" in seen
        assert answer(shop) == "two"
        before = shop.pids()

        seen = push(shop, "tea", server_py=server("teapot"))
        assert "remote: test     FAILED" in seen
        assert "AssertionError: we serve no tea" in seen
        assert "the running release stays" in seen

        broken = file(instances="{ min = 5, max = 4 }", test=TESTED)
        seen = push(shop, "more than most", flyball_toml=broken, server_py=server("two"))
        assert "remote: source   FAILED" in seen
        assert "max: 4 is below min 5" in seen

        assert shop.pids() == before
        assert answer(shop) == "two"
        seen = push(shop, "room to grow", flyball_toml=file(instances="{ min = 2, max = 7 }", test=TESTED))
        assert "services.web.instances.max: 4 -> 7" in seen
        assert "remote: rollout  skipped" in seen

    assert result["failed"] == 0, result
    assert shop.pids() == before
    assert shop.service()["capacity"]["max"] == 7
    runs = pipeline(shop)
    assert [one["status"] for one in runs] == ["succeeded", "failed", "failed", "succeeded"]
    first = runs[-1]
    assert [one["name"] for one in first["stages"]] == ["source", "build", "test", "release", "rollout"]
    assert all(one["ended_at"] >= one["started_at"] for one in first["stages"])
    assert (first["author"], first["subject"]) == ("Ann", "say two")
    log = shop.paths.logs / f"{first['stages'][2]['log']}.log"
    assert "every rule holds" in log.read_text()
    assert "rollout  ok" in shop.flyball("pipeline", "1").stdout


def test_a_release_that_does_not_start_is_taken_back_and_the_pusher_sees_why(shop: Running) -> None:
    seen = push(shop, "oh", server_py=server("two", crash_s=0))
    assert "remote: rollout  FAILED" in seen
    assert "failed instances" in seen
    assert "fatal: no widget was found" in seen
    assert answer(shop) == "one"
    assert shop.service()["release"] == 1
    assert pipeline(shop)[0]["status"] == "failed"


def test_a_push_while_the_control_plane_is_down_is_kept_and_runs_later(shop: Running) -> None:
    shop.kill_control_plane()
    push(shop, "one and a half", server_py=server("one and a half"))
    seen = push(shop, "two", server_py=server("two"))
    assert "the push is kept and runs when `flyball up` comes back" in seen
    (shop.directory / "server.py").write_text(server("one"))  # as `up` saw it last: the push is what counts
    shop.flyball("up", "-d")
    shop.until(lambda: len(pipeline(shop)) == 2, what="the pushes are taken up")
    shop.until(lambda: pipeline(shop)[0]["status"] != "running", what="the push has passed")

    runs = {one["subject"] or "superseded": one["status"] for one in pipeline(shop)}
    assert runs == {"two": "succeeded", "superseded": "superseded"}
    assert answer(shop) == "two"
    assert list(shop.paths.spool.iterdir()) == []


def test_a_push_whose_control_plane_is_killed_goes_on_where_it_was(shop: Running) -> None:
    (shop.directory / "server.py").write_text(server("two", start_s=10))
    git(shop.directory, "commit", "-q", "-a", "-m", "slow to start")
    pushing = subprocess.Popen(
        ["git", "push", "flyball", "main"], cwd=shop.directory, stderr=subprocess.PIPE, text=True
    )
    shop.until(lambda: shop.service()["rollout"] is not None, what="the rollout has begun")
    os.kill(shop.ps()["control"]["pid"], signal.SIGKILL)
    _, seen = pushing.communicate(timeout=60)
    assert "the push is kept" in seen
    assert pushing.returncode == 0
    shop.flyball("up", "-d")
    shop.until(lambda: pipeline(shop)[0]["status"] == "succeeded", what="the push has passed")
    assert answer(shop) == "two"
    assert shop.service()["release"] == 2
    assert len(pipeline(shop)) == 1
