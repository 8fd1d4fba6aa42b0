"""How the policies share a decision: ballots, floors, what is measured for them, and what they remember."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace

import pytest

from builders import application, instance, seen, service, state, tracking
from core.control.situations import decision, situation, why
from flyball.core.control import records
from flyball.core.control.memory import HpaMemory, KpaMemory, Memory, Wish
from flyball.core.control.observation import InstanceSample, LatencySample, QueueSample
from flyball.core.control.reasons import ReasonKind
from flyball.core.control.scaling.decide import decide
from flyball.core.control.step import step
from flyball.core.model import Hpa, Kpa, Metric, Scaling

KPA = Kpa(metric=Metric.CONCURRENCY, target_value=10)
HPA = Hpa(metric=Metric.CPU, target_value=50)


def test_the_largest_wish_wins_and_nothing_goes_below_a_floor():
    both = Scaling(hpa=HPA, kpa=KPA)
    out = decision(both, {Metric.CPU: 100.0, Metric.CONCURRENCY: 42.0}, desired=2)
    assert (out.desired, out.kind) == (6, ReasonKind.SCALE_OUT)
    held = decision(both, {Metric.CPU: 50.0, Metric.CONCURRENCY: 7.0}, desired=4)
    assert why(held) == "scale-in held: 4 are needed (cpu 50 % = 50 %: 50 / 50 x 4 -> 4)"
    lower = decision(both, {Metric.CPU: 25.0, Metric.CONCURRENCY: 21.0}, desired=4)
    assert (lower.desired, lower.kind) == (3, ReasonKind.SCALE_IN)


def test_a_policy_keeps_its_floor_between_two_looks():
    at = situation(Scaling(hpa=HPA, kpa=KPA), {Metric.CPU: 1.0, Metric.CONCURRENCY: 1.0}, desired=4)
    looked = Memory(hpa=HpaMemory(at=99.0, desired=4, wanted=4))
    assert (
        why(decide(replace(at, memory=looked))) == "scale-in held: 4 are needed (hpa wanted so many at its last look)"
    )


def test_a_recommendation_says_what_changed_it():
    before = Memory(hpa=HpaMemory(at=80.0, desired=4, wanted=4, wished=(Wish(at=80.0, count=3),)))
    at = situation(Scaling(hpa=HPA), {Metric.CPU: 1.0}, desired=4, memory=before)
    assert decide(at).text == "cpu 1 % < 50 %: 1 / 50 x 4 -> 1, 3 for the last 300 s"
    few = decision(Scaling(hpa=replace(HPA, target_value=1)), {Metric.CPU: 90.0}, desired=2)
    assert few.text == "cpu 90 % > 1 %: 90 / 1 x 2 -> 180, at most to 6 at a time"


@pytest.mark.parametrize("scaling", [Scaling(kpa=KPA), Scaling(hpa=Hpa(metric=Metric.REQUESTS, target_value=60))])
def test_a_request_starts_the_first_instance(scaling: Scaling):
    made = decision(scaling, {Metric.REQUESTS: 1.0, Metric.CONCURRENCY: 0.0}, desired=0, low=0)
    assert (made.desired, made.text) == (1, "requests arrive and no instance runs")


@pytest.mark.parametrize("scaling", [Scaling(kpa=KPA), Scaling(hpa=HPA)])
def test_without_datapoints_nothing_is_decided(scaling: Scaling):
    made = decision(scaling, {Metric.CPU: [None], Metric.CONCURRENCY: [None]}, desired=2)
    assert (made.desired, made.holds, made.memory) == (2, (), None)


def test_an_idle_service_at_its_minimum_has_nothing_to_tell():
    assert decision(Scaling(kpa=KPA), {Metric.CONCURRENCY: 0.0}, desired=2, low=2).holds == ()


def test_what_waits_and_what_is_refused_counts_as_offered():
    app = application(service(scaling=Scaling(kpa=replace(KPA, metric=Metric.OFFERED))))
    one = replace(instance(), in_flight=4)
    used = InstanceSample(id="web-1", requests=10, answered=6)
    queue = QueueSample(service="web", waiting=5, turned_away=7)
    look = seen(one, sampled=True, samples=(used,), queues=(queue,), latencies=())
    first = step(app, state(one), look, now=1.0).state
    windows = first.services[0].windows
    assert windows.latest(Metric.OFFERED) == 22.0
    assert windows.values(Metric.CONCURRENCY) == ()
    later = step(app, first, replace(look, queues=(replace(queue, waiting=2, turned_away=0),)), now=2.0).state
    assert later.services[0].windows.latest(Metric.OFFERED) == 7.0


def test_requests_in_flight_and_those_that_wait_are_the_concurrency():
    app = application(service(scaling=Scaling(kpa=KPA)))
    one = replace(instance(), in_flight=4)
    look = seen(one, sampled=True, queues=(QueueSample(service="web", waiting=30),))
    after = step(app, state(one), look, now=1.0)
    assert after.state.services[0].windows.latest(Metric.CONCURRENCY) == 34.0
    assert after.state.services[0].desired == 5
    assert after.state.services[0].memory.kpa == KpaMemory(at=1.0, wanted=5, panic_at=1.0, most=5)
    assert records.STATE.read(records.STATE.written(after.state)) == after.state


def test_a_journal_from_before_there_was_a_memory_is_read():
    now = state(instance())
    written = json.loads(zlib.decompress(records.STATE.written(now)))
    del written["services"][0]["memory"]
    del written["services"][0]["windows"]["waiting"]
    assert records.STATE.read(zlib.compress(json.dumps(written).encode())) == now
    app = application(service(scaling=tracking()))
    text = json.loads(records.APPLICATION.written(app))
    del text["services"][0]["scaling"]["hpa"], text["services"][0]["scaling"]["kpa"]
    assert records.APPLICATION.read(json.dumps(text)) == app


def test_without_a_policy_the_new_metrics_are_not_measured():
    look = seen(instance(), sampled=True, latencies=(LatencySample(service="web", p50_ms=1, p95_ms=2, p99_ms=3),))
    windows = step(application(), state(instance()), look, now=1.0).state.services[0].windows
    assert {Metric.CONCURRENCY, Metric.OFFERED}.isdisjoint({series.metric for series in windows.series})
