"""The limit of requests that an instance works on at a time, where it is found out while the service runs."""

from dataclasses import replace

import pytest

import builders
from flyball.core.control.concurrency import MOST, Measured, adapted, at_first, limit
from flyball.core.control.observation import InstanceSample, InstanceSeen, QueueSample, TargetHealth
from flyball.core.control.pacing import Adaptive
from flyball.core.control.reasons import ReasonKind
from flyball.core.control.step import step
from flyball.core.model import Size

TIMEOUT_S = 4.0
BEGIN = Adaptive()


def measured(**changed):
    calm = Measured(rate=10.0, inside_s=0.02, share=0.1, starved=False, waiting=0, at_work=1)
    return replace(calm, **changed)


def after(*samples, before=BEGIN):
    """The limit after these samples, and what was said of the last."""
    why = ""
    for sample in samples:
        before, why = adapted(before, sample, timeout_s=TIMEOUT_S)
    return before, why


def test_a_limit_is_what_the_file_or_the_command_says_or_else_it_adapts():
    assert limit(builders.service(concurrency=7), Adaptive(limit=9)) == 7
    assert limit(builders.service(concurrency=0), Adaptive(limit=9)) is None
    assert limit(builders.service(), Adaptive(limit=9)) == 9


def test_a_program_that_waits_for_others_gets_all_that_come():
    pressed = measured(waiting=220, at_work=80, rate=80.0, inside_s=1.0, share=0.2)
    found, why = after(pressed)
    assert (found.limit, found.inside_s, why) == (160, 1.0, "220 wait while 20 % of its processor time is used")
    found, _ = after(pressed, pressed)
    assert found.limit == 320
    found, why = after(*[pressed] * 9)
    assert (found.limit, why) == (MOST, "")


def test_also_when_none_has_ended_yet():
    assert after(measured(waiting=1, rate=0.0, inside_s=None, share=None))[0].limit == 160


@pytest.mark.parametrize(("share", "limit"), [(0.49, 20), (0.25, 20), (0.1, 50), (0.03, 160), (0.0, 160)])
def test_as_many_come_in_as_would_use_half_of_the_processor_time(share, limit):
    few = Adaptive(limit=10)
    assert after(measured(waiting=300, at_work=10, share=share), before=few)[0].limit == limit


@pytest.mark.parametrize(("cpu", "limit"), [(0.05, 8), (0.25, 20), (1.0, 80), (4.0, 80)])
def test_the_first_limit_is_that_of_the_cores_it_has(cpu, limit):
    assert at_first(builders.service(size=Size(cpu=cpu))) == Adaptive(limit=limit, said=limit)


def test_a_program_that_burns_the_processor_has_no_more_inside_than_fit_into_an_eighth_of_the_timeout():
    burning = measured(rate=90.0, inside_s=0.9, share=1.0, waiting=300, at_work=80)
    found, why = after(measured(), burning)
    assert found.limit == 47  # 90 x (0.02 + 0.5)
    assert why == "it can end 90.0 a second, and its health check is to wait 0.5 s at most"
    assert after(measured(), burning, burning)[0] == found


def test_it_is_known_before_anything_waits():
    assert after(measured(), measured(rate=30.0, share=0.6))[0].limit == 26  # 30 / 0.6 x 0.52


def test_it_does_not_rise_while_nothing_waits():
    low = Adaptive(limit=5, inside_s=0.02)
    assert after(measured(rate=90.0, share=0.9), before=low)[0].limit == 5
    assert after(measured(rate=90.0, share=0.9, waiting=1), before=low)[0].limit == 52


def test_small_changes_are_noise():
    low = Adaptive(limit=50, inside_s=0.02)
    assert after(measured(rate=100.0, share=1.0, waiting=9), before=low)[0] == low


def test_what_takes_long_for_other_reasons_is_let_in_beside():
    mixed = measured(rate=20.0, inside_s=2.5, share=0.3)
    assert after(mixed, measured(rate=40.0, inside_s=4.0, share=0.9, waiting=50))[0].limit == 134


def test_the_time_inside_follows_slowly_and_only_while_nothing_is_in_the_way():
    assert after(measured(inside_s=1.0), measured(inside_s=2.5))[0].inside_s == pytest.approx(2.0)
    assert after(measured(inside_s=1.0, rate=0.1), measured(inside_s=2.0))[0].inside_s == pytest.approx(2.0, abs=0.01)
    assert after(measured(inside_s=1.0), measured(inside_s=None))[0].inside_s == 1.0
    assert after(measured(inside_s=1.0), measured(inside_s=9.0, share=0.9))[0].inside_s == 1.0
    assert after(measured(inside_s=1.0), measured(inside_s=9.0, share=0.3, starved=True))[0].inside_s == 1.0


def test_without_an_answer_in_a_whole_sample_half_may_be_inside():
    found, why = after(measured(rate=0.0, inside_s=None, share=1.0, at_work=80))
    assert (found.limit, why) == (40, "it has no processor time to spare, and none has ended")
    assert after(*[measured(rate=0.0, inside_s=None, share=1.0)] * 20)[0].limit == 1


def test_on_a_starved_machine_the_rate_is_what_it_is():
    assert after(measured(), measured(rate=30.0, share=0.3, starved=True, waiting=9))[0].limit == 16


def test_a_program_that_waits_for_others_is_let_be_on_a_starved_machine():
    assert after(measured(rate=80.0, inside_s=1.0, share=0.1, starved=True, waiting=9))[0].limit == 160
    assert after(measured(share=0.02, starved=True, waiting=9), before=Adaptive(limit=20))[0].limit == 200


def test_a_health_check_without_an_answer_halves_it_and_makes_it_careful():
    late = builders.instance()
    halved, why = after(measured(late=late, at_work=60, waiting=9))
    assert (halved.limit, halved.careful_from) == (30, 30)
    assert why == "web-1 did not answer its health check in time with 60 inside"
    assert after(measured(waiting=9), before=halved)[0].limit == 31
    assert after(measured(waiting=9), before=replace(halved, limit=8))[0].limit == 30
    busy = measured(rate=900.0, share=1.0, waiting=9)
    assert after(busy, before=halved)[0].limit == 30
    assert after(measured(late=late, at_work=0), before=Adaptive(limit=1))[1] == ""


def test_without_a_figure_of_the_processor_it_rises_until_a_check_fails():
    assert after(measured(share=None, waiting=9))[0].limit == 160


# In a step


def seen(state, *, waiting=0, ended=100, cpu=100.0, **changed):
    sample = QueueSample(service="web", waiting=waiting, ended=ended, inside_ms=10.0 if ended else None)
    samples = tuple(InstanceSample(id=one.id, cpu_percent=cpu, answered=ended or 0) for one in state.instances)
    values = {"sampled": True, "samples": samples, "queues": (sample,)} | changed
    shown = values.pop("shown", state.instances)
    return builders.seen(*shown, **values)


def stepped(app=None, *, begin=None, **changed):
    state = begin or builders.state(builders.instance())
    app = app or builders.application()
    done = step(app, step(app, state, seen(state, queues=()), now=10.0).state, seen(state, **changed), now=11.0)
    told = [reason.text for reason in done.reasons if reason.kind is ReasonKind.CONCURRENCY]
    return done.state.service("web").adaptive, told


def test_a_step_adapts_and_tells_it():
    found, told = stepped(ended=20, waiting=5)
    assert found.limit == found.said == 10
    expected = "it can end 20.0 a second, and its health check is to wait 0.5 s at most"
    assert told == [f"an instance works on at most 10 requests at a time (80 before): {expected}"]


def test_what_is_a_little_more_or_less_is_not_told():
    found, told = stepped(begin=builders.state(builders.instance(), adaptive=Adaptive(limit=45, said=60)), ended=70)
    assert (found.limit, found.said, told) == (35, 60, [])


def test_where_the_limit_is_written_nothing_adapts():
    assert stepped(builders.application(builders.service(concurrency=4)), ended=20)[0] == Adaptive()


def test_where_nobody_counts_nothing_adapts():
    assert stepped(queues=(QueueSample(service="web", waiting=9),))[0].limit == stepped(queues=())[0].limit


def test_without_instances_nothing_adapts():
    assert stepped(begin=builders.state(desired=0), ended=0, waiting=3)[0] == Adaptive()


def test_an_instance_that_was_not_there_for_the_whole_sample_says_nothing_of_the_processor():
    young = builders.state(builders.instance(in_service_at=10.9))
    assert stepped(begin=young, waiting=9)[0].limit > 80


@pytest.mark.parametrize(("cpu", "percent", "rises"), [(2.0, 50.0, False), (2.0, 20.0, True), (4.0, 40.0, True)])
def test_one_thread_is_at_its_end_with_one_core(cpu, percent, rises):
    app = builders.application(builders.service(size=Size(cpu=cpu)))
    begin = builders.state(builders.instance(), adaptive=Adaptive(limit=80))
    found, _ = stepped(app, begin=begin, ended=60, waiting=9, cpu=percent)
    assert (found.limit > 80) is rises


def test_the_instance_that_did_not_answer_is_named():
    begin = builders.state(builders.instance(in_flight=80))
    shown = InstanceSeen(id="web-1", ready=True, target_health=TargetHealth.UNHEALTHY, in_flight=80, unanswered=True)
    found, told = stepped(begin=begin, waiting=5, cpu=10.0, shown=(shown,))
    assert found.careful_from == found.limit == 40
    why = "web-1 did not answer its health check in time with 80 inside"
    assert told == [f"an instance works on at most 40 requests at a time (80 before): {why}"]
