"""Percentiles of what happened between two readings of a cumulative histogram."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flyball.core.latency import BUCKET_EDGES_MS, percentiles


def cumulative(samples):
    return {edge: sum(sample <= edge for sample in samples) for edge in BUCKET_EDGES_MS}


def test_bucket_edges_rise_from_half_a_millisecond_to_a_minute():
    assert list(BUCKET_EDGES_MS) == sorted(set(BUCKET_EDGES_MS))
    assert (BUCKET_EDGES_MS[0], BUCKET_EDGES_MS[-1]) == (0.5, 60_000.0)
    assert all(later / earlier < 1.2 for earlier, later in itertools.pairwise(BUCKET_EDGES_MS[9:]))


def test_nothing_new_has_no_percentiles():
    assert percentiles({}, {}) is None
    assert percentiles(cumulative([1, 2]), cumulative([1, 2])) is None


@given(st.lists(st.integers(0, 59_000), max_size=30), st.lists(st.integers(0, 59_000), min_size=1, max_size=200))
def test_percentiles_are_those_of_the_new_samples_within_a_bucket(old, new):
    found = percentiles(cumulative(old), cumulative([*old, *new]))
    assert found is not None
    ordered = sorted(new)
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        exact = ordered[max(0, -(-int(share * 100) * len(ordered) // 100) - 1)]
        assert found[name] == pytest.approx(exact, rel=0.2, abs=1.0)


def test_beyond_the_last_edge_the_edge_is_all_that_is_known():
    after = {10.0: 1, float("inf"): 10}
    assert percentiles({}, after) == {"p50": 10.0, "p95": 10.0, "p99": 10.0}
