"""Overload through `up`, with a limit: what waits in the balancer's queue is served by the instances that come."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from acceptance.running import Running, result_of
from acceptance.small import kinds, states
from acceptance.test_scaling import FILE, SPINNER
from flyball.core.control.state import Lifecycle

pytestmark = pytest.mark.live

PLACES = 4
MOST = 2 * PLACES
"""All together are limited exactly; one may get what was meant for another that the balancer cannot reach at once."""
LOAD = ("--rate", "150", "--for", "5s", "--timeout", "90s")
"""Three times what an instance can do: 5 ms of CPU a request, at a quarter of a core."""


@pytest.fixture
def limited(place: Callable[..., Running]) -> Running:
    file = FILE.replace('routes = ["/"]', f'routes = ["/"]\nconcurrency = {PLACES}\nqueue = {{ wait = "55s" }}')
    running = place(files={"flyball.toml": file.replace("cpu = 50", "cpu = 90"), "spinner.py": SPINNER})
    running.up()
    return running


def waiting(running: Running) -> int:
    return int(running.service()["metrics"]["waiting"])


def most_at_work(running: Running) -> int:
    in_service = [
        one for _, state in states(running) for one in state.instances if one.lifecycle is Lifecycle.IN_SERVICE
    ]
    return max(one.in_flight for one in in_service)


def test_what_waits_is_served_by_the_instances_that_come_and_nobody_is_called_unhealthy(limited: Running) -> None:
    sending = limited.load("web", *LOAD)
    limited.until(lambda: waiting(limited) > 50, what="requests wait")
    limited.flyball("scale", "web=3")
    limited.until(lambda: limited.service()["capacity"]["in_service"] >= 3, what="three in service")
    result = result_of(sending)

    assert (result["failed"], result["by_status"]) == (0, {"200": result["sent"]})
    assert {"web-1", "web-2", "web-3"} <= result["by_instance"].keys()
    assert not {"unhealthy", "overloaded"} & set(kinds(limited))
    assert most_at_work(limited) <= MOST
    limited.until(lambda: waiting(limited) == 0, what="nobody waits")


def test_what_waits_outlives_the_control_plane(limited: Running) -> None:
    sending = limited.load("web", *LOAD)
    limited.until(lambda: waiting(limited) > 50, what="requests wait")
    limited.kill_control_plane()
    limited.flyball("up", "-d")
    limited.until(lambda: waiting(limited) == 0, what="nobody waits")

    assert result_of(sending)["failed"] == 0
    assert most_at_work(limited) <= MOST
