"""`flyball simulate`, from the command line to its report."""

from __future__ import annotations

import gzip
import json

import pytest

from flyball.cli.main import outcome
from flyball.core.errors import FileError
from sim.simulating import simulated

FILE = """
name = "shop"
[services.web]
run = "serve"
routes = ["/"]
health = "/health"
instances = { min = 1, max = 10 }
[services.web.scale]
target = { cpu = 50 }
"""
STEP = ["--stages", "20:30s,200:60s,20:60s"]


def refused(capsys, *words: str) -> str:
    assert outcome(["simulate", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_adaptive_goes_to_what_is_offered_within_a_second(tmp_path, capsys):
    (tmp_path / "flyball.toml").write_text(FILE.replace("target = { cpu = 50 }", 'adaptive = { slo = "p99 < 200ms" }'))
    found = simulated(capsys, str(tmp_path), "--stages", "20:20s,300:20s,20:30s", "--seed", "3")
    outs = [event for event in found["events"] if event["kind"] == "scale_out"]

    assert found["failed"] == 0
    assert 20.0 < outs[0]["at"] < 21.0
    assert "/s now, " in outs[0]["reason"]
    assert max(row["desired"] for row in found["timeline"]) >= 4
    assert found["timeline"][-1]["desired"] <= 2


def test_a_burst_that_comes_again_finds_its_instances_there(tmp_path, capsys):
    (tmp_path / "flyball.toml").write_text(FILE.replace("target = { cpu = 50 }", 'adaptive = { slo = "p99 < 200ms" }'))
    found = simulated(capsys, str(tmp_path), "--stages", "5:2m,150:1m,5:59m,150:20s", "--seed", "3")
    before = [event for event in found["events"] if event["kind"] == "in_service" and 3600.0 < event["at"] < 3720.0]

    assert len(before) >= 2
    assert any("/s expected at 01:0" in event["reason"] for event in found["events"])


def test_a_step_of_load_scales_out_and_in_again(file, capsys):
    found = simulated(capsys, file, *STEP, "--seed", "3")

    assert found["seed"] == 3
    assert found["requests"] == pytest.approx(13_800, rel=0.05)
    assert found["failed"] == 0
    assert found["scale_outs"] >= 2
    assert found["scale_ins"] >= 1
    assert 0.05 < found["instance_hours"] < 0.3
    assert 0 < found["latency_ms"]["p50"] < found["latency_ms"]["p95"] < found["latency_ms"]["p99"]
    assert [row["t"] for row in found["timeline"]] == [float(second) for second in range(150)]
    assert max(row["desired"] for row in found["timeline"]) >= 4
    assert found["timeline"][-1]["desired"] == found["timeline"][-1]["in_service"] == 1
    assert found["services"]["web"]["numbers"]["work_ms"]["source"] == "assumed"


def test_it_says_what_the_traffic_would_have_cost(tmp_path, file, capsys):
    here = simulated(capsys, file, *STEP)
    there = tmp_path / "far.toml"
    there.write_text(FILE + '[aws]\nregion = "ap-east-1"\n')

    assert 0.25 * 150 / 3_600 < here["cost_usd"] < 0.05
    assert simulated(capsys, str(there), *STEP)["cost_usd"] is None


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_arrivals(file, capsys):
    said = []
    for seed in ("1", "1", "2"):
        assert outcome(["simulate", file, *STEP, "--seed", seed]) == 0
        said.append(capsys.readouterr().out)

    assert said[0] == said[1] != said[2]


def test_the_report_has_decisions_and_says_what_is_assumed(file, capsys):
    assert outcome(["simulate", file, *STEP, "--request", "4ms"]) == 0
    said = capsys.readouterr().out

    assert "2 -> 4: cpu 100 % > 50 % for 3 of 3 points; 2 x 100 / 50 = 4 -> 4" in said
    assert "given:     work_ms 4.0" in said
    assert "Nothing was measured" in said


def test_set_changes_the_file_for_one_run(file, capsys):
    few = simulated(capsys, file, *STEP, "--set", "services.web.instances.max=2")
    late = simulated(capsys, file, *STEP, "--set", "services.web.scale.target.cpu=80", "--set", "name=other")

    assert max(row["desired"] for row in few["timeline"]) == 2
    assert late["instance_hours"] < simulated(capsys, file, *STEP)["instance_hours"]


def test_a_journal_can_be_kept_and_replayed(file, tmp_path, capsys):
    kept = tmp_path / "kept"
    assert outcome(["simulate", file, *STEP, "--keep", str(kept)]) == 0
    capsys.readouterr()

    assert outcome(["replay", "--file", str(kept), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["identical"] is True
    assert outcome(["events", "--file", str(kept), "--json"]) == 0
    assert "scale_out" in capsys.readouterr().out
    assert "exists already" in refused(capsys, file, *STEP, "--keep", str(kept))


def test_a_recording_is_played(file, tmp_path, capsys):
    trace = tmp_path / "trace.csv"
    trace.write_text("t,requests_per_second\n" + "".join(f"{second},{10}\n" for second in range(30)))

    found = simulated(capsys, file, "--trace", str(trace), "--scale", "2", "--speed", "0.5")

    assert len(found["timeline"]) == 60
    assert found["requests"] == pytest.approx(1200, rel=0.15)


def test_an_access_log_is_played(file, tmp_path, capsys):
    log = tmp_path / "access.log.gz"
    line = '::1 - - [10/Oct/2025:13:{:02}:{:02} +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n'
    log.write_bytes(gzip.compress("".join(line.format(*divmod(n // 7, 60)) for n in range(700)).encode()))

    found = simulated(capsys, file, "--trace", str(log))

    assert len(found["timeline"]) == 100
    assert found["requests"] == pytest.approx(700, rel=0.15)


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("5,1\n4,1\n", "do not rise"),
        ("0,-5\n1,5\n", "0 or more requests per second, not -5"),
        ("0,nan\n1,5\n", "0 or more requests per second, not nan"),
        ("", "no rows"),
        ("t,rps\n", "no rows"),
        ("0,0\n1,0\n", "has no requests"),
        ("0,5\n1,5\nx,y\n", 'line 3: "x,y"'),
        ("0,1e12\n1,5\n", "too many to simulate"),
        ("0,1\n1e9,1\n", "days; at most 366"),
        ("".join(f"{t},5\n" for t in [*range(20), *range(50, 70)]), "gap of 31 s after 19 s"),
        ("\x00\x01\x02\xff", "no rows"),
        ("2025-10-10 13:55:36 GET / - 80 - ::1 200\n" * 3, "an access log of an unknown form; known are"),
        ('{"level":"info","ts":1700000000.1,"status":200}\n' * 3, "an access log of an unknown form; known are"),
    ],
    ids=[
        "unsorted",
        "negative",
        "not a number",
        "empty",
        "heading",
        "silent",
        "words",
        "huge",
        "long",
        "gap",
        "binary",
        "log",
        "another program's JSON",
    ],
)
def test_a_bad_recording_is_refused(file, tmp_path, capsys, rows, sentence):
    trace = tmp_path / "trace.csv"
    trace.write_text(rows)

    assert sentence in refused(capsys, file, "--trace", str(trace))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "give exactly one of --trace FILE and --stages"),
        (["--stages", "5"], "is not a stage"),
        ([*STEP, "--service", "wbe"], "there is no service wbe; the file has: web"),
        ([*STEP, "--set", "x"], "is not KEY=VALUE"),
        ([*STEP, "--set", "services.wbe.run=x"], "did you mean web?"),
        ([*STEP, "--set", "services.web.scale.target.cp=60"], "unknown key `cp`, did you mean `cpu`?"),
        ([*STEP, "--set", "services.web.health.every=1s"], 'services.web.health is "/health" in the file'),
        ([*STEP, "--request", "soon"], '"soon" is not a duration'),
        (["--trace", "nowhere.csv"], "nowhere.csv: No such file"),
        ([*STEP, "--html", "nowhere/page.html"], "--html nowhere/page.html: there is no directory nowhere"),
        ([*STEP, "--html", "."], "--html . is a directory; name a file, such as report.html"),
    ],
)
def test_a_wrong_command_line_is_refused(file, capsys, words, sentence):
    assert sentence in refused(capsys, file, *words)


def test_an_application_without_routes_needs_a_service(tmp_path, capsys):
    path = tmp_path / "flyball.toml"
    path.write_text(FILE.replace('routes = ["/"]\n', ""))

    assert "name one with --service" in refused(capsys, str(path), *STEP)
    assert simulated(capsys, str(path), *STEP, "--service", "web")["requests"] > 0


def test_the_queue_of_the_file_is_modelled(file, capsys):
    burst = ["--stages", "20:10s,200:20s,20:60s"]
    limited = ["--set", "services.web.concurrency=2", "--set", "services.web.instances.max=1"]
    waits = simulated(capsys, file, *burst, *limited)
    refuses = simulated(capsys, file, *burst, *limited, "--set", "services.web.queue=0")
    there = simulated(capsys, file, *burst, *limited, "--set", "services.web.queue=0", "--as", "aws")

    assert waits["failed"] == 0
    assert refuses["failed"] > 500
    assert there["failed"] == 0  # an Application Load Balancer refuses nobody


def test_nobody_waits_in_the_queue_for_longer_than_the_file_says(file, capsys):
    burst = ["--stages", "20:10s,200:20s,20:60s", "--set", "services.web.instances.max=1"]
    longest = [*burst, "--set", "services.web.concurrency=2", "--set", 'services.web.queue={ max = 9999, wait = "2s" }']
    found = simulated(capsys, file, *longest)

    assert found["failed"] > 500
    assert 1_500 < found["latency_ms"]["p99"] < 2_600


def test_a_limit_that_adapts_follows_the_processor_time(file, capsys):
    found = simulated(capsys, file, "--stages", "20:10s,200:30s", "--set", "services.web.instances.max=1")
    said = [event["reason"] for event in found["events"] if event["kind"] == "concurrency"]

    assert "an instance works on at most" in said[0]
    assert "its health check is to wait 0.5 s at most" in said[0]
    assert found["failed"] == 0


def test_one_region_is_simulated_with_what_it_overlays(capsys, tmp_path):
    from flyball.cli.simulation import run

    file = tmp_path / "flyball.toml"
    regions = "[regions.us-east-1]\ninstances = 3\n[regions.eu-west-1]\n"
    file.write_text(f'name = "a"\n[services.web]\nrun = "serve"\nroutes = ["/"]\ninstances = 1\n{regions}')
    found = {}
    for region in ("us-east-1", "eu-west-1"):
        assert run(file, stages="5:30s", region=region, json=True) == 0
        found[region] = json.loads(capsys.readouterr().out)["instance_hours"]
    assert found["us-east-1"] > 2 * found["eu-west-1"]
    with pytest.raises(FileError, match="there is no region 'mars'; choose from: us-east-1, eu-west-1"):
        run(file, stages="5:30s", region="mars", json=True)


def test_what_of_the_file_is_left_out_is_said(capsys, tmp_path):
    file = tmp_path / "flyball.toml"
    file.write_text(FILE.replace("[services.web.scale]", 'sticky = "1h"\nsource = "."\n[services.web.scale]'))
    assert outcome(["simulate", str(file), "--stages", "5:5s"]) == 0
    err = capsys.readouterr().err
    assert "not simulated: services.web.balancing.stickiness.duration_s = 1h: visitors keep no cookie" in err
    assert err.count("not simulated") == 1
