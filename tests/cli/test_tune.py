"""`flyball tune` from the command line: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flyball.cli.main import outcome
from flyball.core.manifest import parse
from manifests import SESSION_APP, VISITOR_BOARD, one_service

FILE = one_service(
    'routes = ["/"]\nhealth = "/health"   # asked by the balancer\ninstances = { min = 1, max = 8 }\n'
    "[services.web.scale]\ntarget = { cpu = 20 }        # careful"
)
FAST = ["--request", "10ms", "--runs", "16", "--seeds", "1"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flyball.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


@pytest.fixture
def day(tmp_path: Path) -> str:
    path = tmp_path / "day.csv"
    path.write_text("".join(f"{at},{20 + at // 2 % 40}\n" for at in range(0, 160, 10)))
    return str(path)


def tuned(file: Path, capsys, *words: str, exits: int = 0) -> dict:
    assert outcome(["tune", "web", "--file", str(file), *FAST, *words, "--json"]) == exits
    return json.loads(capsys.readouterr().out)


def refused(file: Path, capsys, *words: str) -> str:
    assert outcome(["tune", *words, "--file", str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return err


def test_it_finds_writes_and_keeps_the_comments(file, day, capsys, tmp_path):
    html = tmp_path / "found.html"
    found = tuned(file, capsys, "--slo", "p99 < 2s", "--trace", day, "--html", str(html), "--write")
    chosen = found["chosen"]

    assert found["slo"] == "p99 < 2s"
    assert chosen["instance_hours"] < found["today"]["instance_hours"]
    assert chosen["bad_requests"] <= 0.05 * chosen["requests"]
    assert {"set", "instance_hours", "cost_usd", "bad_requests", "p99_ms"} <= found["front"][0].keys()
    assert found["today"]["set"] == {}
    text = file.read_text()
    assert "# asked by the balancer" in text
    assert parse(text) != parse(FILE)
    assert "<title>today</title>" in html.read_text()
    assert list((tmp_path / ".flyball").glob("tune-web.jsonl"))


def test_writing_follows_a_link_and_keeps_who_may_read(file, day, capsys, tmp_path):
    real = tmp_path / "kept.toml"
    file.rename(real)
    real.chmod(0o640)
    file.symlink_to(real)
    tuned(file, capsys, "--slo", "p99 < 2s", "--trace", day, "--write")

    assert file.is_symlink()
    assert real.read_text() != FILE
    assert real.stat().st_mode & 0o777 == 0o640


def test_an_slo_that_nothing_meets_is_said_and_writes_nothing(file, day, capsys):
    found = tuned(file, capsys, "--slo", "p99 < 2ms", "--trace", day, "--write", exits=1)

    assert found["chosen"] is None
    assert found["nearest"]["bad_share"] > 0.01
    assert file.read_text() == FILE
    assert outcome(["tune", "web", "--file", str(file), *FAST, "--slo", "p99 < 2ms", "--trace", day]) == 1
    out, err = capsys.readouterr()
    assert "None holds p99 < 2ms; the nearest one has" in err
    assert "A longer --budget tries more settings." in err
    assert "Nothing was measured" in err
    assert "nearest" in out


def test_the_text_says_what_to_change_and_that_it_goes_on(file, day, capsys):
    words = ["tune", "web", "--file", str(file), *FAST, "--slo", "p99 < 2s", "--trace", day]

    assert outcome(words) == 0
    first = capsys.readouterr().out
    assert outcome(words) == 0
    out, err = capsys.readouterr()
    assert out == first  # the same runs, the same result
    assert "instance-hours".upper() in out
    assert "today" in out
    assert "going on where a search was interrupted" in err


def test_what_cannot_be_searched_is_a_sentence(file, day, capsys, tmp_path):
    slo, trace = ["--slo", "p99 < 1s"], ["--trace", day]
    short = tmp_path / "short.csv"
    short.write_text("0,50\n0.5,50\n")

    assert "there is no service api; the file has: web" in refused(file, capsys, "api", *slo, *trace)
    assert '"200ms" is no SLO; write "p99 < 200ms"' in refused(file, capsys, "web", "--slo", "200ms", *trace)
    assert "promises what nothing can keep" in refused(file, capsys, "web", "--slo", "p99 < 0ms", *trace)
    assert "--request: more than 0" in refused(file, capsys, "web", *slo, *trace, "--request", "0ms")
    nowhere = tmp_path / "nowhere" / "found.html"
    assert "there is no directory" in refused(file, capsys, "web", *slo, *trace, "--html", str(nowhere))
    assert "cpu is nothing that a user feels" in refused(file, capsys, "web", "--slo", "cpu < 5%", *trace)
    assert "give the traffic: --trace FILE" in refused(file, capsys, "web", *slo)
    assert "shorter than one period of web (1 s)" in refused(file, capsys, "web", *slo, "--trace", str(short))
    assert "--runs: 1 or more" in refused(file, capsys, "web", *slo, *trace, "--runs", "0")
    assert "--budget: more than 0s" in refused(file, capsys, "web", *slo, *trace, "--budget", "0s")
    assert "--seeds: 1 to 100" in refused(file, capsys, "web", *slo, *trace, "--seeds", "0")
    assert "--size: more than 0 cores" in refused(file, capsys, "web", *slo, *trace, "--size", "0")
    short.write_text("0,1\n5,1\n")
    assert "too few to judge an SLO" in refused(file, capsys, "web", *slo, "--trace", str(short))
    file.write_text(VISITOR_BOARD)
    assert "--size: on EC2 an instance is a whole machine" in refused(file, capsys, "web", *slo, *trace, "--size", "1")
    file.write_text(SESSION_APP.replace('routes    = ["/"]', ""))
    assert "app has no route" in refused(file, capsys, "app", *slo, *trace)
