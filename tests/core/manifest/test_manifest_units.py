"""Units are read and written without loss, and refused in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyball.core.manifest import units
from flyball.core.model import Comparison, Metric


@given(st.integers(0, 10**8), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_durations_survive_writing_and_reading(number: int, unit: str):
    seconds = units.duration(f"{number}{unit}")
    assert units.duration(units.duration_text(seconds)) == pytest.approx(seconds, rel=1e-9, abs=1e-6)


@given(st.integers(1, 10**15 - 1))
def test_sizes_survive_writing_and_reading(count: int):
    assert units.size(units.size_text(count)) == count


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.5, "500ms"),
        (1.5, "1.5s"),
        (60, "1m"),
        (90, "90s"),
        (3600, "1h"),
        (86400, "1d"),
        (0.0001, "0.0001s"),
    ],
)
def test_durations_are_written_short(seconds: float, text: str):
    assert units.duration_text(seconds) == text


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (units.duration, "1100ms", 1.1),
        (units.duration, "0.5s", 0.5),
        (units.size, "512MB", 536870912),
        (units.size, "1.5KiB", 1536),
        (units.size, "7B", 7),
        (units.percent, "1%", 1.0),
        (units.percent, "0.5 %", 0.5),
        (units.rate, "100/1m", (100, 60.0)),
        (units.condition, "cpu > 50%", (Metric.CPU, Comparison.ABOVE, 50.0)),
        (units.condition, "errors>=1.5", (Metric.ERRORS, Comparison.AT_LEAST, 1.5)),
        (units.condition, "p99 > 1s", (Metric.P99, Comparison.ABOVE, 1000.0)),
        (units.condition, "requests < 100.5", (Metric.REQUESTS, Comparison.BELOW, 100.5)),
    ],
)
def test_units_are_read(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text", "words"),
    [
        (units.duration, "30 parsecs", "not a duration: '30 parsecs' (write 500ms, 30s, 5m, 1h or 7d)"),
        (units.duration, "30", "not a duration"),
        (units.duration, "-5s", "must not be negative, found '-5s'"),
        (units.duration, "\u0663s", "not a duration"),
        (units.duration, "5s\n", "not a duration"),
        (units.size, "12 MB", "not a size"),
        (units.percent, "half", "not a percentage"),
        (units.rate, "100", "not a rate"),
        (units.condition, "load > 1", "not a condition"),
        (units.condition, "cpu = 1", "not a condition"),
        (units.condition, "p95 > 500", "not a duration"),
        (units.condition, "requests > 5%", "requests are a plain number"),
        (units.condition, "cpu > 5s", "not a percentage"),
    ],
)
def test_what_is_not_a_unit_is_refused_in_words(read, text, words):
    with pytest.raises(units.NotAUnit) as refused:
        read(text)
    assert words in str(refused.value)


def test_values_are_named_as_they_are_written():
    shown = [units.value_text(value) for value in (True, False, 5, 1.5, "a", {}, [], "x" * 100)]
    assert shown == ["true", "false", "5", "1.5", "'a'", "a table", "a list", "'" + "x" * 56 + "..."]
    assert units.size_text(0) == "0B"
    assert units.threshold_text(Metric.REQUESTS, 100.0) == "100"
