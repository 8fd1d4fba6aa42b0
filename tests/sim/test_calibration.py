"""What was measured of a run: from a journal whose numbers are known, because it is a simulation's."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from flyball.cli.main import outcome
from flyball.sim import ASSUMED, Calibration, calibrated
from flyball.sim.numbers import mean

FILE = """
name = "shop"
[services.web]
run = "serve"
build = "make"
routes = ["/"]
instances = { min = 2, max = 4 }
[services.web.scale]
target = { cpu = 50 }
"""


@pytest.fixture
def place(tmp_path: Path, capsys) -> Path:
    """An application with the journal of a simulation whose requests take 6 ms and whose starts take 3 s."""
    (tmp_path / "flyball.toml").write_text(FILE)
    words = ["--stages", "20:60s,80:60s,10:60s", "--request", "6ms", "--start", "3s", "--keep", str(tmp_path)]
    assert outcome(["simulate", str(tmp_path), *words]) == 0
    capsys.readouterr()
    return tmp_path


def access_log(draw: Random) -> list[str]:
    """Half of them alone for 4 to 14 ms, then pairs that overlap and would mislead."""
    rows = []
    for number in range(400):
        row = {"service": "web", "instance": "web-1", "status": "200"}
        rows.append(json.dumps(row | {"at": f"{number:.3f}", "instance_ms": draw.randint(4, 13)}))
        rows += [json.dumps(row | {"at": f"{number + late:.3f}", "instance_ms": 400}) for late in (0.5, 0.51)]
    return rows


def test_a_journal_tells_what_instances_do(place, capsys):
    assert outcome(["simulate", str(place), "--calibrate"]) == 0
    capsys.readouterr()
    assert outcome(["simulate", str(place), "--stages", "20:30s", "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)["services"]["web"]["numbers"]

    measured = {name for name, told in numbers.items() if told["source"] == "measured"}
    assert measured == {"work_ms", "start_s", "health_s", "stop_s", "build_s", "memory_percent"}
    assert numbers["work_ms"]["value"]["mean"] == pytest.approx(6.0, rel=0.05)
    assert numbers["start_s"]["value"]["mean"] == pytest.approx(3.0, rel=0.3)
    assert numbers["stop_s"]["value"]["mean"] == pytest.approx(0.3, abs=0.1)
    assert numbers["build_s"]["value"] == pytest.approx(1.0)


def test_what_the_command_line_says_counts_more(place, capsys):
    assert outcome(["simulate", str(place), "--calibrate"]) == 0
    capsys.readouterr()
    assert outcome(["simulate", str(place), "--stages", "20:30s", "--start", "9s", "--json"]) == 0

    told = json.loads(capsys.readouterr().out)["services"]["web"]["numbers"]
    assert told["start_s"]["source"] == "given"
    assert told["work_ms"]["source"] == "measured"


def test_only_requests_that_were_alone_tell_how_long_one_takes(place, capsys):
    log = place / ".flyball" / "logs" / "access.log"
    log.parent.mkdir()
    log.write_text("\n".join([*access_log(Random(1)), '{"torn', "not json"]))
    assert outcome(["simulate", str(place), "--calibrate"]) == 0
    capsys.readouterr()
    assert outcome(["simulate", str(place), "--stages", "20:30s", "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)["services"]["web"]["numbers"]

    # 9 ms alone, 6 ms of them on the processor: the rest is waiting.
    assert numbers["work_ms"]["value"]["mean"] + numbers["wait_ms"]["value"]["mean"] == pytest.approx(9.0, rel=0.05)
    assert numbers["wait_ms"]["source"] == "measured"


def test_without_anything_seen_nothing_is_measured():
    assert calibrated([], [], ASSUMED, cores=2) == Calibration()
    assert mean(ASSUMED.work) == pytest.approx(0.003)


def test_an_application_that_never_ran_cannot_be_calibrated(tmp_path, capsys):
    (tmp_path / "flyball.toml").write_text(FILE)

    assert outcome(["simulate", str(tmp_path), "--calibrate"]) == 2
    assert "there is no journal" in capsys.readouterr().err


def test_a_broken_calibration_is_told(tmp_path, capsys):
    (tmp_path / "flyball.toml").write_text(FILE)
    (tmp_path / ".flyball").mkdir()
    (tmp_path / ".flyball" / "calibration.json").write_text("{")

    assert outcome(["simulate", str(tmp_path), "--stages", "5:5s"]) == 2
    assert "write it anew with: flyball simulate --calibrate" in capsys.readouterr().err
