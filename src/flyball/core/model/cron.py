"""The minutes of a schedule with five cron fields: minute, hour, day of the month, month, day of the week.

Each field is `*`, numbers, names (JAN, MON, in any case), ranges `a-b`, steps `/n`, or a list of these; `a/n` runs to
the end of the field. Sunday is 0 or 7. If both day fields are restricted, either may match, as in every cron.
Not a library: cronsim and croniter also accept what AWS refuses (seconds, `L`, `#`) and do not say which value is out
of which range; guarding against both takes more code than this.

AWS: https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("day of the week", 0, 7, DAYS),
)
_PART = re.compile(
    r"(?:\*|(?P<low>[0-9]{1,2}|[A-Z]{3})(?:-(?P<high>[0-9]{1,2}|[A-Z]{3}))?)(?:/(?P<step>0?[1-9]|[1-9][0-9]))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """The matching values of each field; `weekdays` are 0 to 6 from Sunday."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def matches(self, time: datetime) -> bool:
        """Whether the schedule includes the minute of `time`, in its own time zone."""
        if time.minute not in self.minutes or time.hour not in self.hours or time.month not in self.months:
            return False
        in_days, in_week = time.day in self.days, time.isoweekday() % 7 in self.weekdays
        if len(self.days) == 31 or len(self.weekdays) == 7:
            return in_days and in_week
        return in_days or in_week


def parse(text: str) -> Cron:
    """Parse a schedule. Raises ValueError naming the wrong field."""
    written = text.split()
    if len(written) != len(_FIELDS):
        raise ValueError(f"must have five fields (minute hour day month weekday), found {text!r}")
    minutes, hours, days, months, weekdays = (
        _values(field, *rules) for field, rules in zip(written, _FIELDS, strict=True)
    )
    weekdays = frozenset(day % 7 for day in weekdays)
    return Cron(minutes=minutes, hours=hours, days=days, months=months, weekdays=weekdays)


def _values(field: str, name: str, low: int, high: int, names: tuple[str, ...]) -> frozenset[int]:
    values: set[int] = set()
    for part in field.upper().split(","):
        found = _span(part, low, high, names)
        if not found:
            raise ValueError(f"the {name} {field!r} is not within {low} to {high}")
        values.update(found)
    return frozenset(values)


def _span(part: str, low: int, high: int, names: tuple[str, ...]) -> range:
    """The values of one part of a list; empty when it is invalid."""
    found = _PART.fullmatch(part)
    if found is None:
        return range(0)
    first = _number(found["low"], low, names) if found["low"] else low
    if found["high"]:
        last = _number(found["high"], low, names)
    else:
        last = first if found["low"] and not found["step"] else high
    if first is None or last is None or not low <= first <= last <= high:
        return range(0)
    return range(first, last + 1, int(found["step"] or 1))


def _number(text: str, low: int, names: tuple[str, ...]) -> int | None:
    if text.isdigit():
        return int(text)
    # Names start at the field's lowest number: SUN is 0, JAN is 1.
    return names.index(text) + low if text in names else None
