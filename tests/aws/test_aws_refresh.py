"""The pipeline's last step on EC2, and what a later deployment hands back, against fakes of the services."""

from __future__ import annotations

from typing import Any

import pytest

from aws import applications
from flyball.aws import refresh
from flyball.aws.deployment import StackPlan, changes, parameters
from flyball.aws.deployment.account import Account
from flyball.core.errors import Failed

SPECIFICATION = {"LaunchTemplateId": "lt-1", "Version": "3"}
TAGS = [
    {
        "ResourceType": "instance",
        "Tags": [{"Key": "Name", "Value": "web"}, {"Key": "flyball-release", "Value": "aaa"}],
    }
]


def mixed_policy(specification: dict[str, str]) -> dict[str, Any]:
    """Half of what is above the minimum on spot, as EC2 Auto Scaling tells it."""
    return {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": specification,
            "Overrides": [{"InstanceType": "t3.small"}],
        },
        "InstancesDistribution": {"OnDemandBaseCapacity": 2, "OnDemandPercentageAboveBaseCapacity": 50},
    }


class Scaling:
    """EC2 Auto Scaling, whose refresh goes through given states."""

    def __init__(self, states: list[str], *, mixed: bool = False) -> None:
        self.states = states
        self.started: dict[str, Any] = {}
        self.group: dict[str, Any] = {"LaunchTemplate": SPECIFICATION, "DesiredCapacity": 2}
        if mixed:
            self.group = {"MixedInstancesPolicy": mixed_policy({**SPECIFICATION, "LaunchTemplateName": "web"})}

    def describe_auto_scaling_groups(self, **_: Any) -> dict[str, Any]:
        return {"AutoScalingGroups": [self.group]}

    def start_instance_refresh(self, **arguments: Any) -> dict[str, str]:
        self.started = arguments
        return {"InstanceRefreshId": "r-1"}

    def describe_instance_refreshes(self, **_: Any) -> dict[str, Any]:
        state = self.states.pop(0)
        return {"InstanceRefreshes": [{"Status": state, "PercentageComplete": 50, "StatusReason": "because"}]}


class Machines:
    """EC2, which remembers the launch template versions that are made."""

    def __init__(self) -> None:
        self.made: list[dict[str, Any]] = []

    def describe_launch_template_versions(self, **_: Any) -> dict[str, Any]:
        return {"LaunchTemplateVersions": [{"VersionNumber": 3, "LaunchTemplateData": {"TagSpecifications": TAGS}}]}

    def create_launch_template_version(self, **arguments: Any) -> dict[str, Any]:
        self.made.append(arguments)
        return {"LaunchTemplateVersion": {"VersionNumber": 4}}


@pytest.mark.parametrize("mixed", [False, True])
def test_a_release_becomes_a_version_that_differs_in_one_tag(mixed: bool):
    scaling, machines, pauses = Scaling(["Pending", "InProgress", "Successful"], mixed=mixed), Machines(), []
    line = refresh.roll_out(
        scaling, machines, group="app-web", release="bbb", preferences={"AutoRollback": True}, pause=pauses.append
    )
    assert line == "Successful 50 % because"
    made = machines.made[0]
    assert (made["LaunchTemplateId"], made["SourceVersion"]) == ("lt-1", "3")
    tags = {tag["Key"]: tag["Value"] for tag in made["LaunchTemplateData"]["TagSpecifications"][0]["Tags"]}
    assert tags == {"Name": "web", "flyball-release": "bbb"}
    new = {"LaunchTemplateId": "lt-1", "Version": "4"}
    wanted = {"MixedInstancesPolicy": mixed_policy(new)} if mixed else {"LaunchTemplate": new}
    assert scaling.started["DesiredConfiguration"] == wanted
    assert scaling.started["Preferences"] == {"AutoRollback": True}
    assert len(pauses) == 2


@pytest.mark.parametrize("state", sorted(refresh.BAD))
def test_a_release_that_was_not_taken_is_told(state: str):
    line = refresh.roll_out(
        Scaling([state]), Machines(), group="app-web", release="b", preferences={}, pause=lambda seconds: None
    )
    assert line.startswith(state)


class Deployed:
    """CloudFormation, with a stack that an older deployment made."""

    class exceptions:  # noqa: N801 - boto3's name
        class ClientError(Exception):
            pass

        class ClusterNotFoundException(Exception):
            pass

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE", "Parameters": []}]}


class Ecs(Deployed):
    """ECS, in which one service runs one image."""

    def describe_services(self, *, cluster: str, services: list[str]) -> dict[str, Any]:
        if services == ["users"]:
            raise self.exceptions.ClusterNotFoundException
        return {"services": [{"taskDefinition": "posts:7"}] if services == ["posts"] else []}

    def describe_task_definition(self, **_: Any) -> dict[str, Any]:
        container = {"image": "registry/forum/posts:abc"}
        return {"taskDefinition": {"taskDefinitionArn": "posts:7", "containerDefinitions": [container]}}


def account(service: Any) -> Account:
    return Account(number="1", principal="me", clients=lambda name, region: service)


def plan(*parameter: str) -> StackPlan:
    body = ", ".join(f'"{name}": {{}}' for name in parameter)
    return StackPlan(name="forum-us-east-1", region="us-east-1", template=f'{{"Parameters": {{{body}}}}}')


def test_an_infrastructure_deployment_keeps_the_image_that_runs():
    wanted = plan("FirstDeploy", "PostsImage", "ThreadsImage", "UsersImage")
    found = parameters.values(applications.forum(), wanted, account(Ecs()), new=False)
    assert found == {"FirstDeploy": "no", "PostsImage": "registry/forum/posts:abc"}


def test_the_first_deployment_starts_with_the_placeholder():
    wanted = plan("FirstDeploy", "PostsImage")
    assert parameters.values(applications.forum(), wanted, account(Ecs()), new=True) == {"FirstDeploy": "yes"}


class Both(Deployed, Scaling, Machines):
    """CloudFormation, Auto Scaling and EC2 in one."""

    def __init__(self) -> None:
        Scaling.__init__(self, [])
        Machines.__init__(self)


def test_an_infrastructure_deployment_keeps_the_release_that_runs():
    found = parameters.values(applications.visitor_board(), plan("WebRelease"), account(Both()), new=False)
    assert found == {"WebRelease": "aaa"}


class Formation:
    """CloudFormation, in which a change set fails half-way."""

    class exceptions:  # noqa: N801 - boto3's name
        class ClientError(Exception):
            pass

    def __init__(self) -> None:
        self.statuses = ["UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"]
        self.events: list[dict[str, str]] = [event("0", "Stack", "UPDATE_COMPLETE", "")]

    def describe_stacks(self, **_: Any) -> dict[str, Any]:
        return {"Stacks": [{"StackStatus": self.statuses.pop(0)}]}

    def execute_change_set(self, **_: Any) -> None:
        self.events = [
            event("3", "Listener", "CREATE_FAILED", "Resource creation cancelled"),
            event("2", "Table", "CREATE_FAILED", "the table exists already"),
            event("1", "Vpc", "CREATE_COMPLETE", ""),
            *self.events,
        ]

    def describe_stack_events(self, **_: Any) -> dict[str, Any]:
        return {"StackEvents": self.events}


def event(identity: str, name: str, status: str, reason: str) -> dict[str, str]:
    return {
        "EventId": identity,
        "LogicalResourceId": name,
        "ResourceType": f"AWS::{name}",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


def test_a_failure_is_told_by_its_first_cause():
    said: list[str] = []
    proposal = changes.Proposal(name="x", changes=())
    with pytest.raises(Failed, match=r"UPDATE_ROLLBACK_COMPLETE: Table \(AWS::Table\): the table exists already"):
        changes.execute(account(Formation()), plan(), proposal, say=said.append, pause=lambda seconds: None)
    assert [line.split()[:3] for line in said] == [
        ["create", "complete", "Vpc"],
        ["create", "failed", "Table"],
        ["create", "failed", "Listener"],
    ]
