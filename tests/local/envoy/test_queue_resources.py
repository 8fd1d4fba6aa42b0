"""The queue's part of the files that feed Envoy, as values; and that its program is what its source makes."""

import json
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from flyball.core.model import Balancing, BalancingAlgorithm, Listener, Queue
from flyball.local.envoy import files, process
from flyball.local.envoy.config import firewall, queue
from flyball.local.envoy.config.endpoints import Endpoint
from flyball.local.envoy.config.queue import at_once
from flyball.local.envoy.config.resources import files as resources
from local.envoy.envoy_rig import application, service

ROOT = Path(__file__).parents[3]


def endpoint(number=1, **fields):
    given = {"instance": f"web-{number}", "port": 20000 + number, "weight": 1, "draining": False, "zone": "a"}
    return Endpoint(**{**given, **fields})


def built(app, endpoints=(), **fields):
    where = {"directory": "/d", "port": 8080, "inside_port": 8081, "access_log": "/d/a", "certificate": None}
    return resources(app, {"web": endpoints}, **{**where, **fields})


def lines(content):
    (resource,) = content["queue.json"]["resources"]
    return resource["typed_config"]["config"]["configuration"]["value"]


def filters(content):
    chain = content["lds.json"]["resources"][0]["filter_chains"][0]
    return [one["name"] for one in chain["filters"][0]["typed_config"]["http_filters"]]


def cluster(content):
    return content["cds.json"]["resources"][0]


def weights(content):
    (group,) = content["eds-web.json"]["resources"][0]["endpoints"]
    return [one["load_balancing_weight"] for one in group["lb_endpoints"]]


def algorithm(content):
    subset = cluster(content)["load_balancing_policy"]["policies"][0]["typed_extension_config"]["typed_config"]
    return subset["subset_lb_policy"]["policies"][0]["typed_extension_config"]


def test_without_a_limit_there_is_no_filter():
    content = built(application(service(concurrency=0)))
    assert "queue.json" not in content
    assert filters(content) == ["envoy.filters.http.router"]
    assert algorithm(content)["name"].endswith("round_robin")


def test_the_filter_comes_right_before_the_router_and_the_least_busy_instance_is_chosen():
    content = built(application(service(concurrency=3, balancing=Balancing(slow_start_s=30.0))), [endpoint()])
    assert filters(content) == ["queue", "envoy.filters.http.router"]
    assert algorithm(content)["name"].endswith("least_request")
    assert algorithm(content)["typed_config"]["slow_start_config"]["slow_start_window"] == "30s"
    assert lines(content) == "web 3 10000 50000\n"


def test_a_limit_that_adapts_is_told_and_leaves_the_instances_their_turns():
    adapting = application(service())
    content = built(adapting, [endpoint(1), endpoint(2, weight=3)], concurrency={"web": 80})
    assert lines(content) == "web 106 10000 50000\n"
    assert weights(content) == [1001, 3000]
    assert algorithm(content)["name"].endswith("least_request")
    assert "selection_method" not in algorithm(content)["typed_config"]
    least = service(balancing=Balancing(algorithm=BalancingAlgorithm.LEAST_OUTSTANDING_REQUESTS))
    assert weights(built(application(least), [endpoint(1), endpoint(2)])) == [1000, 1000]


def test_without_webassembly_nothing_adapts():
    content = built(application(service()), [endpoint(1), endpoint(2)], concurrency={"web": 80}, queue=None)
    assert filters(content) == ["envoy.filters.http.router"]
    assert algorithm(content)["name"].endswith("round_robin")
    assert weights(content) == [1000, 1000]


def test_the_file_says_how_many_wait_and_how_long():
    queue = Queue(most=5, longest_s=2.5)
    assert lines(built(application(service(concurrency=3, queue=queue)), [endpoint()])) == "web 3 5 2500\n"


def test_by_default_nobody_waits_as_long_as_the_listener_allows():
    app = application(service(concurrency=1), idle_timeout_s=10.0)
    assert lines(built(app, [endpoint()])) == "web 1 10000 9000\n"
    assert app.listener == Listener(idle_timeout_s=10.0)


def test_who_waits_when_the_last_instances_leave_is_not_kept_waiting():
    app = application(service(concurrency=1))
    assert lines(built(app, [endpoint(draining=True)])) == "web 0 10000 0\n"
    assert lines(built(app, [])) == "web 0 10000 50000\n"


@pytest.mark.parametrize(
    ("endpoints", "places"),
    [
        ([], 0),
        ([endpoint(draining=True, in_flight=3)], 0),
        ([endpoint(known=False, healthy=False)], 0),
        ([endpoint(1), endpoint(2)], 8),
        ([endpoint(1), endpoint(2, draining=True, in_flight=3)], 7),
        ([endpoint(1), endpoint(2, draining=True, in_flight=30)], 8),
        ([endpoint(1), endpoint(2, healthy=False)], 4),
        ([endpoint(1), endpoint(2, healthy=False, in_flight=1)], 5),
        ([endpoint(1, healthy=False), endpoint(2, healthy=False)], 8),
        ([endpoint(1, weight=90), endpoint(2, weight=10)], 4),
        ([endpoint(1, weight=2), endpoint(2, weight=1)], 6),
    ],
)
def test_places_are_those_of_the_instances_that_get_requests(endpoints, places):
    assert at_once(4, endpoints) == places


def test_without_webassembly_envoy_limits_the_connections_to_each_instance():
    content = built(application(service(concurrency=3)), [endpoint()], queue=None)
    assert "queue.json" not in content
    assert filters(content) == ["envoy.filters.http.router"]
    assert cluster(content)["circuit_breakers"]["per_host_thresholds"] == [{"max_connections": 3}]


def test_with_it_connections_are_as_many_as_without_a_limit():
    limited, free = (
        cluster(built(application(service(concurrency=number)), [endpoint()]))["circuit_breakers"] for number in (3, 0)
    )
    assert limited == free


def test_every_change_gets_a_number_of_its_own(tmp_path):
    def written(*endpoints):
        files.write(tmp_path, built(application(service(concurrency=1)), endpoints))
        number, told = lines({"queue.json": json.loads((tmp_path / "queue.json").read_text())}).split("\n", 1)
        return int(number.removeprefix("# ")), told

    one, two = endpoint(1), endpoint(2)
    first, told = written(one)
    assert told == "web 1 10000 50000\n"
    assert written(one) == (first, told)
    second, told = written(one, two)
    assert (second > first, told) == (True, "web 2 10000 50000\n")
    third, told = written(one, replace(two, draining=True))
    assert (third > second, told) == (True, "web 1 10000 50000\n")
    (tmp_path / "queue.json").write_text("broken")
    assert written(one) == (pytest.approx(third, abs=60), told)


def test_this_envoy_runs_webassembly():
    if sys.platform != "linux":
        pytest.skip("only known of Linux's Envoy")
    assert process.has_v8()


@pytest.mark.live
@pytest.mark.parametrize("program", [queue.PROGRAM, firewall.PROGRAM], ids=["queue", "rate"])
def test_the_program_is_what_its_source_makes(program, tmp_path):
    if find_spec("ziglang") is None:
        pytest.skip("needs the compiler: sh bin/setup all")
    made, source = tmp_path / "made.wasm", Path(program).with_suffix(".c")
    subprocess.run(["sh", ROOT / "bin/build-filter", made, source], check=True, capture_output=True)
    assert made.read_bytes() == Path(program).read_bytes(), "run: sh bin/build-filter"
