"""Overload is told from illness: nobody is replaced for it, and nothing is scaled in while it lasts."""

from __future__ import annotations

import pytest

from builders import SPEC, application, health, instance, seen, seen_of, service, state, tracking
from core.control.situations import decision, why
from flyball.core.control.observation import (
    Deploy,
    InstanceSample,
    Observation,
    QueueSample,
    Scale,
    TargetHealth,
)
from flyball.core.control.reasons import ReasonKind
from flyball.core.control.state import Lifecycle
from flyball.core.control.step import Step, step
from flyball.core.model import Metric
from scenarios.pretend import PretendWorld

APP = application(service(health=health(grace_s=5.0)))
SICK = TargetHealth.UNHEALTHY


def world(count: int, **rest) -> PretendWorld:
    made = PretendWorld(app=application(service(low=count, health=health(grace_s=5.0))), **rest)
    made.intents.append(Deploy(service="web", spec=SPEC))
    made.run_until(20.0)
    return made


def kinds(made: PretendWorld, since: float) -> list[ReasonKind]:
    return [reason.kind for at, reason in made.log if at >= since]


@pytest.mark.parametrize("count", [1, 4])
def test_nobody_is_replaced_while_all_have_too_much_to_do(count):
    made = world(count, overload_kills_checks=True)
    made.load_rps = 150.0 * count
    made.run_until(80.0)
    after = kinds(made, 20.0)
    assert after.count(ReasonKind.UNHEALTHY) == count
    assert after.count(ReasonKind.OVERLOADED) == 1
    assert ReasonKind.LAUNCHED not in after
    made.load_rps = 20.0
    made.run_until(200.0)
    after = kinds(made, 80.0)
    assert (after.count(ReasonKind.HEALTHY), after.count(ReasonKind.OVERLOADED)) == (count, 1)
    assert len(after) == count + 1


def test_one_that_answers_nothing_for_15_s_is_ill():
    made = world(2, overload_kills_checks=True, stuck=True)
    made.load_rps = 600.0
    made.run_until(60.0)
    launched = [(at, reason.text) for at, reason in made.log if reason.kind is ReasonKind.LAUNCHED and at > 20.0]
    at, text = launched[0]
    failed_at = next(at for at, reason in made.log if reason.kind is ReasonKind.UNHEALTHY)
    assert 15.0 < at - failed_at < 17.0
    assert text == "starting web-3 of release 1 in zone a: in place of web-1, which fails its health check"


def late(number: int, *, answered_at: float | None = None, in_flight: int = 9, **rest):
    return instance(number, health=SICK, unhealthy_since=80.0, in_flight=in_flight, answered_at=answered_at, **rest)


def judged(*rows, busy: float | None = None, unanswered: bool = True, starved: bool = False) -> Step:
    shown = [seen_of(one, unanswered=unanswered and one.health is SICK) for one in rows]
    before = state(*rows)
    if starved:
        before = step(APP, before, seen(*shown, sampled=True, busy_percent=99.0), now=99.0).state
    return step(APP, before, seen(*shown, busy_percent=busy, sampled=busy is not None), now=100.0)


def starts(made: Step) -> int:
    return sum(1 for one in made.reasons if one.kind is ReasonKind.LAUNCHED)


def test_a_minority_that_still_answers_is_left_alone():
    well = [instance(2), instance(3)]
    assert starts(judged(late(1, answered_at=90.0), *well)) == 0
    assert starts(judged(late(1, answered_at=84.9), *well)) == 1
    assert starts(judged(late(1), *well)) == 1  # 20 s without an answer
    assert starts(judged(late(1, answered_at=90.0), *well, unanswered=False)) == 1  # a wrong answer is illness


def test_a_check_that_times_out_proves_nothing_on_a_starved_machine():
    well = [instance(2), instance(3)]
    assert starts(judged(late(1), *well, busy=99.0)) == 0
    assert starts(judged(late(1), *well, starved=True)) == 0  # between two ticks the last one's verdict stands
    assert starts(judged(late(1), *well, busy=94.0)) == 1
    assert starts(judged(late(1), *well, busy=99.0, unanswered=False)) == 1


def test_the_sentences_of_an_overload_carry_its_numbers():
    rows = [late(1, answered_at=95.0), late(2, in_flight=3), instance(3)]
    made, late_ones = judged(*rows), "2 of 3 instances answer their health check too late"
    assert [one.text for one in made.reasons if one.kind is ReasonKind.OVERLOADED] == [
        f"overload: {late_ones}, with 12 requests in flight; nobody is replaced for it"
    ]
    assert made.state.service("web").overloaded_since == 100.0
    away = step(APP, made.state, Observation(instances=seen(*rows).instances, balancer=False), now=101.0)
    assert away.state.service("web").overloaded_since == 100.0  # nobody knows
    assert [one.kind for one in away.reasons] == []
    well = [instance(number) for number in (1, 2, 3)]
    over = step(APP, away.state, seen(*well), now=104.0)
    assert "the overload is over after 4.0 s" in [one.text for one in over.reasons]


def scaled_in(*rows, samples=(), queues=(), busy=None) -> list[str]:
    """What is said of a scale-in after fifteen quiet seconds; the last one shows what is given."""
    app = application(service(scaling=tracking(), health=health(grace_s=5.0)))
    before = state(*rows, desired=len(rows))
    quiet = tuple(InstanceSample(id=one.id, cpu_percent=2.0) for one in rows)
    for now in range(1, 15):
        shown = seen(*rows, sampled=True, samples=quiet)
        before = step(app, before, shown, now=float(now)).state
    given = {one.id: one for one in (*quiet, *samples)}
    shown = seen(*rows, sampled=True, samples=tuple(given.values()), queues=queues, busy_percent=busy)
    return [one.text for one in step(app, before, shown, now=15.0).reasons if one.kind in {"held", "scale_in"}]


def test_nothing_is_scaled_in_while_anything_is_wrong():
    four = [instance(number) for number in (1, 2, 3, 4)]
    assert scaled_in(*four) == ["cpu 2 % < 45 % for 15 of 15 points; 4 x 2 / 50 = 0.16 -> 1"]
    waiting = (QueueSample(service="api", waiting=9), QueueSample(service="web", waiting=7))
    assert scaled_in(*four, queues=waiting) == ["scale-in held: 7 requests wait in the balancer"]
    assert scaled_in(*four, queues=waiting[:1]) != ["scale-in held: 9 requests wait in the balancer"]
    assert scaled_in(*four, busy=97.0) == ["scale-in held: the machine is 97 % busy, so low figures prove nothing"]
    sick = instance(4, health=SICK, unhealthy_since=0.0)
    assert scaled_in(*four[:3], sick)[0] == "scale-in held: 1 of 4 instances fail their health check"


def test_nothing_is_scaled_in_while_requests_wait_in_an_instance():
    full = instance(1, in_flight=400)
    four = [full, *(instance(number) for number in (2, 3, 4))]
    busy = InstanceSample(id="web-1", cpu_percent=99.0, answered=30)
    hold = "scale-in held: 400 requests are in flight to web-1 at cpu 99 %, 30 answered"
    assert scaled_in(*four, samples=(busy,)) == [hold]
    idle = InstanceSample(id="web-1", cpu_percent=20.0, answered=0)  # open connections, nothing to do
    assert "requests are in flight" not in scaled_in(*four, samples=(idle,))[0]
    fast = InstanceSample(id="web-1", cpu_percent=99.0, answered=500)
    assert "requests are in flight" not in scaled_in(*four, samples=(fast,))[0]


def test_trouble_holds_a_scale_in_and_no_scale_out():
    assert (
        why(decision(tracking(), {Metric.CPU: 5.0}, desired=4, trouble=lambda: "all is lost"))
        == "scale-in held: all is lost"
    )
    assert decision(tracking(), {Metric.CPU: 90.0}, desired=4, trouble=lambda: "all is lost").desired == 8


def test_the_only_one_that_serves_outlives_a_scale_in():
    made = world(1)
    made.behave(1, start_s=5.0)
    for desired in (4, 1, 3, 1, 2, 1):
        made.intents.append(Scale(service="web", desired=desired))
        made.run_until(made.now + 1.0)
    made.run_until(made.now + 20.0)
    assert all(moment.healthy == 1 for moment in made.moments if moment.now >= 20.0)
    assert [one.id for one in made.state.instances if one.lifecycle is Lifecycle.IN_SERVICE] == ["web-1"]
