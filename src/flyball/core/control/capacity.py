"""How many instances does a service want from this step on?

Rule, in this order: the file's bounds (and what a scheduled action made of them) hold desired within [min, max] at
every step; scheduled actions that are due are carried out; on each closed datapoint the alarms are evaluated and the
policies decide (`scaling/decide.py`). What cannot be honoured here is refused once, never silently ignored.

AWS: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-auto-scaling.html
Ours: AWS moves a desired capacity that lies outside new bounds into them at the next scaling, we do so at once.
"""

from __future__ import annotations

from dataclasses import replace

from flyball.core.model import Metric, Scaling, ScalingShape, ScheduledAction

from . import metering, overload
from .pacing import Bounds
from .reasons import ReasonKind
from .scaling import cooldown, decide, policies, schedule, target_tracking
from .scaling.proposal import Hold
from .scaling.situation import Situation
from .turn import Turn


def update(turn: Turn) -> None:
    """Bring the desired capacity of one service up to date."""
    _refuse_what_cannot_be(turn)
    bounds = _bounds(turn)
    _follow_schedule(turn, bounds)
    if turn.seen.sampled and metering.measured(turn):
        _decide(turn)
    elif not turn.seen.sampled and turn.service.scaling.adaptive is not None:
        _glance(turn)


def _refuse_what_cannot_be(turn: Turn) -> None:
    scaling = turn.service.scaling
    if scaling.shape is ScalingShape.ECS and scaling.warmup_s is not None:
        turn.refuse_once("warm-up is not used: it belongs to shape asg, ECS has cooldowns")
    if scaling.shape is ScalingShape.ASG and _has_cooldown(scaling):
        turn.refuse_once("cooldowns are not used: they belong to shape ecs, an Auto Scaling group has warm-up")
    if _sleeps_for_good(turn):
        turn.refuse_once("at 0 instances no policy is awake: only one on requests, a schedule or a hand starts one")


def _has_cooldown(scaling: Scaling) -> bool:
    values = (scaling.scale_out_cooldown_s, scaling.scale_in_cooldown_s, *(step.cooldown_s for step in scaling.steps))
    return any(value is not None for value in values)


def _sleeps_for_good(turn: Turn) -> bool:
    metrics = policies.of(turn.service.scaling).scaled_by if turn.state.desired == 0 else ()
    return bool(metrics) and Metric.REQUESTS not in metrics


def bounds_of(turn: Turn) -> Bounds:
    """The bounds in force; the file's when they are new or the file has changed."""
    capacity, bounds = turn.service.capacity, turn.state.bounds
    if bounds is not None and (bounds.file_min, bounds.file_max) == (capacity.min, capacity.max):
        return bounds
    return Bounds(min=capacity.min, max=capacity.max, file_min=capacity.min, file_max=capacity.max)


def _bounds(turn: Turn) -> Bounds:
    bounds = bounds_of(turn)
    if bounds != turn.state.bounds:
        turn.state = replace(turn.state, bounds=bounds)
    _stay_within(turn, bounds, "the file says")
    return bounds


def _stay_within(turn: Turn, bounds: Bounds, who: str) -> None:
    if turn.state.desired < bounds.min:
        turn.set_desired(bounds.min, ReasonKind.SCALE_OUT, f"{who} min {bounds.min}")
    elif turn.state.desired > bounds.max:
        turn.set_desired(bounds.max, ReasonKind.SCALE_IN, f"{who} max {bounds.max}")


def _follow_schedule(turn: Turn, bounds: Bounds) -> None:
    actions = turn.service.scaling.schedule
    if not actions:
        return
    since = turn.now if turn.state.schedule_at is None else turn.state.schedule_at
    due: list[tuple[float, int, ScheduledAction]] = []
    for position, action in enumerate(actions):
        problem = schedule.problem(action)
        if problem:
            turn.refuse_once(f"scheduled action {position + 1} is not carried out: {problem}")
            continue
        at = schedule.last_due(action, since=since, now=turn.now)
        if at is not None:
            due.append((at, position, action))
    turn.state = replace(turn.state, schedule_at=turn.now)
    for _, _, action in sorted(due, key=lambda one: one[:2]):
        bounds = _scheduled(turn, bounds, action)


def _scheduled(turn: Turn, bounds: Bounds, action: ScheduledAction) -> Bounds:
    who = f"scheduled action ({action.cron or 'at'}) says"
    least = bounds.min if action.min is None else action.min
    most = bounds.max if action.max is None else action.max
    if least > most:
        turn.refuse_once(f"{who} min {least} above max {most}: not carried out")
        return bounds
    bounds = replace(bounds, min=least, max=most)
    turn.state = replace(turn.state, bounds=bounds)
    if action.desired is not None:
        desired = min(max(action.desired, least), most)
        kind = ReasonKind.SCALE_OUT if desired > turn.state.desired else ReasonKind.SCALE_IN
        turn.set_desired(desired, kind, f"{who} desired {action.desired}")
    _stay_within(turn, bounds, who)
    return bounds


def _situation(turn: Turn) -> Situation:
    state, bounds = turn.state, bounds_of(turn)
    rollout = state.rollout
    moving = rollout is not None and not rollout.given_up
    return Situation(
        scaling=turn.service.scaling,
        min=bounds.min,
        max=bounds.max,
        counts=metering.counts(turn),
        windows=state.windows,
        alarms={alarm.name: alarm.state for alarm in state.alarms},
        cooldown=cooldown.expired(state.cooldown, now=turn.now),
        held_s=max((state.held_until or turn.now) - turn.now, 0.0),
        rollout=f"release {rollout.to_release}" if rollout and moving else "",
        trouble=lambda: overload.why_not_scale_in(turn, metering.serving(turn)),
        places=turn.service.places,
        start_s=metering.start_s(turn) if turn.service.scaling.adaptive else 0.0,
        memory=state.memory,
        now=turn.now,
    )


def _decide(turn: Turn) -> None:
    _carry_out(turn, decide.decide(_situation(turn)), _blind(turn))


def _glance(turn: Turn) -> None:
    glance = next((one for one in turn.seen.glances if one.service == turn.state.name), None)
    if glance is not None:
        _carry_out(turn, decide.at_once(_situation(turn), glance), [])


def _carry_out(turn: Turn, decision: decide.Decision, holds: list[Hold]) -> None:
    state = turn.state
    if decision.cooldown != state.cooldown or decision.memory is not None:
        turn.state = replace(state, cooldown=decision.cooldown, memory=decision.memory or state.memory)
    turn.hold((*decision.holds, *holds))
    if decision.kind is not None:
        turn.set_desired(decision.desired, decision.kind, decision.text)


def _blind(turn: Turn) -> list[Hold]:
    """A metric that a policy needs and nobody has measured for as long as its alarms look back."""
    windows, looks = turn.state.windows, target_tracking.LOW_POINTS
    series = [(policy.metric, windows.values(policy.metric)) for policy in turn.service.scaling.target_tracking]
    return [
        Hold(key=f"blind {metric}", text=f"scaling held: {metric} was not measured for {len(values)} datapoints")
        for metric, values in series
        if len(values) >= looks and all(windows.in_service[-looks:]) and all(value is None for value in values)
    ]
