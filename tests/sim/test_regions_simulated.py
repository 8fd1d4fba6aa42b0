"""Several regions in one simulation: the edge, a lost region and its return, a release from one to the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from flyball.cli.main import outcome
from flyball.core.arrivals import RateCurve, Stage
from flyball.core.manifest import parse
from flyball.sim.places import Outage, split
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
[regions.us-east-1]
[regions.eu-west-1]
"""
US, EU = "us-east-1", "eu-west-1"
CURVE = RateCurve(stages=(Stage(rate=100.0, duration_s=200.0),))
HALF = {US: 0.5, EU: 0.5}
LOST = f"region {EU} at 60s for 60s"


def rates(curve: RateCurve) -> list[tuple[float, float]]:
    return [(round(stage.rate, 3), round(stage.duration_s, 3)) for stage in curve.stages]


# The edge


def test_each_place_is_served_by_its_region():
    found = split(parse(FILE), CURVE, {US: 0.25, EU: 0.75}, [])
    assert {name: rates(curve) for name, curve in found.curves.items()} == {US: [(25.0, 200.0)], EU: [(75.0, 200.0)]}
    assert found.served == {(US, US): 5000.0, (EU, EU): 15000.0}


def test_others_serve_from_the_check_on_and_then_less():
    outage = Outage(region=EU, at_s=50.0, ends_s=98.0, back_s=99.5)
    found = split(parse(FILE), CURVE, HALF, [outage])
    before, away, *coming, after = rates(found.curves[EU])
    assert (before, away) == ((50.0, 53.0), (0.0, 47.0))  # three checks; then two checks until it is well
    assert [rate for rate, _ in coming] == [2.5 * step for step in (1, *range(1, 20))][1:]
    assert after == (50.0, 70.0)
    assert sum(curve.expected_requests for curve in found.curves.values()) == pytest.approx(20_000)


def test_a_moment_away_is_no_failover():
    app = parse(FILE)
    for back_s, curve in ((52.0, [(50.0, 200.0)]), (60.0, [(50.0, 53.0), (0.0, 7.5), (50.0, 139.5)])):
        found = split(app, CURVE, HALF, [Outage(region=EU, at_s=50.0, ends_s=51.0, back_s=back_s)])
        assert rates(found.curves[EU]) == curve


@pytest.mark.parametrize(
    ("edge", "shares"),
    [
        ('routing = "failover"', (100.0, 0.0)),
        ('routing = "geo"', (75.0, 25.0)),
        ('routing = "weighted"\n[regions.us-east-1]\nweight = 4', (80.0, 20.0)),
    ],
)
def test_every_routing(edge: str, shares: tuple[float, float]):
    text = FILE.replace(f"[regions.{US}]\n", "") if "weight" in edge else FILE
    found = split(parse(f"{text}[edge]\n{edge}"), CURVE, {"us-west-2": 0.75, "eu-central-1": 0.25}, [])
    assert tuple(found.curves[name].peak_rate for name in (US, EU)) == shares


def test_where_all_are_away_each_keeps_its_own():
    outages = [Outage(region=name, at_s=10.0, ends_s=99.0) for name in (US, EU)]
    found = split(parse(FILE), CURVE, HALF, outages)
    assert {name: rates(curve) for name, curve in found.curves.items()} == {US: [(50.0, 200.0)], EU: [(50.0, 200.0)]}


# From the command line


def test_a_lost_region(file: str, capsys):
    words = [file, "--stages", "40:3m", "--fault", LOST, "--seed", "2"]
    found = simulated(capsys, *words)
    assert found == simulated(capsys, *words)
    us, eu = (found["regions"][name] for name in (US, EU))
    assert found["requests"] == us["requests"] + eu["requests"]
    assert us["failed"] == 0
    assert 0 < eu["failed"] == found["failed"] < 20 * 3.5  # only until the check has failed three times
    edge = [(one["kind"], one["region"]) for one in found["events"] if one["kind"].startswith("region_")]
    assert edge == [("region_unhealthy", EU), ("region_healthy", EU)]
    away = next(one["requests"] for one in found["served"] if (one["nearest"], one["region"]) == (EU, US))
    assert 1_100 < away < 1_700
    assert len(found["timeline"]) == len(us["timeline"])
    assert {f"{US}/web", f"{EU}/web"} == set(found["services"])


def test_a_bad_release_stops_in_the_first_region(file: str, capsys):
    words = [file, "--stages", "20:3m", "--deploy", "30s", "--set", "edge.pause=20s"]
    started = [
        (one["region"], one["at"]) for one in simulated(capsys, *words)["events"] if one["kind"] == "rollout_started"
    ]
    assert [region for region, _ in started] == [US, EU]
    assert started[1][1] - started[0][1] > 20
    alarm = ["--set", 'services.web.deploy.alarms=["errors > 10%"]', "--set", "services.web.deploy.bake=30s"]
    bad = simulated(capsys, *words, "--failing", "100%", *alarm)["events"]
    assert {one["region"] for one in bad if one["kind"] == "rollout_started"} == {US}


def test_faults_in_one_region_and_where_visitors_are(file: str, capsys):
    words = ["--stages", "20:30s", "--from", f"{US}:3,{EU}:1", "--fault", f"crash web at 10s in {EU}"]
    found = simulated(capsys, file, *words)
    assert [one["region"] for one in found["events"] if one["kind"] == "failed"] == [EU]
    assert found["regions"][US]["requests"] > 2 * found["regions"][EU]["requests"]


def test_what_is_refused(file: str, capsys):
    for words, said in (
        (["--fault", "region mars at 5s for 5s"], "there is no region mars; there are: us-east-1, eu-west-1"),
        (["--fault", "crash web at 5s in mars"], "there is no region mars"),
        (["--fault", f"region {EU} at 5s"], "is none; write one of"),
        (["--from", "moon:1"], "moon is no known place"),
        (["--from", "60"], "is not a place with its share"),
        (["--from", f"{US}:0"], "all shares are 0"),
        (["--from", f"{US}:1", "--region", EU], "here is only one"),
        (["--fault", LOST, "--region", EU], "there is no region eu-west-1"),
    ):
        assert outcome(["simulate", file, "--stages", "5:10s", *words]) == 2
        assert said in capsys.readouterr().err


def test_the_report_has_a_column_for_each_region(file: str, tmp_path: Path, capsys):
    page, kept = tmp_path / "page.html", tmp_path / "kept"
    words = ["--stages", "20:1m", "--compare", "--fault", LOST, "--html", str(page), "--keep", str(kept), "--as", "aws"]
    assert outcome(["simulate", file, *words]) == 0
    out = capsys.readouterr().out
    assert "                us-east-1                 eu-west-1" in out
    assert f"visitors near {EU} served by {EU}: 600" in out  # Route 53 has not noticed it by then
    assert "shop, simulated" in page.read_text()
    assert {path.parent.parent.name for path in kept.rglob("journal.db")} == {US, EU}
