"""The file's five cron fields as the six of AWS's `cron()`: minute, hour, day of month, month, day of week, year.

AWS numbers weekdays 1 to 7 from Sunday, cron 0 to 6 (7 is Sunday too), and one of AWS's day fields must be `?`.
https://docs.aws.amazon.com/autoscaling/application/userguide/scheduled-scaling-using-cron-expressions.html
"""

from __future__ import annotations

from flyball.core.model.cron import DAYS


def aws_cron(cron: str) -> str:
    """The six fields. Raises ValueError for both day fields set, which AWS cannot express, or not five fields."""
    fields = cron.split()
    if len(fields) != 5:
        raise ValueError(f"a schedule has five fields; {cron!r} has {len(fields)}")
    minute, hour, day, month, weekday = fields
    if day != "*" and weekday != "*":
        raise ValueError(f"AWS cannot combine a day of the month with a day of the week: {cron!r}")
    if weekday == "*":
        return f"{minute} {hour} {day} {month} ? *"
    return f"{minute} {hour} ? {month} {_weekdays(weekday)} *"


def _weekdays(field: str) -> str:
    """Weekdays as a list of names, which avoids both numberings."""
    names = [name for part in field.split(",") for name in _days(part)]
    return ",".join(dict.fromkeys(names))


def _days(part: str) -> list[str]:
    span, _, step = part.partition("/")
    first, _, last = ("0", "-", "6") if span == "*" else span.partition("-")
    start = _number(first)
    end = _number(last) if last else (6 if step else start)
    if end < start:
        end += 7
    return [DAYS[day % 7] for day in range(start, end + 1, int(step or 1))]


def _number(day: str) -> int:
    return int(day) if day.isdigit() else DAYS.index(day.upper())
