"""A changed file: shown before it is applied, and applied without touching an instance where that is possible."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from acceptance.running import Running
from acceptance.small import file, server

pytestmark = pytest.mark.live


def plan(running: Running) -> tuple[int, dict[str, Any]]:
    done = running.flyball("plan", "--json", check=False)
    return done.returncode, json.loads(done.stdout)


def edit(running: Running, old: str, new: str) -> None:
    path = running.directory / "flyball.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_what_needs_no_restart_is_applied_to_the_running_instances(place: Callable[..., Running]) -> None:
    running = place(files={"flyball.toml": file(instances="{ min = 2, max = 4 }"), "server.py": server("one")})
    assert running.flyball("plan", check=False).returncode == 3
    running.up()
    assert plan(running)[0] == 0
    assert "nothing would change" in running.flyball("plan").stderr
    pids = running.pids()

    edit(running, "max = 4", "max = 6")
    edit(running, 'routes = ["/"]', 'routes = ["/", "/more"]')
    edit(running, 'every = "1s"', 'every = "2s"')
    edit(running, 'drain = "10s"', 'drain = "5s"')
    code, found = plan(running)
    assert code == 2
    assert {one["path"] for one in found["changes"]} == {
        "services.web.routes",
        "services.web.health.interval_s",
        "services.web.instances.max",
        "services.web.deploy.deregistration_delay_s",
    }
    assert {one["effect"] for one in found["changes"]} == {"at once"}
    assert not found["services"][0]["new_release"]

    done = running.flyball("deploy")
    assert "services.web.instances.max: 4 -> 6" in done.stderr
    assert running.pids() == pids
    assert running.service()["capacity"]["max"] == 6
    assert running.service()["release"] == 1
    assert plan(running)[0] == 0
    assert "nothing has changed" in running.flyball("deploy").stderr


def test_what_needs_a_new_release_is_rolled_out(place: Callable[..., Running]) -> None:
    running = place(files={"flyball.toml": file(instances="{ min = 2, max = 4 }"), "server.py": server("one")})
    running.up()
    edit(running, "[services.web.deploy]", 'env = { COLOUR = "red" }\n[services.web.deploy]')
    (running.directory / "server.py").write_text(server("two"))
    code, found = plan(running)
    assert code == 2
    assert found["changes"] == [{"path": "services.web.env.COLOUR", "from": None, "to": "red", "effect": "new release"}]
    assert found["services"] == [{"service": "web", "release": 1, "source_changed": True, "new_release": True}]
    before = running.pids()
    running.flyball("deploy")
    assert not set(before) & set(running.pids())
    assert running.service()["release"] == 2
    assert plan(running)[0] == 0

    edit(running, 'name = "small"', 'name = "large"')
    refused = running.flyball("deploy", check=False)
    assert refused.returncode != 0
    assert "name: small -> large" in refused.stderr
    assert "flyball down" in refused.stderr
