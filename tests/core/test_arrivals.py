"""Arrival times: the right number, in the right places, the same for the same seed."""

from itertools import pairwise
from math import e, sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyball.core.arrivals import RateCurve, Stage, arrivals, evenly, parse_duration, parse_stages, parse_trace
from flyball.core.errors import FileError


def curve(*stages: tuple[float, float]) -> RateCurve:
    return RateCurve(stages=tuple(Stage(rate=rate, duration_s=duration) for rate, duration in stages))


def test_stages_are_written_as_rate_and_duration():
    assert parse_stages("50:1m, 400:3m,50:1m30s") == curve((50, 60), (400, 180), (50, 90))


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("90s", 90), ("1m", 60), ("1h30m", 5400), ("1d", 86400), (" 2.5s ", 2.5)]
)
def test_a_duration_is_a_number_with_a_unit(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "60", "1 minute", "1 m", "-1s", "s", "1s2", "\u0663s"])
def test_what_is_not_a_duration_is_refused(text):
    with pytest.raises(FileError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", '"" is not a stage'),
        ("50", '"50" is not a stage'),
        ("fast:1m", '"fast:1m" is not a stage'),
        ("50:1m,", '"" is not a stage'),
        ("50:soon", '"soon" is not a duration'),
        ("-5:1m", "0 or more requests per second, not -5"),
        ("nan:1m", "0 or more requests per second"),
        ("5:0s", "more than 0 seconds"),
    ],
)
def test_a_bad_stage_is_refused_with_what_it_should_be(text, says):
    with pytest.raises(FileError, match=says):
        parse_stages(text)


def test_a_recording_holds_each_rate_until_the_next_row():
    text = "t_seconds,requests_per_second\n# from somewhere\n100,5\n\n160,7.5\n180,0\n"
    assert parse_trace(text) == curve((5, 60), (7.5, 20), (0, 20))


def test_a_recording_of_one_row_lasts_a_second():
    assert parse_trace("0,12") == curve((12, 1))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("t,rps\n", "no rows"),
        ("t,rps\n0,1\n1,many\n", 'line 3: "1,many"'),
        ("t,rps\nx,y\n", 'line 2: "x,y"'),
        ("0,1\n1\n", 'line 2: "1"'),
        ("0,1\n0,2\n", "0 s follows 0 s"),
        ("0,1\n5,1\n3,1\n", "3 s follows 5 s"),
    ],
)
def test_a_bad_recording_is_refused_with_its_line(text, says):
    with pytest.raises(FileError, match=says):
        parse_trace(text)


def test_scale_changes_rates_and_speed_changes_time():
    recorded = curve((100, 60), (300, 60))
    played = recorded.changed(scale=0.5, speed=10)
    assert played == curve((50, 6), (150, 6))
    assert (played.duration_s, played.expected_requests, played.peak_rate) == (12, 1200, 150)


@pytest.mark.parametrize("change", [{"scale": -1}, {"speed": 0}, {"speed": float("inf")}, {"scale": float("nan")}])
def test_a_scale_or_speed_without_meaning_is_refused(change):
    with pytest.raises(FileError):
        curve((1, 1)).changed(**change)


def test_the_first_seconds_of_a_curve():
    whole = curve((10, 60), (20, 60))
    assert whole.first(90) == curve((10, 60), (20, 30))
    assert whole.first(60) == curve((10, 60))
    assert whole.first(1000) == whole
    assert whole.first(0) == RateCurve(stages=())
    assert whole.first(0).peak_rate == 0


def test_evenly_spaced_arrivals_carry_a_gap_across_an_edge():
    assert list(evenly(curve((2, 2), (0, 1), (1, 2)))) == pytest.approx([0.25, 0.75, 1.25, 1.75, 3.5, 4.5])


def test_poisson_arrivals_are_exact_inversions_of_the_rate():
    # A uniform source stuck at 1 - 1/e gives gaps of exactly one mean.
    times = list(arrivals(curve((10, 1.05), (0, 5), (2, 2)), lambda: 1 - 1 / e))
    # Half a mean is left over at 1.05 and is spent at the slower rate, a quarter second after traffic resumes.
    assert times == pytest.approx([0.1 * n for n in range(1, 11)] + [6.3, 6.8, 7.3, 7.8], abs=1e-9)


def test_the_number_in_each_stage_is_poisson():
    whole = curve((200, 50), (2000, 10), (20, 100))
    times = list(arrivals(whole, Random(3).random))
    for start, end, mean in ((0, 50, 10_000), (50, 60, 20_000), (60, 160, 2000)):
        seen = sum(start <= time < end for time in times)
        assert abs(seen - mean) < 4 * sqrt(mean)


def test_gaps_vary_as_poisson_gaps_do():
    times = list(arrivals(curve((1000, 20)), Random(4).random))
    gaps = [b - a for a, b in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    deviation = sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert deviation / mean == pytest.approx(1.0, abs=0.03)  # evenly spaced would give 0


def test_the_same_seed_gives_the_same_times():
    whole = curve((50, 10), (100, 10))
    assert list(arrivals(whole, Random(7).random)) == list(arrivals(whole, Random(7).random))
    assert list(arrivals(whole, Random(7).random)) != list(arrivals(whole, Random(8).random))


stages = st.lists(st.tuples(st.floats(0, 200), st.floats(0.01, 3)), min_size=1, max_size=8)


@given(stages, st.integers(0, 2**32))
def test_times_rise_and_stay_inside_the_curve(shape, seed):
    whole = curve(*shape)
    times = list(arrivals(whole, Random(seed).random))
    assert times == sorted(times)
    assert all(0 <= time <= whole.duration_s for time in times)


@given(stages)
def test_evenly_spaced_arrivals_number_as_expected(shape):
    whole = curve(*shape)
    assert len(list(evenly(whole))) == pytest.approx(whole.expected_requests, abs=1)
