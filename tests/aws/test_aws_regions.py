"""Several regions on AWS: how Route 53 leads visitors, what a region overlays, and what replication tells."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aws import applications
from aws.conftest import Synth
from flyball.core.model import Capacity, Continent, Edge, EdgeRouting, Region, RegionHealth, RegionService, Size

pytestmark = pytest.mark.synth
APP = applications.session_app_in_two_regions()


def test_each_continent_has_a_record(synth: Synth):
    first, second = APP.regions
    app = replace(
        APP,
        regions=(first, replace(second, serves=(Continent.EUROPE, Continent.AFRICA))),
        edge=Edge(routing=EdgeRouting.GEO),
    )
    made = synth(app)
    found = {
        record["SetIdentifier"]: record["GeoLocation"]
        for name in ("session-app-us-east-1", "session-app-eu-west-1")
        for record in made[name].all("Route53::RecordSet").values()
    }
    assert found == {
        "us-east-1-NA": {"ContinentCode": "NA"},
        "us-east-1-default": {"CountryCode": "*"},
        "eu-west-1-EU": {"ContinentCode": "EU"},
        "eu-west-1-AF": {"ContinentCode": "AF"},
    }


def test_a_share_is_a_weight(synth: Synth):
    first, second = APP.regions
    health = RegionHealth(interval_s=30.0, unhealthy_threshold=5)
    app = replace(
        APP, regions=(replace(first, weight=3), second), edge=Edge(routing=EdgeRouting.WEIGHTED, health=health)
    )
    made = synth(app)
    weights = {name: made[f"session-app-{name}"].one("Route53::RecordSet")["Weight"] for name in app.region_names}
    assert weights == {"us-east-1": 3, "eu-west-1": 1}
    check = made["session-app-eu-west-1"].one("Route53::HealthCheck")["HealthCheckConfig"]
    assert (check["RequestInterval"], check["FailureThreshold"], check["ResourcePath"]) == (30, 5, "/health")


def test_a_region_has_its_own_zones_and_bounds(synth: Synth):
    own = RegionService(name="app", size=Size(cpu=1.0), capacity=Capacity(min=3, max=4))
    app = replace(
        APP,
        zones=("a", "b", "c"),
        regions=(Region(name="us-east-1"), Region(name="eu-west-1", zones=("a", "c"), services=(own,))),
    )
    assert app.aws is not None
    network = replace(
        app.aws.network,
        public_subnets=("10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24"),
        private_subnets=("10.0.100.0/24", "10.0.101.0/24", "10.0.102.0/24"),
    )
    made = synth(replace(app, aws=replace(app.aws, network=network)))
    bounds = {
        name: [made[f"session-app-{name}"].one("AutoScaling::AutoScalingGroup")[key] for key in ("MinSize", "MaxSize")]
        for name in app.region_names
    }
    assert bounds == {"us-east-1": ["2", "10"], "eu-west-1": ["3", "4"]}
    assert len(made["session-app-us-east-1"].all("EC2::Subnet")) == 6
    assert len(made["session-app-eu-west-1"].all("EC2::Subnet")) == 4


def test_a_store_is_replicated_only_where_the_file_says_so(synth: Synth):
    app = replace(APP, stores=tuple(replace(one, replicate=False) for one in APP.stores))
    for stack in synth(app).values():
        assert not any("ReplicationConfiguration" in bucket for bucket in stack.all("S3::Bucket").values())


def test_the_pipeline_rolls_out_region_by_region(synth: Synth):
    app = applications.everything_on_fargate()
    stack = synth(app)[f"everything-{app.region_names[0]}"]
    deploys = stack.named("Pipeline")["Stages"][-1]["Actions"]
    assert {(action["Region"], action["RunOrder"]) for action in deploys} == {
        (name, order) for order, name in enumerate(app.region_names, 1)
    }
