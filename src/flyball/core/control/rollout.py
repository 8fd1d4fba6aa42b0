"""How does a service move from one release to another, and when is it taken back?

Rule: a rollout runs, bakes for `bake_s` with alarms and failures watched, then completes: its release serves. It fails
when the circuit breaker trips or a rollout alarm breaches that was not in alarm at its start. A failed one is rolled
back to the last completed release, as a rollout of its own under the same percentages; without such a release, or with
rollback off, it stalls. The breaker fails a rollback too: from one asked for by hand it goes back to what served
before, one that came by itself has failed for good. What serves stays then, what is missing is started at the
back-off's pace. Such a rollback, and a very first release that stalled, complete when they recover. Canary and linear
shift traffic in steps (`traffic.py`); blue/green starts a full set that gets no traffic, gives it all at once, and
keeps the old set beside it, out of traffic, while it bakes. Scale-in is held while a rollout runs.

AWS: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-ecs.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-alarm-failure.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-circuit-breaker.html
Ours: the breaker guards every strategy (ECS: rolling only) and watches for 60 s after completion; the bake starts again
after a failure; a very first release, with nothing to go back to, is not baked. Both blue/green sets serve for the
moment in which the balancer checks the new one.
"""

from __future__ import annotations

from dataclasses import replace

from flyball.core.model import Strategy

from . import breaker, lifecycle, releases, traffic
from .pacing import Backoff
from .reasons import ReasonKind
from .scaling import policy_alarms
from .state import ReleaseStatus, Rollout, RolloutPhase
from .turn import Turn

_ALARMED = (RolloutPhase.RUNNING, RolloutPhase.BAKING)  # going back, what is measured is of the release that is left


def start(turn: Turn, number: int) -> None:
    """Roll out a built release; a rollout under way is superseded."""
    before = turn.state.rollout
    if before is not None:
        releases.fail(turn, before.to_release, f"superseded by release {number}")
    rules, from_release = turn.deployment, turn.state.release
    split = from_release is not None and any(one.healthy for one in turn.instances.values())
    strategy = rules.strategy if split else Strategy.ROLLING
    rollout = Rollout(
        from_release=from_release,
        to_release=number,
        started_at=turn.now,
        phase_started_at=turn.now,
        percent=traffic.first_percent(strategy, rules),
        strategy=strategy,
        ignored_alarms=tuple(_in_alarm(turn)),
    )
    turn.state = replace(turn.state, release=from_release or number, rollout=rollout, finished=None)
    source = f"from release {from_release}" if from_release else "first release"
    text = f"rollout of release {number} begins ({strategy.replace('_', '/')}, {source})"
    turn.say(ReasonKind.ROLLOUT_STARTED, text, release=number)


def go_back(turn: Turn, number: int, *, leaving: int, why: str, by_hand: bool) -> None:
    """Roll out an earlier release again, from the release `leaving`."""
    rollout = Rollout(
        from_release=leaving,
        to_release=number,
        phase=RolloutPhase.ROLLING_BACK,
        started_at=turn.now,
        phase_started_at=turn.now,
        by_hand=by_hand,
        why=why,
    )
    backoff = turn.state.backoff
    backoff = Backoff() if backoff.release == number else backoff  # whoever goes back to it wants it tried at once
    turn.state = replace(turn.state, rollout=rollout, backoff=backoff, finished=None)
    text = f"rolling back from release {leaving} to release {number}: {why}"
    turn.say(ReasonKind.ROLLOUT_STARTED, text, release=number)


def advance(turn: Turn) -> None:
    """Take the rollout as far as what is seen allows."""
    rollout = turn.state.rollout
    if rollout is None:
        _watch_finished(turn)
        return
    why = "" if rollout.given_up else _failure(turn, rollout)
    if why:
        _take_back(turn, rollout, why)
        return
    if not turn.seen.balancer:
        return
    if rollout.phase is RolloutPhase.RUNNING:
        rollout = _shift_traffic(turn, rollout)
    rollout = _progress(turn, rollout)
    turn.set_rollout(rollout)
    if _exchanged(turn, rollout):
        _bake_or_finish(turn, rollout)


def _failure(turn: Turn, rollout: Rollout) -> str:
    tripped = breaker.tripped(turn.deployment.circuit_breaker, rollout, turn.state.desired)
    if tripped or rollout.phase not in _ALARMED:
        return tripped
    return next((text for position, text in _in_alarm(turn).items() if position not in rollout.ignored_alarms), "")


def _in_alarm(turn: Turn) -> dict[int, str]:
    return policy_alarms.in_alarm(turn.service, turn.state.alarms, turn.state.windows)


def _take_back(turn: Turn, rollout: Rollout, why: str) -> None:
    number, back = rollout.to_release, rollout.phase is RolloutPhase.ROLLING_BACK
    kind = ReasonKind.ROLLBACK_FAILED if back else ReasonKind.ROLLOUT_FAILED
    turn.say(kind, f"{'rollback to' if back else 'rollout of'} release {number} failed: {why}", release=number)
    releases.mark(turn, number, ReleaseStatus.FAILED, why)
    target = releases.home(turn, rollout)
    if back and not rollout.by_hand:
        cause = f"there is nothing better, release {rollout.from_release} failed before"
    elif not turn.deployment.rollback:
        cause = "rollback is off"
    elif target is None:
        cause = "no completed release to go back to"
    else:
        go_back(turn, target, leaving=number, why=why, by_hand=False)
        return
    phase = RolloutPhase.ROLLBACK_FAILED if back else RolloutPhase.STALLED
    turn.set_rollout(replace(rollout, phase=phase, why=why, phase_started_at=turn.now))
    turn.say(ReasonKind.REFUSED, f"release {number} is not rolled back: {cause}", release=number)


def _shift_traffic(turn: Turn, rollout: Rollout) -> Rollout:
    desired, new = turn.state.desired, turn.of_release(rollout.to_release)
    if rollout.strategy is Strategy.BLUE_GREEN and rollout.percent == 0:
        if sum(1 for one in new if one.ready_at is not None) < desired:
            return rollout
        for instance in new:
            turn.put(replace(instance, shadow=False))
        after = replace(rollout, percent=traffic.ALL, phase_started_at=turn.now)
    else:
        up, rules = sum(1 for one in new if one.healthy), turn.deployment
        after = traffic.next_step(rollout, rules, healthy=up, desired=desired, now=turn.now)
    if after.percent != rollout.percent or (after.step_reached and not rollout.step_reached):
        text = f"release {rollout.to_release} gets {after.percent:g} % of the requests"
        turn.say(ReasonKind.ROLLOUT_PROGRESS, text, release=rollout.to_release)
    return after


def _progress(turn: Turn, rollout: Rollout) -> Rollout:
    up = sum(1 for one in turn.of_release(rollout.to_release) if one.healthy)
    if up == rollout.in_service:
        return rollout
    text = f"{up} of {turn.state.desired} instances of release {rollout.to_release} are in service"
    turn.say(ReasonKind.ROLLOUT_PROGRESS, text, release=rollout.to_release)
    return replace(rollout, in_service=up)


def _exchanged(turn: Turn, rollout: Rollout) -> bool:
    if rollout.percent < traffic.ALL or rollout.in_service < turn.state.desired:
        return False
    if rollout.phase is RolloutPhase.STALLED:
        return rollout.from_release is None
    both = rollout.strategy is Strategy.BLUE_GREEN
    return both or all(one.release == rollout.to_release for one in turn.staying())


def _bake_or_finish(turn: Turn, rollout: Rollout) -> None:
    bake_s = turn.deployment.bake_s if rollout.from_release is not None else 0.0
    if rollout.phase is RolloutPhase.RUNNING and bake_s > 0:
        turn.set_rollout(replace(rollout, phase=RolloutPhase.BAKING, phase_started_at=turn.now))
        text = f"release {rollout.to_release} bakes for {bake_s:g} s"
        turn.say(ReasonKind.ROLLOUT_PROGRESS, text, release=rollout.to_release)
    elif rollout.phase is not RolloutPhase.BAKING or turn.now - rollout.phase_started_at >= bake_s:
        _finish(turn, rollout)


def _finish(turn: Turn, rollout: Rollout) -> None:
    number, back = rollout.to_release, rollout.phase in (RolloutPhase.ROLLING_BACK, RolloutPhase.ROLLBACK_FAILED)
    if rollout.strategy is Strategy.BLUE_GREEN:
        for instance in turn.staying():
            if instance.release != number:  # at once, or the old set would be let in again for a moment
                lifecycle.leave(turn, instance, f"replaced by release {number}")
    releases.mark(turn, number, ReleaseStatus.COMPLETED)
    watched = rollout.by_hand if back else rollout.from_release is not None
    # One that was given up has failed already: it came back by itself, and its failures must not fail it again.
    finished = replace(rollout, phase_started_at=turn.now) if watched and not rollout.given_up else None
    turn.state = replace(turn.state, release=number, rollout=None, finished=finished)
    took = f"{turn.now - rollout.started_at:.1f} s after"
    if back:
        text = f"release {number} serves again, {took} the rollback began: {rollout.why}"
        turn.say(ReasonKind.ROLLED_BACK, text, release=rollout.from_release)
    else:
        turn.say(ReasonKind.ROLLOUT_COMPLETED, f"release {number} serves, {took} the rollout began", release=number)


def _watch_finished(turn: Turn) -> None:
    finished, rules = turn.state.finished, turn.deployment
    if finished is None:
        return
    if turn.now - finished.phase_started_at > breaker.YOUNG_S:
        turn.state = replace(turn.state, finished=None)
    elif rules.rollback and (why := breaker.tripped(rules.circuit_breaker, finished, turn.state.desired)):
        _take_back(turn, finished, why)
