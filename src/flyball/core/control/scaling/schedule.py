"""Which scheduled actions are due, and what do they set?

Rule: an action is due when its time lies in (last looked at, now]. It sets any of min, max and desired, at once and
whatever cooldown runs; the new bounds stay until another action or the file changes them. `at` fires once; `cron` has
five fields (minute hour day-of-month month day-of-week), each `*`, `a`, `a-b`, `*/n`, `a-b/n` or a list of them; Sunday
is 0 or 7; when both days are restricted either may match. UTC unless a time zone is given.

AWS: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html
Ours: on time, where AWS may be two minutes late. A control plane that was away makes up for the last day at most.
Time zones come from Python's `zoneinfo`, a constant table; an unknown zone or a bad cron is refused with a reason.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from flyball.core.model import ScheduledAction

MINUTE_S = 60
LOOK_BACK_MINUTES = 24 * 60
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def last_due(action: ScheduledAction, *, since: float, now: float) -> float | None:
    """The latest time in (since, now] at which the action fires, None without. Raises ValueError for a bad action."""
    if action.cron is None:
        return action.at if action.at is not None and since < action.at <= now else None
    fields, zone = parse(action.cron), zone_of(action.timezone)
    minute = int(now // MINUTE_S) * MINUTE_S
    for time in range(minute, minute - LOOK_BACK_MINUTES * MINUTE_S, -MINUTE_S):
        if time <= since:
            return None
        if matches(fields, datetime.fromtimestamp(time, zone)):
            return float(time)
    return None


def problem(action: ScheduledAction) -> str:
    """Why the action cannot be carried out; empty when it can."""
    try:
        if action.cron is not None:
            parse(action.cron)
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


def parse(cron: str) -> tuple[frozenset[int], ...]:
    """The minutes, hours, days, months and weekdays that match. Raises ValueError with what is wrong."""
    fields = cron.split()
    if len(fields) != len(_RANGES):
        raise ValueError(f"cron {cron!r} needs five fields: minute hour day month weekday")
    values = [_field(field, low, high) for field, (low, high) in zip(fields, _RANGES, strict=True)]
    values[4] = frozenset(day % 7 for day in values[4])
    return tuple(values)


def _field(field: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, stride = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            first, dash, last = str(low), "-", str(high)
        if not (first.isdigit() and (last.isdigit() or not dash) and (stride or "1").isdigit()):
            raise ValueError(f"cron field {field!r} is not a number, range or list")
        start, end = int(first), int(last) if dash else (high if stride else int(first))
        if not low <= start <= end <= high or int(stride or 1) < 1:
            raise ValueError(f"cron field {field!r} is not within {low} to {high}")
        found.update(range(start, end + 1, int(stride or 1)))
    return frozenset(found)


def matches(fields: tuple[frozenset[int], ...], time: datetime) -> bool:
    """Whether that minute matches the parsed fields."""
    minutes, hours, days, months, weekdays = fields
    if time.minute not in minutes or time.hour not in hours or time.month not in months:
        return False
    in_days, in_week = time.day in days, time.isoweekday() % 7 in weekdays
    every_day, every_week = len(days) == 31, len(weekdays) == 7
    if every_day or every_week:
        return in_days and in_week
    return in_days or in_week
