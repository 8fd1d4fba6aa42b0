"""The files that feed the edge: who is led where, what is tried next, and that Envoy takes them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flyball.core.manifest import parse
from flyball.core.model import Application, Edge, EdgeRouting, Firewall, RateLimit, RegionHealth, Tls
from flyball.core.model.edge import behind_edge
from flyball.local.envoy import files as envoy_files
from flyball.local.envoy import process
from flyball.local.envoy.config import listener as entrance
from flyball.local.envoy.config.bootstrap import bootstrap
from flyball.local.envoy.config.connections import Connections
from flyball.regions import config
from manifests import one_service

REGIONS = "[regions.us-east-1]\n[regions.eu-west-1]\n"
APP = parse(one_service("routes = ['/']\nhealth = '/up'", REGIONS))
PORTS = {"us-east-1": 20001, "eu-west-1": 20002}
ACROSS, BACK = "us-east-1_eu-west-1", "eu-west-1_us-east-1"


def made(app: Application = APP, ports: dict[str, int] = PORTS, **more: Any) -> dict[str, Any]:
    given = {
        "directory": "/x",
        "sockets": "/x/run",
        "port": 8080,
        "access_log": "/x/access.log",
        "certificate": None,
    } | more
    return config.files(app, ports, limits=Connections(), **given)


def destinations(files: dict[str, Any]) -> list[tuple[str, Any]]:
    """(places, cluster or clusters with weights) of each route that may be sent again."""
    found = []
    for route in files["rds.json"]["resources"][0]["virtual_hosts"][0]["routes"][::2]:
        headers = [one for one in route["match"]["headers"] if one["name"] == config.FROM_HEADER]
        places = headers[0]["string_match"]["safe_regex"]["regex"] if headers else "others"
        action = route.get("route", route)
        shared = action.get("weighted_clusters", {}).get("clusters", ())
        found.append((places, action.get("cluster") or {one["name"]: one["weight"] for one in shared}))
    return found


def test_each_place_is_led_to_its_region_and_the_rest_to_the_first():
    (near, cluster), others = destinations(made())
    assert cluster == BACK
    assert "eu-west-1" in near
    assert "eu-central-1" in near
    assert "us-west-2" not in near
    assert others == ("others", ACROSS)


def test_the_regions_of_an_order_are_its_priorities():
    (assignment,) = made()[f"eds-{BACK}.json"]["resources"]
    found = [
        (one["priority"], one["lb_endpoints"][0]["endpoint"]["hostname"], one["locality"]["region"])
        for one in assignment["endpoints"]
    ]
    assert found == [(0, "eu-west-1", "eu-west-1"), (1, "us-east-1", "us-east-1")]


def test_a_region_that_does_not_run_gets_nobody():
    files = made(ports={"us-east-1": 20001})
    assert destinations(files) == [("others", "us-east-1")]
    assert set(files) == {"cds.json", "eds-us-east-1.json", "lds.json", "rds.json"}
    (route, _) = made(ports={})["rds.json"]["resources"][0]["virtual_hosts"][0]["routes"]
    assert route["direct_response"] == {"status": 503}


def test_shares_are_weights():
    regions = (replace(APP.regions[0], weight=3), APP.regions[1])
    app = replace(APP, regions=regions, edge=Edge(routing=EdgeRouting.WEIGHTED))
    assert destinations(made(app)) == [("others", {ACROSS: 3, BACK: 1})]


def test_a_region_that_comes_back_gets_a_part_of_its_visitors():
    files = made(returning={"eu-west-1": 25})
    (_, near), others = destinations(files)
    late = f"{ACROSS}+eu-west-1"
    assert near == {BACK: 25, late: 75}
    assert others == ("others", ACROSS)
    assert [one["locality"]["region"] for one in files[f"eds-{late}.json"]["resources"][0]["endpoints"]] == [*PORTS]
    assert (config.order_of(late), config.home_of(late)) == (("us-east-1", "eu-west-1"), "eu-west-1")
    assert destinations(made(returning={"eu-west-1": 0}))[0][1] == late
    assert files.keys() == made().keys()  # whoever may serve is always checked
    action = files["rds.json"]["resources"][0]["virtual_hosts"][0]["routes"][0]["route"]
    assert action["weighted_clusters"]["use_hash_policy"]
    assert action["hash_policy"] == [{"header": {"header_name": "cookie"}}]


def test_the_check_is_the_files():
    health = RegionHealth(interval_s=2.0, timeout_s=1.0, unhealthy_threshold=4, healthy_threshold=1)
    check = made(replace(APP, edge=Edge(health=health)))["cds.json"]["resources"][0]["health_checks"][0]
    assert (check["interval"], check["timeout"], check["unhealthy_threshold"]) == ("2s", "1s", 4)
    assert check["http_health_check"]["path"] == "/up"
    hidden = parse(one_service("routes = ['/api']\nhealth = '/up'", REGIONS))
    check = made(hidden)["cds.json"]["resources"][0]["health_checks"][0]
    assert check["tcp_health_check"] == {}
    assert "http_health_check" not in check


def test_a_visitors_address_can_tell_its_place():
    app = replace(APP, edge=Edge(sources=(("127.0.1.0/24", "eu-west-1"),)))
    told, others = made(app)["lds.json"]["resources"][0]["filter_chains"]
    assert told["filter_chain_match"]["source_prefix_ranges"] == [{"address_prefix": "127.0.1.0", "prefix_len": 24}]
    manager = told["filters"][0]["typed_config"]
    (early,) = manager["early_header_mutation_extensions"]
    (mutation,) = early["typed_config"]["mutations"]
    assert mutation["append"]["header"] == {"key": config.FROM_HEADER, "value": "eu-west-1"}
    assert "early_header_mutation_extensions" not in others["filters"][0]["typed_config"]


def filters_of(made_listener: dict[str, Any]) -> list[set[str]]:
    """The filters of each chain of a listener."""
    managers = [chain["filters"][0]["typed_config"] for chain in made_listener["filter_chains"]]
    return [{one["name"].rpartition(".")[2] for one in manager["http_filters"]} for manager in managers]


def test_the_firewall_is_at_the_edge_for_every_visitor_and_in_no_region():
    rules = Firewall(deny=("127.0.9.0/24",), rates=(RateLimit(requests=100, per_s=60.0),))
    sources = (("127.0.1.0/24", "eu-west-1"),)
    app = replace(APP, listener=replace(APP.listener, firewall=rules), edge=Edge(sources=sources))
    told, others = filters_of(made(app)["lds.json"]["resources"][0])
    assert told == others
    assert {"rbac", "wasm"} <= others
    region = behind_edge(app, "eu-west-1")
    inner = entrance.listener(region, directory="/x", port=1, access_log="/x/a")
    assert not {"rbac", "wasm"} & filters_of(inner)[0]


def untyped(resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Resources stand in the bootstrap without their type."""
    return [{key: value for key, value in resource.items() if key != "@type"} for resource in resources]


def test_a_distance_is_a_listener_that_waits():
    files = made(replace(APP, edge=Edge(distances=True)))
    listeners = {one["name"]: one for one in files["lds.json"]["resources"]}
    far = listeners["way-ap-southeast-2-us-east-1"]["filter_chains"][0]["filters"][0]["typed_config"]
    assert far["http_filters"][0]["typed_config"]["delay"]["fixed_delay"] == "0.2s"
    assert far["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["cluster"] == "at-us-east-1"
    assert "way-us-east-1-us-east-1" not in listeners
    (home,) = files[f"eds-{BACK}@eu-west-1.json"]["resources"]
    first, second = (one["lb_endpoints"][0]["endpoint"] for one in home["endpoints"])
    assert first["address"] == {"socket_address": {"address": "127.0.0.1", "port_value": 20002}}
    assert second["address"]["pipe"]["path"].startswith("/x/run/way-")
    assert second["health_check_config"]["address"]["socket_address"]["port_value"] == 20001
    assert dict(destinations(files))["others"] == f"{ACROSS}@us-east-1"
    assert config.order_of(f"{BACK}@eu-west-1") == ("eu-west-1", "us-east-1")


@pytest.mark.live
@pytest.mark.parametrize(("tls", "distances"), [(False, False), (True, False), (False, True)])
def test_envoy_takes_them(tmp_path: Path, tls: bool, distances: bool):
    from flyball.local.envoy import certificate

    app = replace(APP, edge=Edge(sources=(("127.0.1.0/24", "eu-west-1"),), distances=distances))
    pair = None
    if tls:
        app = replace(app, listener=replace(app.listener, tls=Tls()))
        pair = certificate.self_made(tmp_path / "tls")
    files = made(
        app,
        directory=str(tmp_path),
        sockets=str(tmp_path),
        access_log=str(tmp_path / "access.log"),
        certificate=pair,
        returning={"eu-west-1": 50},
    )
    static = bootstrap(directory=str(tmp_path), admin_socket=str(tmp_path / "a.sock"), name="edge")
    listeners, clusters, routes = (untyped(files[name]["resources"]) for name in ("lds.json", "cds.json", "rds.json"))
    static["static_resources"] = {"listeners": listeners, "clusters": clusters}
    static.pop("dynamic_resources")
    for listener in listeners:
        for chain in listener["filter_chains"]:
            manager = chain["filters"][0]["typed_config"]
            if "rds" in manager:
                manager.pop("rds")
                manager["route_config"] = routes[0]
    envoy_files.write(tmp_path, files)
    (tmp_path / "all.json").write_text(json.dumps(static))
    done = subprocess.run(
        [process.binary(), "--mode", "validate", "--disable-hot-restart", "-l", "error", "-c", tmp_path / "all.json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
