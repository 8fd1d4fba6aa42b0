"""What runs can be looked at and stopped, whatever has become of its file and its control plane."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from acceptance.running import Running
from acceptance.small import file, server
from flyball.local.process import processes

pytestmark = pytest.mark.live

BROKEN = "name = \n[services"


@pytest.fixture
def running(place: Callable[..., Running]) -> Running:
    made = place(files={"flyball.toml": file(instances="1"), "server.py": server("one")})
    made.up()
    return made


def spoil(running: Running, how: str) -> None:
    path = running.directory / "flyball.toml"
    match how:
        case "broken":
            path.write_text(BROKEN)
        case "gone":
            path.unlink()
        case "renamed":
            path.write_text(path.read_text().replace('name = "small"', 'name = "large"'))


def started(running: Running) -> list[processes.Process]:
    """Every process that outlives the control plane."""
    loaded = [processes.load(path) for path in running.paths.processes.glob("*.json")]
    return [one[0] for one in loaded if one is not None]


@pytest.mark.parametrize(("how", "control_plane"), [("broken", "gone"), ("gone", "gone"), ("gone", "there")])
def test_it_is_stopped_whatever_its_file_says_by_now(running: Running, how: str, control_plane: str) -> None:
    spoil(running, how)
    assert running.ps()["application"] == "small"
    assert [one["kind"] for one in running.events()].count("in_service") == 1
    assert "starting one" in running.flyball("logs").stdout
    everything, sockets = started(running), running.paths.sockets
    if control_plane == "gone":
        running.kill_control_plane()
    done = running.flyball("down")

    assert "stopped; the data is kept" in done.stderr
    assert len(everything) == 2
    assert not any(processes.alive(one) for one in everything)
    assert running.flyball("down", check=False).returncode == 3
    # It lies in the temporary directory where the path of the application is too long for a socket.
    assert sockets.is_relative_to(running.directory) or not sockets.exists()


def test_up_refuses_another_name_while_it_runs(running: Running) -> None:
    instance = running.pids()
    running.kill_control_plane()
    spoil(running, "renamed")
    refused = running.flyball("up", "-d", check=False)

    assert refused.returncode == 2
    assert "name: small -> large: this cannot change while it runs; `flyball down` first" in refused.stderr
    running.flyball("down")
    running.up()
    assert running.ps()["application"] == "large"
    assert running.pids() != instance
