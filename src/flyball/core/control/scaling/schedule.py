"""Which scheduled actions are due, and what do they set?

Rule: an action is due when its time lies in (last looked at, now]. It sets any of min, max and desired, at once and
whatever cooldown runs; the new bounds stay until another action or the file changes them. `at` fires once, `cron` in
every minute that its five fields name (`model/cron.py`). UTC unless a time zone is given.

AWS: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html
Ours: on time, where AWS may be two minutes late. A control plane that was away makes up for the last day at most.
Time zones come from Python's `zoneinfo`, a constant table; an unknown zone or a bad cron is refused with a reason.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from flyball.core.model import ScheduledAction, cron

MINUTE_S = 60
LOOK_BACK_MINUTES = 24 * 60


def last_due(action: ScheduledAction, *, since: float, now: float) -> float | None:
    """The latest time in (since, now] at which the action fires, None without. Raises ValueError for a bad action."""
    if action.cron is None:
        return action.at if action.at is not None and since < action.at <= now else None
    times, zone = cron.parse(action.cron), zone_of(action.timezone)
    minute = int(now // MINUTE_S) * MINUTE_S
    for time in range(minute, minute - LOOK_BACK_MINUTES * MINUTE_S, -MINUTE_S):
        if time <= since:
            return None
        if times.matches(datetime.fromtimestamp(time, zone)):
            return float(time)
    return None


def problem(action: ScheduledAction) -> str:
    """Why the action cannot be carried out; empty when it can."""
    try:
        if action.cron is not None:
            cron.parse(action.cron)
            zone_of(action.timezone)
    except ValueError as error:
        return str(error)
    return ""


def zone_of(name: str) -> tzinfo:
    """The time zone of that name. Raises ValueError when there is none."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"there is no time zone {name!r}") from error
