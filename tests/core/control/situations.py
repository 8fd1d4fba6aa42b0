"""A decision's situation from a few numbers, for the tests of scaling."""

from __future__ import annotations

from flyball.core.control.alarms import AlarmState
from flyball.core.control.pacing import Cooldown
from flyball.core.control.scaling import policy_alarms
from flyball.core.control.scaling.decide import Decision, decide
from flyball.core.control.scaling.proposal import Counts
from flyball.core.control.scaling.situation import Situation
from flyball.core.control.windows import Series, Windows
from flyball.core.model import (
    AdjustmentType,
    Capacity,
    Comparison,
    Metric,
    Scaling,
    Service,
    StepAdjustment,
    StepScaling,
)


def windows_of(measured: dict[Metric, float | list[float | None]], instances: float, in_service: int) -> Windows:
    """Twenty equal datapoints of each metric, or the ones given; `instances` measured of those `in_service`."""
    return Windows(
        period_s=1.0,
        open=20,
        instances=instances,
        in_service=(in_service,) * 20,
        series=tuple(
            Series(metric=metric, values=tuple(value) if isinstance(value, list) else (value,) * 20)
            for metric, value in sorted(measured.items())
        ),
    )


def situation(
    scaling: Scaling,
    measured: dict[Metric, float | list[float | None]],
    *,
    desired: int,
    running: int | None = None,
    measured_instances: float | None = None,
    low: int = 1,
    high: int = 100,
    **rest,
) -> Situation:
    """`running` instances (all of desired) measured; alarms evaluated from the datapoints."""
    running = desired if running is None else running
    service = Service(name="web", run="serve", scaling=scaling, capacity=Capacity(min=low, max=high))
    windows = windows_of(measured, running if measured_instances is None else measured_instances, running)
    alarms = policy_alarms.evaluated(policy_alarms.thresholds(service), windows, ())
    values = {
        "cooldown": Cooldown(),
        "held_s": 0.0,
        "rollout": "",
        "trouble": lambda: "",
        "now": 100.0,
        "counts": Counts(desired=desired, running=running),
    } | rest
    return Situation(
        scaling=scaling,
        min=low,
        max=high,
        windows=windows,
        alarms={alarm.name: AlarmState(alarm.state) for alarm in alarms},
        **values,
    )


def decision(scaling: Scaling, measured: dict[Metric, float | list[float | None]], **rest) -> Decision:
    """What is decided in that situation."""
    return decide(situation(scaling, measured, **rest))


def why(made: Decision) -> str:
    """The one hold in force."""
    (hold,) = made.holds
    return hold.text


def step_rule(metric: Metric, comparison: str, threshold: float, amount: int) -> StepScaling:
    """A rule with one unbounded step."""
    return StepScaling(
        metric=metric,
        comparison=Comparison(comparison),
        threshold=threshold,
        duration_s=1.0,
        adjustment_type=AdjustmentType.CHANGE_IN_CAPACITY,
        steps=(StepAdjustment(amount=amount),),
    )
