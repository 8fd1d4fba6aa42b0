"""The past as sums, and what would have saved money in it."""

from __future__ import annotations

import pytest

from flyball.aws.sizes import fargate_size
from flyball.core.manifest import parse
from flyball.core.view.rows import Moment
from flyball.prices import HOURS, Past, instance_usd, place, savings, summed
from manifests import FORUM, SESSION_APP, VISITOR_BOARD

HOUR_S = 3_600.0


def moment(at: float, serving: float, *, cpu: float | None = 25.0, rps: float = 10.0, name: str = "web") -> Moment:
    return Moment(at, name, {"in_service": serving, "cpu": cpu, "memory": 20.0, "rps": rps})


def saved(text: str, past: Past | None) -> dict[str, float | None]:
    return {one.strategy: one.month for one in savings(parse(text), past, fargate_size)}


def test_the_past_is_sums_and_peaks():
    app = parse(VISITOR_BOARD)
    past = summed(app, [moment(0, 2), moment(1, 4, cpu=40.0), moment(2, 1, cpu=None, rps=0.0)], each_s=HOUR_S)
    web = past.services["web"]

    assert past.hours == 3
    assert past.use.instance_hours == {"web": 7.0}
    assert past.use.requests == 2 * 10 * 3_600
    assert (web.fewest, web.peak_cpu, web.peak_memory) == (1, 40.0, 20.0)
    assert web.surplus == 1.0  # two of 25 % are one at 50; four of 40 % need all four


def test_a_service_that_is_gone_and_a_moment_without_instances_do_not_count():
    app = parse(VISITOR_BOARD)
    gone, unknown = moment(0, 2, name="old"), Moment(1, "web", {"in_service": None})

    assert summed(app, [gone, unknown], each_s=HOUR_S).services == {}


def test_the_six_answers_in_dollars():
    app = parse(SESSION_APP)
    each = instance_usd(app.service("app"), place(app)) * HOURS
    past = summed(app, [moment(0, 2, name="app"), moment(1, 6, cpu=10.0, name="app")], each_s=HOUR_S)
    found = saved(SESSION_APP, Past(services=past.services, stored={"uploads": 100e9}))
    machine = 0.0216 * HOURS

    assert found["reserved or savings plan for the baseline"] == pytest.approx(2 * machine * 0.27)
    assert found["spot for bursts"] == pytest.approx((8 - 4) / 2 * machine * 0.65)
    assert found["right size"] == pytest.approx((0.0216 - 0.0108) * HOURS * 4)  # t3.micro has room for 20 % of 512 MB
    assert found["lifecycle"] == pytest.approx(100 * (0.023 - 0.004))
    assert found["reserved cache nodes"] == pytest.approx(2 * 0.017 * 0.31 * HOURS)
    assert found["faster scale-in"] == pytest.approx(4 / 2 * each)


def test_what_is_already_so_saves_nothing():
    text = SESSION_APP.replace('kind = "bucket"', 'kind = "bucket"\narchive_after = "90d"').replace(
        'machine = "t3.small"', 'machine = "t3.nano"\nspot = "100%"'
    )
    past = summed(parse(text), [moment(0, 9, cpu=50.0, name="app")], each_s=HOUR_S)
    found = saved(text, past)

    assert found["lifecycle"] == found["spot for bursts"] == found["right size"] == found["faster scale-in"] == 0


def test_a_smaller_task_is_named():
    text = FORUM.replace("cpu = 0.25", "cpu = 2").replace("512MB", "4GB")
    names = [one.name for one in parse(text).services]
    past = summed(parse(text), [moment(0, 2, cpu=10.0, name=name) for name in names], each_s=HOUR_S)
    found = {one.strategy: one for one in savings(parse(text), past, fargate_size)}

    assert "0.5 vCPU and 2048 MB for posts, which used at most 10 % of its CPU" in found["right size"].text
    assert found["right size"].month > 100


def test_without_traffic_what_needs_it_says_so():
    found = {one.strategy: one for one in savings(parse(VISITOR_BOARD), None, fargate_size)}

    assert found["spot for bursts"].month is None
    assert found["right size"].text == "needs cpu and memory of web, measured by flyball up"
    assert found["faster scale-in"].month is None
    assert found["reserved or savings plan for the baseline"].month > 0
    assert found["lifecycle"].month == found["reserved cache nodes"].month == 0
