"""What was measured of a run: from a journal whose numbers are known, because it is a simulation's."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from flyball.cli.main import outcome
from flyball.core.control.replay import Recorded
from flyball.local.face import Journal
from flyball.sim import ASSUMED, Calibration, calibrated
from flyball.sim.numbers import NOTHING, drawn, mean

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
    """All that find nobody take 4 to 14 ms; those that find another one take long and would mislead."""
    rows = []
    for number in range(400):
        row = {"service": "web", "instance": "web-1", "status": "200"}
        rows.append(json.dumps(row | {"at": f"{number:.3f}", "instance_ms": draw.randint(4, 13)}))
        rows.append(json.dumps(row | {"at": f"{number + 0.5:.3f}", "instance_us": 9000}))
        rows.append(json.dumps(row | {"at": f"{number + 0.5085:.4f}", "instance_ms": 400}))
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


def test_only_requests_that_found_nobody_tell_how_long_one_takes(place, capsys):
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


def measured_again(place: Path, log: list[str], *, load: str | None = None, background=0.3, request_s=0.002):
    """The kept journal, on a machine of two cores that others use, too."""

    def on_a_machine(step: Recorded) -> Recorded:
        share = step.app.service("web").size.cpu
        used = sum(share * (one.cpu_percent or 0.0) / 100 for one in step.seen.samples)
        others = background + request_s * sum(one.answered for one in step.seen.samples)
        return replace(step, seen=replace(step.seen, busy_percent=50 * (used + others)))

    with closing(Journal(place / ".flyball" / "journal.db")) as journal:
        steps = [on_a_machine(step) for step in journal.steps()]
    return calibrated(steps, log, ASSUMED, cores=2, load=load)


def line(number: int, took_ms: float, path: str = "/") -> str:
    row = {"service": "web", "instance": "web-1", "status": "200", "at": f"{number * 0.5:.6f}", "path": path}
    return json.dumps(row | {"instance_us": took_ms * 1000, "duration_us": took_ms * 1000 + 200})


def test_what_others_use_of_the_machine_is_told_apart(place):
    machine = measured_again(place, []).machine

    assert machine is not None
    assert machine.cores == 2
    assert machine.background == pytest.approx(0.3, abs=0.02)
    assert machine.request_s == pytest.approx(0.002, rel=0.1)
    assert drawn(machine.stall, 0.99) < 0.02


def test_each_route_has_its_own_times(place):
    text = (place / "flyball.toml").read_text().replace('routes = ["/"]', 'routes = ["/", "/slow"]')
    (place / "flyball.toml").write_text(text)
    shutil.rmtree(place / ".flyball")
    words = ["--stages", "20:60s", "--request", "6ms", "--keep", str(place)]
    assert outcome(["simulate", str(place), *words]) == 0
    log = [line(n, 12.0, "/slow/1?x") if n % 4 == 0 else line(n, 4.0) for n in range(400)]

    numbers = measured_again(place, log).services["web"]

    assert [(one.route, round(one.share, 2)) for one in numbers.routes] == [("/", 0.75), ("/slow", 0.25)]
    assert [mean(one.work) for one in numbers.routes] == pytest.approx([4.0e-3, 12.0e-3], rel=0.06)
    assert [one.release for one in numbers.releases] == [1]
    assert numbers.of_release(1).work == numbers.work


def test_a_few_that_stood_in_the_way_do_not_count_as_work(place):
    numbers = measured_again(place, [line(n, 80.0 if n % 50 == 0 else 6.2) for n in range(400)]).services["web"]

    assert mean(numbers.work) == pytest.approx(6e-3, rel=0.05)
    assert max(numbers.work) < 7e-3
    assert max(numbers.wait) > 0.07


def test_a_request_that_stood_still_tells_so_even_if_others_came_meanwhile(place):
    """Of those that stand still for 50 ms hardly any stay alone: nobody may conclude that none does."""
    log = [line(n, 6.2) for n in range(400)]
    for number in range(100, 110):
        still = json.loads(line(number, 56.2))
        later = still | {"at": f"{number * 0.5 + 0.03:.6f}", "instance_us": 32_000, "duration_us": 32_200}
        log[number : number + 1] = [json.dumps(still)]
        log.append(json.dumps(later))

    numbers = measured_again(place, log).services["web"]

    assert drawn(numbers.wait, 0.99) == pytest.approx(0.045, abs=0.006)


def test_the_way_is_not_long_for_every_request_that_takes_long(place):
    """The balancer has one of fifty for 20 ms, but never those that take their instance long."""
    rows = [line(n, 40.0 if n % 50 == 25 else 6.0) for n in range(1000)]
    log = [
        json.dumps(row | {"duration_us": row["duration_us"] + (20_000 if n % 50 == 0 else 0)})
        for n, row in enumerate(map(json.loads, rows))
    ]

    numbers = measured_again(place, log).services["web"]

    assert drawn(numbers.way, 0.99) < 1e-3
    assert drawn(numbers.way, 0.97) > 1e-2


def test_what_a_late_load_adds_is_told_quantile_by_quantile(place):
    lag = {"p50": 0.1, "p90": 0.2, "p95": 1.0, "p99": 9.0, "max": 90.0}
    latency = {"p50": 7.0, "p90": 7.2, "p95": 7.4, "p99": 12.0, "max": 99.0}
    sent = {"p50": 6.9, "p90": 7.0, "p95": 7.1, "p99": 11.5, "max": 60.0}
    told = {"began": 0.0, "ended": 100.0, "valid": True, "latency_ms": latency, "send_lag_ms": lag, "service_ms": sent}

    way = measured_again(place, [line(n, 6.0) for n in range(400)], load=json.dumps(told)).services["web"].way

    # 0.2 ms in the balancer, 0.7 ms to it and back, and in the last percent 0.5 ms too late.
    assert drawn(way, 0.5) == pytest.approx(1.0e-3, abs=0.05e-3)
    assert drawn(way, 0.999) == pytest.approx(1.4e-3, abs=0.1e-3)


def test_the_visitors_way_is_what_the_load_saw_beyond_the_balancer(place):
    lag = {"p50": 0.1, "p90": 0.2, "p95": 1.0, "p99": 3.0, "max": 9.0}
    told = {"began": 0.0, "ended": 100.0, "valid": True, "latency_ms": {"p50": 7.0}, "send_lag_ms": lag}
    log = [line(n, 6.0) for n in range(400)]

    way = measured_again(place, log, load=json.dumps(told)).services["web"].way

    # 7.0 ms there and back, 6.2 of them in the balancer and behind it, 0.2 of these its own.
    assert drawn(way, 0.5) == pytest.approx(1.0e-3, abs=0.05e-3)
    assert drawn(way, 0.99) == pytest.approx(3.9e-3, abs=0.2e-3)
    assert measured_again(place, log, load=json.dumps(told | {"valid": False})).services["web"].way == way
    for bad in ("{", "{}"):
        own = measured_again(place, log, load=bad).services["web"].way
        assert drawn(own, 0.5) == pytest.approx(0.2e-3)
    assert measured_again(place, log[:50]).services["web"].way == NOTHING


def test_a_request_after_a_rest_takes_longer(place):
    def at(seconds: float, took_ms: float) -> str:
        return json.dumps(json.loads(line(0, took_ms)) | {"at": f"{seconds:.6f}"})

    # One comes 1 ms after another has ended: a quarter of the 2 ms that a whole rest costs.
    log = [row for n in range(200) for row in (at(n, 6.5), at(n + 0.0075, 5.0))]

    numbers = measured_again(place, log).services["web"]

    assert numbers.cold_s == pytest.approx(2e-3, rel=0.01)
    assert max(numbers.work) + max(numbers.wait) == pytest.approx(4.5e-3, rel=0.1)
    assert mean(numbers.work) == pytest.approx(6e-3 - 0.625 * 2e-3, rel=0.1)


def test_what_other_programs_need_at_times_is_no_price_of_requests(place):
    def busy(step: Recorded) -> Recorded:
        answered = sum(one.answered for one in step.seen.samples)
        return replace(step, seen=replace(step.seen, busy_percent=90.0 if answered > 70 and step.at % 5 < 2 else 30.0))

    with closing(Journal(place / ".flyball" / "journal.db")) as journal:
        machine = calibrated([busy(step) for step in journal.steps()], [], ASSUMED, cores=2).machine

    assert machine is not None
    assert machine.request_s < 0.001
    assert max(machine.seconds) > 1.2 > min(machine.seconds)


def test_a_measured_release_can_be_chosen_and_deployed(place, capsys):
    assert outcome(["simulate", str(place), "--calibrate"]) == 0
    made = place / ".flyball" / "calibration.json"
    told = json.loads(made.read_text())
    (old,) = told["services"]["web"]["releases"]
    told["services"]["web"]["releases"] = [old, old | {"release": 2, "work": [0.02, 0.02]}]
    made.write_text(json.dumps(told))
    capsys.readouterr()

    def p50(*words: str) -> float:
        assert outcome(["simulate", str(place), "--stages", "5:60s", "--json", *words]) == 0
        return json.loads(capsys.readouterr().out)["latency_ms"]["p50"]

    assert p50("--release", "2") > 19 > p50("--release", "1")
    assert p50("--release", "1", "--deploy", "1s", "--to", "2") > 19
    for words in (["--release", "3"], ["--deploy", "1s", "--to", "3"], ["--to", "2"]):
        assert outcome(["simulate", str(place), "--stages", "5:60s", *words]) == 2
    said = capsys.readouterr().err
    assert "release 3 of web was not measured; measured are: 1, 2" in said
    assert "say when with --deploy" in said
