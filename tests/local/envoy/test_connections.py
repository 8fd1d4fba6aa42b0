"""Envoy never gets more connections than it has descriptors for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import service
from flyball.local.envoy.config.connections import LEAST_PER_INSTANCE, RESERVE, Connections, connections


@pytest.mark.parametrize(
    ("descriptors", "most", "limits"),
    [
        (20_000, 10, Connections(clients=11_700, per_instance=390)),
        (1_048_576, 10, Connections(clients=50_000, per_instance=500)),
        (1_024, 10, Connections(clients=314, per_instance=16)),
        (100, 1, Connections(clients=0, per_instance=16)),
    ],
)
def test_clients_and_instances_share_the_descriptors(descriptors, most, limits):
    assert connections([service(high=most)], descriptors=descriptors) == limits


@given(descriptors=st.integers(2_000, 1_000_000), most=st.lists(st.integers(1, 100), min_size=1, max_size=5))
def test_all_limits_reached_at_once_still_fit(descriptors, most):
    services = [service(f"s{number}", high=high) for number, high in enumerate(most)]
    limits = connections(services, descriptors=descriptors)
    if limits.per_instance > LEAST_PER_INSTANCE:
        assert limits.clients + 2 * sum(most) * limits.per_instance + RESERVE <= descriptors
