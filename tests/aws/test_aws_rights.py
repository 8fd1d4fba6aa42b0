"""Rights that go by a tag or a path: what they ask for is what the other side has, or the pipeline would be refused."""

from __future__ import annotations

import pytest

from aws.template import Stack

pytestmark = pytest.mark.synth


def test_the_rollout_may_change_the_launch_templates_by_their_tag(visitor_board: Stack):
    asked = next(
        each["Condition"]["StringEquals"]
        for each in visitor_board.statements("RolloutRole")
        if each["Action"] == "ec2:CreateLaunchTemplateVersion"
    )
    template = visitor_board.named("WebLaunchTemplate")["TagSpecifications"][0]
    assert template["ResourceType"] == "launch-template"
    assert asked == {f"aws:ResourceTag/{tag['Key']}": tag["Value"] for tag in template["Tags"]}


def test_a_refresh_may_look_at_the_alarms_that_take_it_back(visitor_board: Stack):
    assert visitor_board.allowed("RolloutRole", "cloudwatch:DescribeAlarms") == ["*"]


@pytest.mark.parametrize(
    ("name", "deployer", "kinds"),
    [("forum", "PipelineRole", ("TaskRole", "ExecutionRole")), ("visitor_board", "RolloutRole", ("InstanceRole",))],
)
def test_who_deploys_hands_on_the_roles_of_instances_and_no_other(
    request: pytest.FixtureRequest, name: str, deployer: str, kinds: tuple[str, ...]
):
    stack: Stack = request.getfixturevalue(name)
    application = name.replace("_", "-")
    assert stack.allowed(deployer, "iam:PassRole") == [f"arn:aws:iam::<AWS::AccountId>:role/{application}/*"]
    paths = {role: each.get("Path", "/") for role, each in stack.all("IAM::Role").items()}
    of_instances = {role for role in paths if any(kind in role for kind in kinds)}
    assert {role for role, path in paths.items() if path == f"/{application}/"} == of_instances
