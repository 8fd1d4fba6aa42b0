"""Two runs side by side, AWS's clock, and the page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from flyball.cli.main import outcome
from sim.simulating import simulated

FILE = """
name = "shop"
[services.web]
run = "serve"
routes = ["/"]
instances = { min = 1, max = 10 }
[services.web.scale]
target = { cpu = 50 }
[aws]
region = "eu-north-1"
compute = "ec2"
"""
STEP = ["--stages", "20:30s,200:60s,20:30s"]


def test_a_change_is_shown_beside_the_file_as_it_is(file, capsys):
    change = ["--set", "services.web.instances.max=2"]
    both = simulated(capsys, file, *STEP, *change, "--compare")

    before = both.pop("before")
    assert both == simulated(capsys, file, *STEP, *change)
    usual = simulated(capsys, file, *STEP)
    assert before == {key: usual[key] for key in before}
    assert before["requests"] == both["requests"], "the same seed gives both the same requests"

    assert outcome(["simulate", file, *STEP, *change, "--compare"]) == 0
    assert re.search(r"instance-hours +0\.\d+ +0\.\d+\n", capsys.readouterr().out)


def test_there_must_be_a_change_to_compare(file, capsys):
    assert outcome(["simulate", file, *STEP, "--compare"]) == 2
    assert "give --set, --deploy, --fault or --as aws" in capsys.readouterr().err


def test_aws_needs_minutes_for_what_takes_seconds_here(file, capsys):
    words = ["--stages", "20:5m,200:20m"]
    here = simulated(capsys, file, *words)
    there = simulated(capsys, file, *words, "--as", "aws")

    def first(found: dict, kind: str) -> float:
        return next(event["at"] for event in found["events"] if event["kind"] == kind and event["at"] > 300)

    assert first(here, "scale_out") - 300 < 10
    assert 120 < first(there, "scale_out") - 300 < 300
    assert first(there, "in_service") - first(there, "scale_out") > 40
    assert there["services"]["web"]["numbers"]["start_s"]["source"] == "assumed"
    assert there["latency_ms"]["p99"] > 10 * here["latency_ms"]["p99"]


class Page(HTMLParser):
    """Which tags are open, and what is fetched from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.fetched, self.charts = [], [], 0

    def handle_starttag(self, tag, attrs):
        self.fetched += [value for name, value in attrs if name in {"src", "href"}]
        self.charts += tag == "svg"
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing(file, tmp_path, capsys):
    made = tmp_path / "report.html"
    assert outcome(["simulate", file, *STEP, "--html", str(made), "--set", "name='a<b'", "--seed", "5"]) == 2
    assert not made.exists()
    capsys.readouterr()

    assert outcome(["simulate", file, *STEP, "--html", str(made), "--compare", "--fault", "crash web at 40s"]) == 0
    text = made.read_text()
    read = Page()
    read.feed(text)
    assert (read.open, read.fetched, read.charts) == ([], [], 4)
    assert "http" not in text
    assert "1 &rarr; 2: cpu" in text
    assert sorted(one.name for one in tmp_path.iterdir()) == ["flyball.toml", "report.html"]


def test_a_large_figure_of_a_chart_is_written_out(file, tmp_path, capsys):
    made = tmp_path / "report.html"
    assert (
        outcome(["simulate", file, "--stages", "400:40s", "--set", "services.web.instances.max=2", "--html", str(made)])
        == 0
    )

    assert "e+0" not in made.read_text()
    assert re.search(r'text-anchor="end">\d{5}</text>', made.read_text())
