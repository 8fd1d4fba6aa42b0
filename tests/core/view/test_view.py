"""What readers show is what decided: one datapoint for the sentence, `ps`, the tiles, the charts and the history."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import application, deployment, instance, launching, release, rollout, seen, service, state, tracking
from flyball.core.control.alarms import AlarmState, show
from flyball.core.control.observation import InstanceSample, InstanceSeen, LatencySample, Observation, QueueSample
from flyball.core.control.reasons import Event, Reason, ReasonKind
from flyball.core.control.scaling.policies import ALWAYS
from flyball.core.control.state import Instance, Lifecycle, ReleaseStatus, RolloutPhase, ServiceState, State
from flyball.core.control.step import step
from flyball.core.model import Application, Metric, ScalingShape, Strategy
from flyball.core.view import as_json, look
from flyball.core.view.look import with_samples_of
from flyball.core.view.rows import row_of
from flyball.core.view.views import ApplicationView, ServiceView

LATENCY = LatencySample(service="web", p50_ms=3.14159, p95_ms=9.0, p99_ms=14.2)
QUEUE = QueueSample(service="web", waiting=7, waited_p50_ms=120.5, waited_p99_ms=900.0, turned_away=2)
WARM_UP = application(service(scaling=tracking(shape=ScalingShape.ASG, warmup_s=100.0)))
PLAIN = application(service(scaling=tracking()))
REQUESTS = application(service(scaling=tracking(Metric.REQUESTS, 600.0)))
BLUE_GREEN = application(service(scaling=tracking(), deployment=deployment(strategy=Strategy.BLUE_GREEN, bake_s=600.0)))


def used(one: Instance, cpu: float, requests: int) -> InstanceSample:
    """A second's use of an instance."""
    return InstanceSample(
        id=one.id, cpu_percent=cpu, memory_percent=12.0, memory_bytes=63_000_000, requests=requests, errors=1
    )


def decided(
    app: Application, before: State, use: dict[Instance, tuple[float, int]], *, begins: float = 0.0
) -> tuple[Reason, State, ApplicationView]:
    """The first scale-out under this use, second by second, the state that it left and what there is to be seen."""
    samples = tuple(used(one, *figures) for one, figures in use.items())
    for now in (begins + second for second in range(1, 10)):
        look_now = seen(*before.instances, sampled=True, samples=samples, latencies=(LATENCY,))
        done = step(app, before, look_now, now=now)
        before = done.state
        for reason in done.reasons:
            if reason.kind is ReasonKind.SCALE_OUT:
                return reason, done.state, look.application(app, done.state, look_now)
    raise AssertionError("nothing was decided")


def shown_everywhere(of: ServiceView, after: State, metric: Metric) -> set[float | None]:
    """What the datapoint of a metric is, and what each reader shows of it."""
    key = {"cpu": "cpu_percent", "requests": "requests", "memory": "memory_percent"}[metric]
    datapoint = after.service("web").windows.values(metric)[-1]
    told = as_json.service(of, {})["metrics"][key]
    return {round(datapoint, 2), round(of.metrics.of(metric), 2), told, row_of(of)[metric]}


def test_during_a_warm_up_readers_show_what_decided_and_not_what_still_warms_up():
    warm, warming = instance(1), instance(2, in_service_at=200.0)
    before = replace(state(warm, warming), origin=200.0)
    reason, after, found = decided(WARM_UP, before, {warm: (123.0, 40), warming: (4.0, 2)}, begins=200.0)
    assert reason.text.startswith("cpu 123 % > 50 % for 3 of 3 points")
    assert shown_everywhere(found.service("web"), after, Metric.CPU) == {123.0}


def test_in_a_rollout_readers_show_what_decided_and_not_what_is_parked():
    old, new = instance(1), instance(2, release=2)
    under_way = rollout(2, strategy=Strategy.BLUE_GREEN, phase=RolloutPhase.BAKING, in_service=1)
    before = state(old, new, desired=1, rollout=under_way, releases=(release(), release(2, ReleaseStatus.BUILT)))
    reason, after, found = decided(BLUE_GREEN, before, {old: (1.0, 0), new: (83.0, 40)})
    assert reason.text.startswith("cpu 83 % > 50 % for 3 of 3 points")
    assert shown_everywhere(found.service("web"), after, Metric.CPU) == {83.0}
    assert found.service("web").metrics.of(Metric.REQUESTS) == 2400.0


def test_in_a_half_sampled_second_readers_show_what_decided_and_not_who_has_just_come():
    old, new = instance(1), instance(2, in_service_at=3.5)
    before = state(old, new)
    ticks = [(60.0, 1.0), (60.0, 2.0), (60.0, 3.0), (60.0, 4.0)]
    shown = []
    for cpu, now in ticks:
        samples = (used(old, cpu, 40), used(new, 2.0, 10))
        look_now = seen(*before.instances, sampled=True, samples=samples)
        done = step(PLAIN, before, look_now, now=now)
        before = done.state
        shown.append(look.application(PLAIN, before, look_now).service("web").metrics.of(Metric.CPU))
    # The first three seconds began before it was in service, the fourth in the middle of it.
    assert shown == [60.0] * 4
    assert before.service("web").windows.instances == 1.0


def test_requests_are_what_their_policy_saw_and_rates_are_of_all():
    first, second = instance(1), instance(2)
    reason, after, found = decided(REQUESTS, state(first, second), {first: (5.0, 30), second: (5.0, 10)})
    web = found.service("web")
    assert reason.text.startswith("requests 1200 per minute > 600 per minute for 3 of 3 points")
    assert show(Metric.REQUESTS, web.metrics.of(Metric.REQUESTS)) in reason.text
    assert shown_everywhere(web, after, Metric.REQUESTS) == {1200.0}
    assert (web.metrics.requests_per_s, web.metrics.errors_per_s, web.metrics.of(Metric.ERRORS)) == (40.0, 2.0, 5.0)
    assert [one.requests_per_s for one in web.instances[:2]] == [30.0, 10.0]


@pytest.mark.parametrize("metric", sorted(ALWAYS))
def test_a_metric_that_no_policy_watches_has_the_datapoint_that_one_would_have_seen(metric: Metric):
    policy = application(service(scaling=tracking(metric, 1e6)))
    one = instance()
    look_now = seen(one, sampled=True, samples=(used(one, 83.0, 40),), latencies=(LATENCY,))
    unwatched, watched = (
        look.application(app, step(app, state(one), look_now, now=1.0).state, look_now)
        .service("web")
        .metrics.of(metric)
        for app in (application(), policy)
    )
    assert unwatched == watched
    assert unwatched is not None


def test_before_the_first_datapoint_nothing_is_known():
    found = look.application(PLAIN, state(instance()), seen(instance())).service("web")
    assert {found.metrics.of(metric) for metric in Metric} == {None}
    assert (found.metrics.requests_per_s, found.metrics.errors_per_s) == (None, None)
    told = as_json.service(found, {})
    assert told["metrics"]["requests_per_second"] is None
    assert told["metrics"]["latency_ms"] == {"p50": None, "p95": None, "p99": None}
    assert (told["metrics"]["waiting"], told["metrics"]["waited_ms"]) == (0, {"p50": None, "p99": None})
    assert (told["instances"][0]["cpu_percent"], told["instances"][0]["requests_per_second"]) == (None, None)
    assert {alarm.state for alarm in found.alarms} == {AlarmState.INSUFFICIENT_DATA}


def test_a_sample_without_length_has_no_rate():
    one = instance()
    found = look.application(PLAIN, state(one), seen(one, sampled=True, samples=(used(one, 1.0, 5),)))
    assert found.service("web").instances[0].requests_per_s is None


def test_between_two_ticks_the_newest_samples_are_shown():
    one = instance()
    sampled = seen(one, sampled=True, samples=(used(one, 40.0, 5),), latencies=(LATENCY,), queues=(QUEUE,))
    now = with_samples_of(Observation(instances=(InstanceSeen(id="web-1", detail="boom"),)), sampled)
    assert (now.samples, now.latencies, now.queues) == (sampled.samples, (LATENCY,), (QUEUE,))
    assert now.instances[0].detail == "boom"
    assert with_samples_of(sampled, now) is sampled


def test_a_service_is_told_with_all_keys_that_were_promised():
    one, starting = instance(), launching(2, release=2)
    under_way = rollout(2, failures=1, why="boom")
    before = state(
        one, starting, rollout=under_way, releases=(release(), release(2, ReleaseStatus.BUILDING, note="push"))
    )
    look_now = seen(one, sampled=True, samples=(used(one, 63.123, 40),), latencies=(LATENCY,), queues=(QUEUE,))
    after = step(PLAIN, before, look_now, now=1.0).state
    web = look.application(PLAIN, after, look_now).service("web")
    told = as_json.service(web, {"web-1": as_json.Place(pid=4242, port=20000)})
    assert told == {
        "name": "web",
        "release": 1,
        "building": 2,
        "concurrency": 80,
        "rollout": {
            "from": 1,
            "to": 2,
            "phase": "running",
            "started_at": 0.0,
            "percent": 100.0,
            "failures": 1,
            "why": "boom",
        },
        "capacity": {"min": 1, "desired": 2, "max": 10, "in_service": 1},
        "metrics": {
            "requests_per_second": 40.0,
            "errors_per_second": 1.0,
            "cpu_percent": 63.12,
            "memory_percent": 12.0,
            "requests": 2400.0,
            "errors_percent": 2.5,
            "latency_ms": {"p50": 3.14, "p95": 9.0, "p99": 14.2},
            "waiting": 7,
            "waited_ms": {"p50": 120.5, "p99": 900.0},
            "turned_away": 2,
        },
        "instances": [
            {
                "id": "web-1",
                "release": 1,
                "lifecycle": "in_service",
                "health": "healthy",
                "zone": "a",
                "pid": 4242,
                "port": 20000,
                "cpu_percent": 63.1,
                "memory_bytes": 63_000_000,
                "requests_per_second": 40.0,
                "in_flight": 0,
                "started_at": 0.0,
                "detail": "",
            },
            *told["instances"][1:],
        ],
    }
    assert (web.rollout.failures_allowed, web.rollout.fewest, web.rollout.most) == (3, 2, 4)
    assert [one["release"] for one in as_json.releases(web)] == [2, 1]
    assert as_json.releases(web)[1]["current"]


def test_without_a_circuit_breaker_no_number_of_failures_ends_a_rollout():
    app = application(service(deployment=deployment(circuit_breaker=None)))
    found = look.application(app, state(instance(), rollout=rollout()), seen(instance()))
    assert found.service("web").rollout.failures_allowed is None


def test_a_service_that_the_file_has_no_more_is_not_shown():
    found = look.application(application(service("api")), state(instance(lifecycle=Lifecycle.DRAINING)), seen())
    assert found.services == ()
    with pytest.raises(KeyError):
        found.service("web")


def test_an_event_is_told_and_read_again():
    reason = Reason(kind=ReasonKind.SCALE_OUT, service="web", text="why", before=1, after=3, release=2)
    told = as_json.event(Event(id=7, at=3.14159, reason=reason))
    assert told == {
        "id": 7,
        "at": 3.142,
        "service": "web",
        "kind": "scale_out",
        "from": 1,
        "to": 3,
        "reason": "why",
        "instance": None,
        "release": 2,
    }
    assert as_json.reason_of(told) == reason


def test_a_service_is_found_by_its_name():
    both = replace(state(instance()), services=(ServiceState(name="api", desired=1), *state().services))
    found = look.application(application(service("api"), service("web")), both, seen())
    assert found.service("web").of.name == "web"
