"""Wrong templates that no public tool rejects: the audit names each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from aws import audit
from aws.template import Stack

pytestmark = pytest.mark.synth
Resources = dict[str, Any]


def _change(name: str, **properties: Any) -> Callable[[Resources], None]:
    return lambda resources: resources[name]["Properties"].update(properties)


def _remove(name: str, key: str) -> Callable[[Resources], None]:
    return lambda resources: resources[name]["Properties"].pop(key)


def _container(name: str, **properties: Any) -> Callable[[Resources], None]:
    return lambda resources: resources[name]["Properties"]["LoadBalancers"][0].update(properties)


def _deadlock(resources: Resources) -> None:
    resources["PostsService"]["Properties"]["DeploymentConfiguration"].update(MaximumPercent=100)


def _apostrophe(resources: Resources) -> None:
    resources["PostsSecurityGroup"]["Properties"]["SecurityGroupEgress"][0]["Description"] = "the world's end"


def _at_once(name: str) -> Callable[[Resources], None]:
    return lambda resources: resources[name].pop("DependsOn")


def _same_priority(resources: Resources) -> None:
    for resource in resources.values():
        if resource["Type"] == "AWS::ElasticLoadBalancingV2::ListenerRule":
            resource["Properties"]["Priority"] = 1


IN_FORUM = (
    ("target group of instances for tasks", _change("PostsTargetGroup", TargetType="instance"), "tasks need type ip"),
    ("target group without a type", _remove("PostsTargetGroup", "TargetType"), "tasks need type ip"),
    ("a container that is not in the task", _container("PostsService", ContainerName="post"), "no container post"),
    ("a port that the container has not", _container("PostsService", ContainerPort=8080), "with port 8080"),
    ("health path without slash", _change("PostsTargetGroup", HealthCheckPath="health"), "does not start with /"),
    ("a dashboard that is no JSON", _change("Dashboard", DashboardBody="{widgets: []"), "is not JSON"),
    ("minimum healthy is maximum", _deadlock, "rollouts would hang"),
    ("min above max", _change("PostsScalableTarget", MinCapacity=11), "min is above max"),
    ("logs without an execution role", _remove("PostsTask", "ExecutionRoleArn"), "no task would start"),
    ("a sign that EC2 does not take", _apostrophe, "refuses a character in the description"),
    ("NAT before the gateway", _at_once("NatA"), "NatA: does not depend on the internet gateway"),
    ("an address before the gateway", _at_once("NatBAddress"), "NatBAddress: does not depend on"),
    ("the balancer before the gateway", _at_once("Balancer"), "Balancer: does not depend on"),
    ("tasks before their rights", _at_once("PostsService"), "PostsService: does not depend on PostsTaskRole"),
    ("a priority twice", _same_priority, "PriorityInUse"),
)
IN_SESSION_APP = (
    (
        "failover needs two nodes, found one",
        _change("SessionsRedis", NumCacheClusters=1),
        "failover needs two nodes, found one",
    ),
    ("an unknown cache node", _change("SessionsRedis", CacheNodeType="cache.t9.micro"), "not a cache node type"),
    ("a latency record without identity", _remove("Record", "SetIdentifier"), "needs a SetIdentifier"),
    ("a group that believes EC2 only", _change("AppScalingGroup", HealthCheckType="EC2"), "never be replaced"),
)


@pytest.mark.parametrize(("change", "sentence"), [each[1:] for each in IN_FORUM], ids=[each[0] for each in IN_FORUM])
def test_in_the_forum(forum: Stack, change: Callable[[Resources], None], sentence: str):
    _found(forum, change, sentence)


@pytest.mark.parametrize(
    ("change", "sentence"), [each[1:] for each in IN_SESSION_APP], ids=[each[0] for each in IN_SESSION_APP]
)
def test_in_the_session_app(two_regions: dict[str, Stack], change: Callable[[Resources], None], sentence: str):
    _found(two_regions["session-app-us-east-1"], change, sentence)


def _found(stack: Stack, change: Callable[[Resources], None], sentence: str) -> None:
    assert audit.mistakes(stack.template) == ()
    template = copy.deepcopy(stack.template)
    change(template["Resources"])
    assert any(sentence in mistake for mistake in audit.mistakes(template)), audit.mistakes(template)
