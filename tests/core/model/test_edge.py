"""Who is served where."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flyball.core.manifest import parse
from flyball.core.model import (
    Aws,
    Capacity,
    Continent,
    Edge,
    EdgeRouting,
    Firewall,
    Listener,
    RateLimit,
    RegionHealth,
    Tls,
)
from flyball.core.model.distances import PLACES, distance_ms
from flyball.core.model.edge import behind_edge, continent_of, edge_health_path, in_region, nearest, shares
from manifests import one_service

REGIONS = "[regions.us-east-1]\n[regions.eu-west-1]\n[regions.ap-southeast-2]\n"
APP = parse(one_service("routes = ['/']\nhealth = '/up'", REGIONS))


def routed(routing: EdgeRouting, app=APP):
    return replace(app, edge=Edge(routing=routing))


def test_by_latency_the_nearest_comes_first():
    assert shares(APP, "eu-central-1") == ((("eu-west-1", "us-east-1", "ap-southeast-2"), 1),)
    assert shares(APP, "ap-southeast-2") == ((("ap-southeast-2", "us-east-1", "eu-west-1"), 1),)
    assert shares(APP, None) == ((("us-east-1", "eu-west-1", "ap-southeast-2"), 1),)
    assert nearest(("here", "there", "eu-west-1"), "there") == ("there", "here", "eu-west-1")


def test_by_continent_the_primary_one_serves_whom_no_other_serves():
    app = routed(EdgeRouting.GEO)
    assert shares(app, "eu-north-1")[0][0][0] == "eu-west-1"
    assert shares(app, "EU")[0][0][0] == "eu-west-1"
    assert shares(app, "OC")[0][0][0] == "ap-southeast-2"
    assert [shares(app, place)[0][0][0] for place in ("sa-east-1", "moon", None)] == ["us-east-1"] * 3
    regions = (app.regions[0], replace(app.regions[1], serves=(Continent.SOUTH_AMERICA,)), app.regions[2])
    assert shares(replace(app, regions=regions), "sa-east-1")[0][0][0] == "eu-west-1"


def test_failover_is_to_the_primary_one_while_it_is_healthy():
    app = replace(routed(EdgeRouting.FAILOVER), aws=Aws(region="eu-west-1"))
    assert shares(app, "us-east-1") == ((("eu-west-1", "us-east-1", "ap-southeast-2"), 1),)


def test_by_weight_each_is_first_for_its_share():
    app = routed(EdgeRouting.WEIGHTED)
    app = replace(app, regions=tuple(replace(one, weight=n) for one, n in zip(app.regions, (3, 0, 1), strict=True)))
    assert shares(app, "eu-west-1") == (
        (("us-east-1", "eu-west-1", "ap-southeast-2"), 3),
        (("ap-southeast-2", "us-east-1", "eu-west-1"), 1),
    )


def test_every_pair_of_known_places_was_measured():
    for one in PLACES:
        for other in PLACES:
            ms = distance_ms(one, other)
            assert ms is not None
            assert (ms == 0.0) is (one == other)
            assert ms == distance_ms(other, one)
    assert distance_ms("us-east-1", "eu-west-1") == 70.0
    assert distance_ms("ap-southeast-2", "ap-northeast-1") == 106.0
    assert distance_ms("us-east-1", "mars-1") is None


@pytest.mark.parametrize(
    ("place", "continent"),
    [("eu-west-1", "EU"), ("ap-southeast-2", "OC"), ("ap-south-1", "AS"), ("AF", "AF"), ("here", None)],
)
def test_a_place_tells_its_continent(place: str, continent: str | None):
    assert continent_of(place) == continent


def test_a_region_overlays_what_the_file_says():
    lines = "zones = ['b']\ninstances.min = 2\nservices.web.size.cpu = 2\n[regions.eu-west-1]\n"
    app = parse(one_service("instances = { min = 1, max = 9 }", "[regions.us-east-1]\n" + lines))
    there, other = in_region(app, "us-east-1"), in_region(app, "eu-west-1")
    assert (there.zones, there.services[0].capacity) == (("b",), Capacity(min=2, max=9))
    assert there.services[0].size.cpu == 2.0
    assert (other.zones, other.services) == (app.zones, app.services)
    assert (app.region, there.region, app.region_names) == (None, "us-east-1", ("us-east-1", "eu-west-1"))


def test_behind_the_edge_no_region_has_a_door_of_its_own():
    listener = Listener(tls=Tls(), firewall=Firewall(rates=(RateLimit(requests=1, per_s=1.0),)), idle_timeout_s=7.0)
    there = behind_edge(replace(APP, listener=listener), "eu-west-1")
    assert there.listener == Listener(idle_timeout_s=7.0)


def test_a_region_is_asked_where_a_route_leads_to_a_health_path():
    assert edge_health_path(APP) == "/up"
    assert edge_health_path(replace(APP, edge=Edge(health=RegionHealth(path="/region")))) == "/region"
    for routes in ("['/api']", "['/*']", "[{ path = '/', host = 'a.org' }]", "[{ path = '/', header = { a = 'b' } }]"):
        assert edge_health_path(parse(one_service(f"routes = {routes}\nhealth = '/up'", REGIONS))) is None
