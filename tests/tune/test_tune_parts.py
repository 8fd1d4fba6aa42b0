"""The parts of the tuner: what is promised, which traffic teaches, which settings there are, what is kept."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from builders import application, service, tracking
from flyball.cli.overrides import replaced
from flyball.cli.rewriting import rewritten
from flyball.core.arrivals import RateCurve, Stage
from flyball.core.errors import FileError
from flyball.core.manifest import parse
from flyball.core.model import Aws, Compute
from flyball.sim import ASSUMED
from flyball.sim.fluid import fluid
from flyball.tune import Candidate, Found, Score, Space, Store, days_of, measured, page, parse_slo
from flyball.tune.measure import together
from flyball.tune.search import front
from manifests import FORUM, SESSION_APP, VISITOR_BOARD


def curve(*rates: float, each_s: float = 60.0) -> RateCurve:
    return RateCurve(stages=tuple(Stage(rate=rate, duration_s=each_s) for rate in rates))


def score(hours: float, bad: float, *, usd: float | None = 1.0) -> Score:
    return Score(instance_hours=hours, cost_usd=usd, requests=1_000, bad=bad, p99_ms=10.0, worst=bad / 1_000)


def space(text: str, **rest) -> Space:
    app, table = parse(text), tomllib.loads(text)
    one = app.services[0]
    own = table["services"][one.name].get("scale", {})
    shared = table.get("defaults", {}).get("scale", {})
    inherited = frozenset(shared) - frozenset(own)
    known = {"service": one, "scale": {**shared, **own}, "inherited": inherited, "slo": "p99 < 200ms"}
    return Space(**{**known, "per_s": 83.0, "peak_per_s": 300.0, **rest})


@pytest.mark.parametrize(
    ("text", "limit_ms", "allowed"),
    [("p99 < 200ms", 200.0, 0.01), ("p95 <= 1s", 1_000.0, 0.05), ("errors < 0.5%", None, 0.005)],
)
def test_an_slo_is_a_limit_and_a_share(text, limit_ms, allowed):
    found = parse_slo(text)

    assert (found.text, found.limit_ms, found.allowed) == (text, limit_ms, pytest.approx(allowed))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p42 < 200ms", '"p42 < 200ms" is no SLO; write "p99 < 200ms"'),
        ("fast", "is no SLO"),
        ("p99 < 200", "is no SLO"),
        ("p99 < 0ms", "promises what nothing can keep"),
        ("p99 > 200ms", "write < instead of >"),
        ("cpu < 50%", "cpu is nothing that a user feels"),
    ],
)
def test_what_is_no_slo_is_a_sentence(text, said):
    with pytest.raises(FileError, match="--slo: ") as wrong:
        parse_slo(text)
    assert said in str(wrong.value)


def test_what_teaches_is_never_what_checks():
    one, two, three = curve(1.0), curve(2.0), curve(3.0)
    alone, several = days_of([curve(1.0, 2.0, 3.0)]), days_of([one, two, three])

    assert (several.train, several.check) == ((one, two), (three,))
    assert [stage.rate for stage in alone.train[0].stages] == [1.0, 2.0]
    assert [stage.rate for stage in alone.check[0].stages] == [2.0, 3.0]
    assert alone.train[0].duration_s == alone.check[0].duration_s == 90.0


def test_of_a_long_day_the_wide_search_plays_telling_hours():
    hours = [10.0, 11.0, 12.0, 50.0, 90.0, 80.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0]
    wide = days_of([curve(*hours, each_s=3_600.0), curve(1.0)]).wide[0]

    assert wide.duration_s <= 5 * 3_600
    assert {5.0, 90.0} <= {stage.rate for stage in wide.stages}


def test_runs_together_are_means_and_the_worst():
    both = together([score(1.0, 5), replace(score(3.0, 15), p99_ms=90.0)])

    assert (both.instance_hours, both.bad, both.worst, both.p99_ms, both.cost_usd) == (2.0, 10, 0.015, 90.0, 1.0)
    assert together([score(1.0, 5), score(1.0, 5, usd=None)]).cost_usd is None
    assert score(1.0, 9).holds(parse_slo("p99 < 1s"))
    assert not score(1.0, 11).holds(parse_slo("p99 < 1s"))


def test_a_setting_is_measured_with_the_others_waiting():
    other = replace(service("api"), scaling=tracking())
    app = application(service("web", scaling=tracking()), other)
    app = replace(app, aws=Aws(region="us-east-1", compute=Compute.FARGATE))
    slo = parse_slo("p99 < 200ms")
    found = measured(app, "web", curve(20.0), ASSUMED, slo=slo, seed=1, make=fluid)
    far = replace(app, aws=Aws(region="ap-east-1"))

    assert found.requests == pytest.approx(1_200, abs=2)
    assert found.bad == 0
    assert found.instance_hours == pytest.approx(1 / 60)
    assert found.cost_usd is not None
    assert measured(far, "web", curve(20.0), ASSUMED, slo=slo, seed=1, make=fluid).cost_usd is None


def test_every_policy_and_everything_around_it_is_a_file_or_refused():
    for text in (VISITOR_BOARD, SESSION_APP, FORUM):
        first = list(space(text).policies())
        accepted = 0
        for one in [*first, *space(text).around(()), *space(text).around(first[-1])]:
            try:
                parse(replaced(text, dict(one)))
            except FileError:
                continue
            accepted += 1
        assert accepted > 20
        assert first[0] == ()


def test_a_policy_replaces_the_ones_before():
    found = [dict(one) for one in space(VISITOR_BOARD).policies()]
    key = "services.web.scale"

    assert {f"{key}.target.cpu": 60} in found
    assert {f"{key}.target.cpu": None, f"{key}.target.requests": 2490} in found
    assert {f"{key}.target": None, f"{key}.kpa.rps": 83, f"{key}.kpa.utilization": "50%"} in found
    assert parse(replaced(VISITOR_BOARD, found[-1])).service("web").scaling.kpa is not None
    assert all("kpa" not in str(one) and "hpa" not in str(one) for one in space(VISITOR_BOARD, on_aws=True).policies())


def test_what_is_inherited_is_not_taken_away():
    found = [dict(one) for one in space(FORUM).policies()]

    assert {"services.posts.scale.target.cpu": 60} not in found  # memory would have to go
    assert not [one for one in found if None in one.values()]


def test_steps_have_amounts_and_times():
    found = [dict(one) for one in space(SESSION_APP).policies()]

    assert {"services.app.scale.out.add": 2, "services.app.scale.out.for": "30s"} in found
    assert {"services.app.scale.in.for": "1m"} in found


def test_around_a_setting_one_thing_differs():
    near = [dict(one) for one in space(VISITOR_BOARD, sizes=(0.5,)).around((("services.web.scale.target.cpu", 70),))]
    key = "services.web"

    assert {f"{key}.scale.target.cpu": 75} in near
    assert {f"{key}.scale.target.cpu": 70, f"{key}.instances.min": 2} in near
    assert {f"{key}.scale.target.cpu": 70, f"{key}.size.cpu": 0.5} in near
    assert {
        f"{key}.scale.target.cpu": 70,
        f"{key}.scale.warm_up": "1s",
    } in near  # an Auto Scaling group has no cooldown
    assert {f"{key}.scale.target.cpu": 70, f"{key}.scale.period": "2s"} in near
    assert all(len(one) <= 2 for one in near)


def test_a_line_has_every_target_value_the_strictest_first():
    cpu = "services.web.scale.target.cpu"
    odd = ((cpu, 52), ("services.web.instances.min", 2))
    line = space(VISITOR_BOARD).line(odd, 5)

    assert [dict(one).get(cpu, 50) for one in line] == [30, 35, 40, 45, 50, 52, *range(55, 96, 5)]
    assert odd in line
    assert all(dict(one)["services.web.instances.min"] == 2 for one in line)
    assert () in space(VISITOR_BOARD).line((), 5)  # with 50, as in the file
    for one in (*space(VISITOR_BOARD).policies(), *space(VISITOR_BOARD).around(odd), *space(SESSION_APP).policies()):
        known = space(SESSION_APP if "app" in str(one) else VISITOR_BOARD)
        assert one in known.line(one, 1)
    assert space(SESSION_APP).line((), 5) == [()]  # steps have no target value
    assert space(SESSION_APP).stricter((), 0.025) == ()
    assert dict(space(VISITOR_BOARD).stricter(odd, 0.025))[cpu] == 51


def test_the_file_is_rewritten_with_its_comments():
    values = {
        "services.web.scale.target.cpu": 65,
        "services.web.scale.in_cooldown": "15s",
        "services.web.instances.min": 2,
    }
    made = rewritten(VISITOR_BOARD, values)

    assert "target = { cpu = 65 }                 # target tracking" in made
    assert "instances = { min = 2, max = 10 }" in made
    assert made.count("#") == VISITOR_BOARD.count("#")
    assert parse(made) == parse(replaced(VISITOR_BOARD, values))


def test_a_table_whose_only_key_is_another_one_keeps_its_comment():
    made = rewritten(VISITOR_BOARD, {"services.web.scale.target.cpu": None, "services.web.scale.target.requests": 600})

    assert "target = { requests = 600 }                 # target tracking" in made


def test_a_policy_is_rewritten_too():
    values = {"services.web.scale.target": None, "services.web.scale.kpa.rps": 80, "services.web.scale.gone.deep": None}
    made = rewritten(VISITOR_BOARD, values)

    assert "kpa = { rps = 80 }" in made
    assert "target" not in made.split("[services.web.scale]")[1].split("[")[0]
    assert parse(made) == parse(replaced(VISITOR_BOARD, values))
    assert parse(rewritten(FORUM, {"services.posts.scale.target.cpu": 60})).service("posts").scaling.target_tracking


def test_an_interrupted_search_knows_what_it_measured(tmp_path: Path):
    path = tmp_path / "deep" / "tune.jsonl"
    first = Store(path, "one")
    first.keep("a", score(1.0, 2))
    first.keep("b", None)
    with path.open("ab") as file:
        file.write(b'{"key": "c", "sco\xff')
    Store(path, "one").keep("d", score(4.0, 1))
    again = Store(path, "one")

    assert again.resumed == 3
    assert again["a"] == score(1.0, 2)
    assert again["d"] == score(4.0, 1)
    assert again["b"] is None
    assert "c" not in again
    assert Store(path, "two").resumed == 0
    assert "a" not in Store(path, "two")


def test_the_front_is_what_nothing_beats():
    scores = {"a": score(3, 1), "b": score(1, 9), "c": score(2, 5), "d": score(2.5, 6)}

    assert front(scores.items(), lambda one: one.instance_hours) == ["b", "c", "a"]


def test_the_page_stands_alone_and_marks_today_and_the_choice():
    today, best = (
        Candidate(setting=(), train=score(3, 1)),
        Candidate(setting=(("a.<b>", 1),), train=score(2, 5, usd=None)),
    )
    found = Found(
        slo=parse_slo("p99 < 200ms"),
        today=today,
        chosen=best,
        nearest=best,
        front=(best, today),
        candidates=(today, best),
        tried=7,
    )
    made = page(found, "shop: web")
    none = page(replace(found, chosen=None), "shop: web")

    assert "<title>today</title>" in made
    assert "<title>chosen</title>" in made
    assert "a.&lt;b&gt; = 1" in made
    assert "<b>" not in made
    assert "http" not in made
    assert "None holds p99 &lt; 200ms; the nearest one has 0.50% bad requests" in none
    # Among those that cost hardly more than the least the safest is chosen, so one may be a little cheaper.
    as_it_is = page(replace(found, chosen=today), "shop: web")
    assert "No setting that holds p99 &lt; 200ms is more than 2.5% cheaper than the file as it is: 3 inst" in as_it_is
