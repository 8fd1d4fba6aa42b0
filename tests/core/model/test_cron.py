"""Schedules of five fields: which minutes they name, and what is none."""

from __future__ import annotations

from datetime import datetime

import pytest

from flyball.core.model import cron


def test_a_schedule_is_the_values_of_its_five_fields():
    written = cron.parse("5/20 0-6/2 1,15 jan-MAR Sat,7")
    assert written == cron.Cron(
        minutes=frozenset({5, 25, 45}),
        hours=frozenset({0, 2, 4, 6}),
        days=frozenset({1, 15}),
        months=frozenset({1, 2, 3}),
        weekdays=frozenset({6, 0}),
    )
    every = cron.parse("* */12 * * *")
    assert (len(every.minutes), every.hours, len(every.weekdays)) == (60, {0, 12}, 7)


@pytest.mark.parametrize(
    ("text", "time", "matches"),
    [
        ("0 8 * * MON-FRI", "2026-11-20T08:00", True),  # a Friday
        ("0 8 * * SAT,SUN", "2026-11-20T08:00", False),
        ("0 8 13 * FRI", "2026-11-20T08:00", True),  # both days are restricted: either will do
        ("0 8 13 * *", "2026-11-20T08:00", False),
        ("1 8 * * *", "2026-11-20T08:00", False),
    ],
)
def test_the_minutes_of_a_schedule(text: str, time: str, matches: bool):
    assert cron.parse(text).matches(datetime.fromisoformat(time)) is matches


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("* * * *", "must have five fields"),
        ("60 * * * *", "the minute '60' is not within 0 to 59"),
        ("* 24 * * *", "the hour"),
        ("* * 0 * *", "the day of the month"),
        ("* * * 13 *", "the month"),
        ("* * * * 8", "the day of the week"),
        ("* * * * mon-xyz", "the day of the week"),
        ("* * * * fri-mon", "the day of the week"),
        ("*/0 * * * *", "the minute"),
        ("*/00 * * * *", "the minute"),
        ("1,,2 * * * *", "the minute"),
        ("*-5 * * * *", "the minute"),
    ],
)
def test_what_is_no_schedule(text: str, words: str):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        cron.parse(text)
