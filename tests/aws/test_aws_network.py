"""Three ways out of the network, and what each leaves open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aws import applications
from aws.conftest import Synth
from aws.template import Stack, text
from flyball.core.model import Nat, Network

pytestmark = pytest.mark.synth


@pytest.fixture(scope="module")
def one(synth: Synth) -> Stack:
    """Machines behind one NAT gateway."""
    return synth(applications.node_on_machines())["node-eu-north-1"]


@pytest.fixture(scope="module")
def none(synth: Synth) -> Stack:
    """Tasks without any."""
    return synth(applications.images_on_fargate())["images-us-east-1"]


def test_one_nat_gateway_serves_every_zone(one: Stack):
    assert list(one.all("EC2::NatGateway")) == ["NatA"]
    routes = [one.named(f"Private{zone}DefaultRoute")["NatGatewayId"] for zone in "AB"]
    assert [text(each) for each in routes] == ["<NatA>", "<NatA>"]
    assert one.all("EC2::VPCEndpoint").keys() == {"S3Endpoint", "DynamodbEndpoint"}


def test_without_nat_gateways_instances_have_addresses_of_their_own(none: Stack):
    for kind in ("EC2::NatGateway", "EC2::EIP"):
        assert none.all(kind) == {}
    placed = none.named("WebService")["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert (placed["AssignPublicIp"], [text(each) for each in placed["Subnets"]]) == (
        "ENABLED",
        ["<PublicASubnet>", "<PublicBSubnet>"],
    )
    for endpoint in none.all("EC2::VPCEndpoint").values():
        assert [text(each) for each in endpoint["RouteTableIds"]] == ["<PublicRoutes>"]


def test_and_yet_only_the_balancers_reach_them(none: Stack):
    for name in ("WebSecurityGroup", "ApiSecurityGroup"):
        rules = none.named(name)["SecurityGroupIngress"]
        assert {text(rule["SourceSecurityGroupId"]) for rule in rules} == {
            "<BalancerGroup.GroupId>",
            "<InsideBalancerGroup.GroupId>",
        }
        assert {rule["FromPort"] for rule in rules} == {3000}
    reached = none.named("BalancerGroup")["SecurityGroupEgress"]
    assert [rule["CidrIp"] for rule in reached] == ["10.0.0.0/24", "10.0.1.0/24"]


def test_machines_without_nat_gateways_have_addresses_too(synth: Synth):
    app = applications.visitor_board()
    assert app.aws is not None
    stack = synth(replace(app, aws=replace(app.aws, network=Network(nat=Nat.NONE))))["visitor-board-eu-north-1"]
    device = stack.named("WebLaunchTemplate")["LaunchTemplateData"]["NetworkInterfaces"][0]
    assert device["AssociatePublicIpAddress"] is True
    subnets = stack.named("WebScalingGroup")["VPCZoneIdentifier"]
    assert [text(each) for each in subnets] == ["<PublicASubnet>", "<PublicBSubnet>"]


def test_the_order_of_the_zones_in_the_file_means_nothing(synth: Synth):
    app = applications.forum()
    one, other = (synth(replace(app, zones=zones))["forum-us-east-1"] for zones in (("a", "b"), ("b", "a")))
    assert one.template == other.template


def test_spot_comes_and_goes_without_another_group(synth: Synth):
    """Tasks keep a strategy and machines their group: nothing that CloudFormation would have to replace."""
    for app, name, kept in (
        (applications.forum(), "PostsService", ("ServiceName", "Cluster", "SchedulingStrategy")),
        (applications.visitor_board(), "WebScalingGroup", ("AutoScalingGroupName",)),
    ):
        assert app.aws is not None
        spot = replace(app, aws=replace(app.aws, spot_percent=50))
        before, after = (next(iter(synth(each).values())).named(name) for each in (spot, app))
        assert before != after
        assert {key: before[key] for key in kept} == {key: after[key] for key in kept}
        assert "LaunchType" not in {**before, **after}
