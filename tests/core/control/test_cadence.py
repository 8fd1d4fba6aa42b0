"""When to look again: at the end of each datapoint, and soon while a verdict is waited for."""

from __future__ import annotations

import pytest

from builders import application, instance, launching, service, state
from flyball.core.control import cadence
from flyball.core.control.state import Lifecycle
from flyball.core.model import Adaptive, Metric, Scaling


@pytest.mark.parametrize(
    ("period_s", "now", "tick"), [(1.0, 3.0, 4.01), (1.0, 3.2, 4.01), (60.0, 3.2, 4.01), (0.25, 3.2, 3.26)]
)
def test_a_tick_comes_every_second_or_every_period_just_after_its_end(period_s: float, now: float, tick: float):
    app = application(service("api"), service(scaling=Scaling(period_s=period_s)))
    assert cadence.next_tick(app, state(), now=now) == pytest.approx(tick)


@pytest.mark.parametrize(
    ("one", "at"),
    [
        (instance(), 9.0),
        (launching(), 9.0),
        (launching(ready_at=1.0), 5.1),
        (instance(lifecycle=Lifecycle.DRAINING), 5.1),
        (instance(lifecycle=Lifecycle.TERMINATING), 9.0),
    ],
)
def test_the_balancers_verdict_on_what_comes_or_goes_is_asked_for_soon(one, at: float):
    assert cadence.next_look(application(), state(one), tick=9.0, now=5.0) == pytest.approx(at)


def test_a_service_that_scales_by_adaptive_is_glanced_at():
    app = application(service(scaling=Scaling(adaptive=Adaptive(metric=Metric.P99, threshold=200.0))))
    assert cadence.glanced(app) == ("web",)
    assert cadence.next_look(app, state(instance()), tick=9.0, now=5.0) == 5.25


def test_no_look_is_later_than_the_tick():
    assert cadence.next_look(application(), state(launching(ready_at=1.0)), tick=5.05, now=5.0) == 5.05
