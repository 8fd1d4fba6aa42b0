"""Is this a schedule of five cron fields? minute hour day-of-month month day-of-week, as EC2 Auto Scaling takes them.

Each field is `*`, numbers, names (JAN, MON), ranges `a-b`, steps `/n` and lists of these.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-scheduled-scaling.html
"""

from __future__ import annotations

import re

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of the week", 0, 7, _DAYS),
)
_PART = re.compile(
    r"^(?:\*|(?P<low>[0-9]{1,2}|[a-z]{3})(?:-(?P<high>[0-9]{1,2}|[a-z]{3}))?)(?:/(?P<step>[0-9]{1,2}))?$"
)


def check(text: str) -> None:
    """Raises ValueError, with the field that is wrong, unless `text` is a schedule."""
    written = text.split()
    if len(written) != len(_FIELDS):
        raise ValueError(f"must have five fields (minute hour day month weekday), found {text!r}")
    for field, (name, low, high, names) in zip(written, _FIELDS, strict=True):
        if not all(_fits(part, low, high, names) for part in field.lower().split(",")):
            raise ValueError(f"the {name} {field!r} is not within {low} to {high}")


def _fits(part: str, low: int, high: int, names: tuple[str, ...]) -> bool:
    found = _PART.match(part)
    if found is None or found["step"] == "0" or found["step"] == "00":
        return False
    first, last = _number(found["low"] or str(low), low, names), _number(found["high"] or str(high), low, names)
    return first is not None and last is not None and low <= first <= last <= high


def _number(text: str, low: int, names: tuple[str, ...]) -> int | None:
    if text.isdigit():
        return int(text)
    # Names count from the field's lowest number: SUN is 0, JAN is 1.
    return names.index(text) + low if text in names else None
