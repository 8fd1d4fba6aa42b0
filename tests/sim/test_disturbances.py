"""What breaks in a simulation, and rollouts under traffic: the governor answers as it does live."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flyball.cli.main import outcome

FILE = """
name = "shop"
[services.web]
run = "serve"
routes = ["/"]
stores = ["messages"]
health = { path = "/health", every = "2s", timeout = "1s" }
instances = { min = 4, max = 8 }
[services.web.scale]
target = { cpu = 50 }
[stores.messages]
kind = "table"
key = { id = "string" }
"""
STEADY = ["--stages", "100:2m", "--seed", "4"]


@pytest.fixture
def simulated(tmp_path: Path, capsys):
    path = tmp_path / "flyball.toml"
    path.write_text(FILE)

    def run(*words: str) -> dict:
        assert outcome(["simulate", str(path), *STEADY, *words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def kinds(found: dict) -> list[str]:
    return [event["kind"] for event in found["events"]]


def test_nothing_happens_to_a_steady_load(simulated):
    assert "failed" not in kinds(simulated())


def test_a_crashed_instance_is_replaced_and_no_request_is_lost(simulated):
    found = simulated("--fault", "crash web-2 at 30s")

    assert found["failed"] == 0
    assert [one["instance"] for one in found["events"] if one["kind"] == "failed"] == ["web-2"]
    assert "web-5" in [one["instance"] for one in found["events"] if one["kind"] == "in_service"]


def test_a_frozen_instance_is_left_out_of_the_balancer_and_replaced(simulated):
    found = simulated("--fault", "freeze web-1 at 30s for 1m")

    assert any(one["kind"] == "unhealthy" and "no answer in time" in one["reason"] for one in found["events"])
    assert found["latency_ms"]["p50"] < 10
    late = [row for row in found["timeline"] if row["t"] > 60]
    assert all(row["in_service"] >= 4 for row in late)


def test_a_lost_zone_costs_half_the_capacity_until_the_other_has_it(simulated):
    found = simulated("--fault", "zone a at 30s for 1m")

    assert min(row["in_service"] for row in found["timeline"]) <= 2
    assert found["timeline"][-1]["in_service"] >= 4
    assert found["failed"] < 0.01 * found["requests"]


def test_a_lost_store_makes_errors_while_it_is_away(simulated):
    found = simulated("--fault", "store messages at 30s for 10s")

    assert found["failed"] == pytest.approx(1000, rel=0.15)
    assert all(row["failed"] == 0 for row in found["timeline"] if not 29 <= row["t"] <= 40)


def test_a_slow_instance_is_slow(simulated):
    usual = simulated("--set", "services.web.instances.max=4")
    slow = simulated("--set", "services.web.instances.max=4", "--fault", "slow web at 10s for 100s by 3")

    assert slow["latency_ms"]["p99"] > 1.5 * usual["latency_ms"]["p99"]


def test_a_release_is_rolled_out_under_traffic(simulated):
    found = simulated("--deploy", "30s", "--slower", "1.5")

    assert "rollout_completed" in kinds(found)
    assert found["failed"] == 0


def test_a_failing_release_is_rolled_back_by_its_alarm(simulated):
    alarms = 'services.web.deploy={ alarms = [{ when = "errors > 2%", for = "5s" }], bake = "30s" }'
    found = simulated("--deploy", "30s", "--failing", "20%", "--set", alarms)

    assert "rolled_back" in kinds(found)
    assert found["failed"] > 0
    assert found["timeline"][-1]["failed"] == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--fault", "earthquake"], '"zone a at 10m for 5m"'),
        (["--fault", "zone a at 10m"], "is none; write one of"),
        (["--fault", "zone z at 10m for 5m"], "there is no zone z; there are: a, b"),
        (["--fault", "store cache at 1m for 1m"], "there is no store cache; there are: messages"),
        (["--fault", "crash db at 1m"], "there is no service db; there are: web"),
        (["--fault", "slow web at 1m for 1m"], "only slow has a factor"),
        (["--fault", "slow web at 1s for 1s by 1.2.3"], "is none; write one of"),
        (["--fault", "zone a at 10m for 5m"], "comes too late: the traffic is over after"),
        (["--deploy", "10m"], "--deploy 10m comes too late: the traffic is over after"),
        (["--fault", "freeze web at soon for 1m"], '"soon" is not a duration'),
        (["--slower", "2"], "give --deploy"),
        (["--deploy", "30s", "--failing", "many"], '"many" is not a share'),
        (["--deploy", "30s", "--slower", "0"], "--slower is more than 0"),
    ],
)
def test_what_cannot_happen_is_refused(tmp_path, capsys, words, sentence):
    path = tmp_path / "flyball.toml"
    path.write_text(FILE)

    assert outcome(["simulate", str(path), *STEADY, *words]) == 2
    assert sentence in capsys.readouterr().err
