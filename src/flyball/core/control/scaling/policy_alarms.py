"""Which alarms does a service have? Those of its scaling policies and those that guard its rollouts.

Rule: target tracking has two alarms a policy, step scaling one, a rollout alarm is one. Durations become datapoints by
rounding up. All are evaluated on every closed datapoint, also outside rollouts, so that an alarm that is in breach when
a rollout begins is known and ignored.

AWS: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
"""

from __future__ import annotations

from functools import lru_cache

from flyball.core.control.alarms import EXTRA_POINTS, Alarm, AlarmState, Threshold, evaluate, lasting
from flyball.core.control.windows import Windows
from flyball.core.model import Metric, Scaling, Service

from . import steps, target_tracking


def rollout(service: Service) -> list[Threshold]:
    """The alarms that take a rollout back, in the order of the file."""
    alarms, period_s = service.deployment.alarms, service.scaling.period_s
    return [lasting(f"rollout {position}", alarm, period_s=period_s) for position, alarm in enumerate(alarms)]


def in_alarm(service: Service, alarms: tuple[Alarm, ...], windows: Windows) -> dict[int, str]:
    """The rollout alarms that are in alarm, by their position in the file, each with its sentence."""
    states = {alarm.name: alarm.state for alarm in alarms}
    return {
        position: alarm.text(windows.latest(alarm.metric) or 0.0, windows.values(alarm.metric))
        for position, alarm in enumerate(rollout(service))
        if states.get(alarm.name) is AlarmState.ALARM
    }


def thresholds(service: Service) -> list[Threshold]:
    """Every alarm of the service."""
    return [*_scaling(service.scaling), *rollout(service)]


@lru_cache(maxsize=256)  # for every datapoint, and always the same
def _scaling(scaling: Scaling) -> tuple[Threshold, ...]:
    tracked = [
        alarm
        for policy in scaling.target_tracking
        for alarm in (target_tracking.high(policy), target_tracking.low(policy, scaling.shape))
    ]
    stepped = [steps.alarm(policy, position, scaling.period_s) for position, policy in enumerate(scaling.steps)]
    return (*tracked, *stepped)


def metrics(alarms: list[Threshold]) -> set[Metric]:
    """What has to be measured for them."""
    return {alarm.metric for alarm in alarms}


def points_kept(alarms: list[Threshold]) -> int:
    """How many datapoints they look at."""
    return max((alarm.points for alarm in alarms), default=1) + EXTRA_POINTS


def evaluated(alarms: list[Threshold], windows: Windows, before: tuple[Alarm, ...]) -> tuple[Alarm, ...]:
    """Every alarm's state after a datapoint was closed."""
    states = {alarm.name: alarm.state for alarm in before}
    return tuple(
        Alarm(
            name=alarm.name,
            state=evaluate(alarm, windows.values(alarm.metric), states.get(alarm.name, AlarmState.INSUFFICIENT_DATA)),
        )
        for alarm in alarms
    )
