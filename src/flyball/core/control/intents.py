"""What does an operator want, and may it be?

Rule: an intent is carried out or refused with a reason, once, in the step that sees it. A capacity outside [min, max]
is refused. A hold keeps policies (not scheduled actions, not the file) from changing the capacity. A rollback goes to
the release named, or to the last completed one before the current; during a rollout it takes that rollout back.

AWS: https://docs.aws.amazon.com/autoscaling/ec2/userguide/as-manual-scaling.html
Ours: a capacity set by hand empties the windows, so that alarms judge it by what is measured with it. On AWS an alarm
that was low before undoes it within a minute, which no operator wants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from . import releases, rollout
from .capacity import bounds_of
from .observation import Deploy, Intent, Replace, Rollback, Scale, Shutdown
from .reasons import Reason, ReasonKind
from .state import ReleaseStatus, RolloutPhase
from .turn import Turn
from .windows import emptied


def apply(intent: Intent, turns: Mapping[str, Turn]) -> Reason | None:
    """Carry an intent out on the turn of its service; a reason when there is no such service or instance."""
    if isinstance(intent, Shutdown):
        return None  # seen by `step` itself: it concerns every service
    if isinstance(intent, Replace):
        turn = next((turn for turn in turns.values() if intent.instance in turn.instances), None)
        missing = f"there is no instance {intent.instance}"
    else:
        turn = turns.get(intent.service)
        missing = f"there is no service {intent.service}"
    if turn is None:
        return Reason(kind=ReasonKind.REFUSED, service="", text=missing)
    if turn.leaving:
        turn.say(ReasonKind.REFUSED, f"{turn.state.name} is being stopped")
        return None
    _carry_out(intent, turn)
    return None


def _carry_out(intent: Deploy | Rollback | Scale | Replace, turn: Turn) -> None:
    match intent:
        case Deploy():
            releases.create(turn, intent)
        case Rollback():
            _roll_back(turn, intent)
        case Scale():
            _scale(turn, intent)
        case Replace():
            _replace(turn, intent)
        case _:
            assert_never(intent)


def _scale(turn: Turn, intent: Scale) -> None:
    bounds, before = bounds_of(turn), turn.state.desired
    if intent.desired < bounds.min:
        turn.say(ReasonKind.REFUSED, f"desired {intent.desired} is below min {bounds.min}")
        return
    if intent.desired > bounds.max:
        turn.say(ReasonKind.REFUSED, f"desired {intent.desired} is above max {bounds.max}")
        return
    held_until = turn.now + intent.hold_s if intent.hold_s > 0 else None
    turn.state = replace(
        turn.state, desired=intent.desired, held_until=held_until, windows=emptied(turn.state.windows), alarms=()
    )
    text = f"desired {intent.desired} by hand" + (f", held for {intent.hold_s:g} s" if held_until else "")
    turn.say(ReasonKind.SCALED_BY_HAND, text, before=before, after=intent.desired)


def _replace(turn: Turn, intent: Replace) -> None:
    instance = turn.instances[intent.instance]
    if not instance.staying:
        turn.say(ReasonKind.REFUSED, f"{instance.id} is already {instance.lifecycle}", instance=instance)
        return
    turn.put(replace(instance, replace=True))


def _roll_back(turn: Turn, intent: Rollback) -> None:
    running = turn.state.rollout
    if (
        running is not None
        and running.phase is RolloutPhase.ROLLING_BACK
        and intent.release in (None, running.to_release)
    ):
        turn.say(ReasonKind.REFUSED, f"a rollback to release {running.to_release} is already running")
        return
    leaving = running.to_release if running is not None else turn.state.release
    number = _default(turn) if intent.release is None else intent.release
    refusal = _refusal(turn, number, leaving)
    if number is None or leaving is None or refusal:
        turn.say(ReasonKind.REFUSED, refusal, release=intent.release)
        return
    if running is not None and running.phase in (RolloutPhase.RUNNING, RolloutPhase.BAKING):
        text = f"rollout of release {leaving} ended by hand"
        turn.say(ReasonKind.ROLLOUT_FAILED, text, release=leaving)
        releases.fail(turn, leaving, "rolled back by hand")
    rollout.go_back(turn, number, leaving=leaving, why="by hand", by_hand=True)


def _default(turn: Turn) -> int | None:
    running, current = turn.state.rollout, turn.state.release
    if running is not None:
        return releases.home(turn, running)
    completed = [one.number for one in turn.state.releases if one.status is ReleaseStatus.COMPLETED]
    return max((number for number in completed if current is not None and number < current), default=None)


def _refusal(turn: Turn, number: int | None, leaving: int | None) -> str:
    if number is None or leaving is None:
        return "there is no completed release to go back to"
    release = turn.state.find_release(number)
    if release is None:
        return f"release {number} is not known: the last {releases.REMEMBERED} and those in use are kept"
    if release.status is not ReleaseStatus.COMPLETED:
        return f"release {number} has not completed its rollout ({release.status})"
    return f"release {number} already serves" if number == leaving else ""
