"""Rights that go by a tag or a path: what they ask for is what the other side has, or the pipeline would be refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aws import applications
from aws.conftest import Synth
from aws.template import Stack, listed, text

pytestmark = pytest.mark.synth


def test_the_rollout_may_change_the_launch_templates_by_their_tag(visitor_board: Stack):
    asked = next(
        each["Condition"]["StringEquals"]
        for each in visitor_board.statements("WebRolloutRole")
        if "ec2:CreateLaunchTemplateVersion" in listed(each["Action"])
    )
    template = visitor_board.named("WebLaunchTemplate")["TagSpecifications"][0]
    assert template["ResourceType"] == "launch-template"
    assert asked == {f"aws:ResourceTag/{tag['Key']}": tag["Value"] for tag in template["Tags"]}


def test_a_refresh_may_look_at_the_alarms_that_take_it_back(visitor_board: Stack):
    assert visitor_board.allowed("WebRolloutRole", "cloudwatch:DescribeAlarms") == ["*"]


@pytest.mark.parametrize(
    ("name", "deployer", "kinds"),
    [
        ("forum", "PostsRolloutRole", ("PostsTaskRole", "PostsExecutionRole")),
        ("visitor_board", "WebRolloutRole", ("WebInstanceRole",)),
    ],
)
def test_who_deploys_a_service_hands_on_the_roles_of_its_instances_and_no_other(
    request: pytest.FixtureRequest, name: str, deployer: str, kinds: tuple[str, ...]
):
    stack: Stack = request.getfixturevalue(name)
    path = f"/{name.replace('_', '-')}/{deployer.removesuffix('RolloutRole').lower()}/"
    assert stack.allowed(deployer, "iam:PassRole") == [f"arn:aws:iam::<AWS::AccountId>:role{path}*"]
    paths = {role: each.get("Path", "/") for role, each in stack.all("IAM::Role").items()}
    of_instances = {role for role in paths if any(kind in role for kind in kinds)}
    assert {role for role, held in paths.items() if held == path} == of_instances


def test_a_rollout_starts_machines_by_the_applications_templates_only(visitor_board: Stack):
    ours, others = (
        each for each in visitor_board.statements("WebRolloutRole") if "ec2:RunInstances" in listed(each["Action"])
    )
    template = "arn:aws:ec2:eu-north-1:{}:launch-template/*"
    assert text(ours["Resource"]) == template.format("<AWS::AccountId>")
    assert ours["Condition"]["StringEquals"] == {
        "aws:ResourceTag/flyball:application": "visitor-board",
        "aws:ResourceTag/flyball:service": "web",
    }
    assert others["NotResource"] == template.format("*")
    assert text(others["Condition"]["ArnLike"]["ec2:LaunchTemplate"][0]) == text(ours["Resource"])


def test_a_pipeline_registers_tasks_as_aws_allows_it(forum: Stack):
    assert forum.allowed("PostsRolloutRole", "ecs:RegisterTaskDefinition") == ["*"]
    assert "<AWS::AccountId>:task-definition/forum-posts:*" in str(forum.allowed("PostsRolloutRole", "ecs:TagResource"))


def test_the_pipeline_itself_can_roll_out_nothing(forum: Stack):
    for action in ("ecs:UpdateService", "iam:PassRole", "ecs:RegisterTaskDefinition"):
        assert forum.allowed("PipelineRole", action) == []
    taken = forum.allowed("PipelineRole", "sts:AssumeRole")
    assert sorted(taken) == [f"<{name}.Arn>" for name in sorted(forum.all("IAM::Role")) if "RolloutRole" in name]
    actions = forum.named("Pipeline")["Stages"][-1]["Actions"]
    assert sorted(text(each["RoleArn"]) for each in actions) == sorted(taken)


def test_a_connection_is_used_by_the_name_of_its_service(synth: Synth):
    app = applications.everything_on_machines()
    for service in ("codestar-connections", "codeconnections"):
        arn = str(app.pipeline.connection_arn).replace("codestar-connections", service)
        there = synth(replace(app, pipeline=replace(app.pipeline, connection_arn=arn)))["everything-eu-north-1"]
        assert there.allowed("PipelineRole", f"{service}:UseConnection") == [arn]


def test_a_key_opens_secrets_through_their_service_and_alarms_of_this_account(session_app: Stack):
    decrypt = next(each for each in session_app.statements("AppInstanceRole") if each["Action"] == "kms:Decrypt")
    assert decrypt["Condition"] == {"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}}
    policy = session_app.named("Key")["KeyPolicy"]["Statement"]
    (alarms,) = (each for each in policy if each["Sid"] == "AlarmsMayPublish")
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_endpoints_serve_this_account_and_what_aws_keeps(forum: Stack):
    endpoints = forum.all("EC2::VPCEndpoint")
    assert len(endpoints) == 5
    for name, endpoint in endpoints.items():
        first, *others = endpoint["PolicyDocument"]["Statement"]
        assert first["Condition"] == {"StringEquals": {"aws:PrincipalAccount": {"Ref": "AWS::AccountId"}}}
        assert [each["Action"] for each in others] == (["s3:GetObject"] if name == "S3Endpoint" else [])


def test_what_a_failed_creation_leaves_is_in_nobodys_way(forum: Stack):
    fates = {name: each.get("DeletionPolicy") for name, each in forum.resources.items()}
    assert {fates[name] for name in ("Repository", "PostsRepository")} == {"RetainExceptOnCreate"}
    assert fates["ForumTable"] == "Retain"  # a table that was taken over may be full
    bucket = next(name for name in fates if name.startswith("LogsBucket") and "Policy" not in name)
    assert text(forum.named(bucket)["BucketName"]) == "forum-logs-<AWS::AccountId>-us-east-1"
