"""What `flyball aws diff|deploy|destroy` says when AWS refuses, and when it would do what nobody can want."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import pytest

from aws import applications
from flyball.aws import deployment
from flyball.aws.deployment import Desk, StackPlan, changes, stacks
from flyball.aws.deployment.account import Account
from flyball.aws.deployment.changes import Change
from flyball.core.errors import Failed

if importlib.util.find_spec("botocore") is None:
    pytest.skip("the extra `aws` is not installed (no botocore)", allow_module_level=True)

from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

PLAN = StackPlan(name="forum-us-east-1", region="us-east-1", template=json.dumps({"Resources": {}}))


def refusal(operation: str, code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


class Cloud:
    """An account with one stack in a given state; calls can be told to fail."""

    class exceptions:  # noqa: N801 - boto3's name
        ClientError = ClientError
        ClusterNotFoundException = KeyError

    def __init__(self, status: str = "CREATE_COMPLETE", **failures: Exception) -> None:
        self.status = status
        self.failures = failures
        self.calls: list[str] = []
        self.buckets: list[str] = []
        self.changes: list[dict[str, Any]] = []

    def __getattr__(self, call: str) -> Any:
        def answer(**_: Any) -> dict[str, Any]:
            self.calls.append(call)
            if call in self.failures:
                raise self.failures[call]
            return {
                "get_caller_identity": {"Account": "1", "Arn": "arn:aws:iam::1:user/me"},
                "describe_stacks": {"Stacks": [{"StackStatus": self.status, "StackId": "s-1"}]},
                "describe_change_set": {"Status": "CREATE_COMPLETE"},
                "describe_services": {"services": []},
                "list_buckets": {"Buckets": [{"Name": name} for name in self.buckets]},
                "get_template": {"TemplateBody": PLAN.template},
            }.get(call, {})

        return answer

    def get_paginator(self, call: str) -> Any:
        assert call == "describe_change_set"
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [{"Changes": [{"ResourceChange": change} for change in self.changes]}]


def desk() -> Desk:
    return Desk(say=lambda line: None, agree=lambda question: True, pause=lambda seconds: None)


def deploy(cloud: Cloud) -> None:
    deployment.deploy(applications.forum(), (PLAN,), desk(), clients=lambda service, region: cloud)


def diff(cloud: Cloud) -> dict[str, tuple[Change, ...]]:
    return deployment.diff(applications.forum(), (PLAN,), clients=lambda service, region: cloud)


EXPIRED = refusal("GetCallerIdentity", "ExpiredToken", "The security token included in the request is expired")
DENIED = refusal("CreateChangeSet", "AccessDenied", "User: me is not authorized to perform: cloudformation:...")
GONE = EndpointConnectionError(endpoint_url="https://cloudformation.us-east-1.amazonaws.com/")


@pytest.mark.parametrize(
    ("failures", "sentence"),
    [
        ({"get_caller_identity": NoCredentialsError()}, "no AWS credentials: sign in with `aws sso login`"),
        ({"get_caller_identity": EXPIRED}, "AWS rejects these credentials: The security token .* is expired"),
        ({"create_change_set": DENIED}, "AWS refuses CreateChangeSet: User: me is not authorized"),
        ({"create_change_set": GONE}, "AWS cannot be reached: Could not connect to the endpoint URL"),
    ],
    ids=["no credentials", "expired", "denied", "no network"],
)
def test_what_aws_refuses_is_a_sentence(failures: dict[str, Exception], sentence: str):
    for work in (diff, deploy):
        with pytest.raises(Failed, match=sentence):
            work(Cloud(**failures))


def test_a_region_that_was_switched_off_keeps_no_deployment_from_beginning():
    app = applications.forum()
    off = Cloud(describe_stacks=refusal("DescribeStacks", "UnrecognizedClientException", "The token is invalid"))
    off.buckets = [f"{app.name}-logs-1-eu-south-2"]
    account = Account(number="1", principal="me", clients=lambda service, region: off)
    assert stacks.elsewhere(app, account) == ()
    off.failures = {}
    assert stacks.elsewhere(app, account) == ("eu-south-2",)


def test_destroy_tells_a_refusal_too():
    cloud = Cloud(delete_stack=refusal("DeleteStack", "AccessDenied", "not you"))
    with pytest.raises(Failed, match="AWS refuses DeleteStack: not you"):
        deployment.destroy((PLAN,), desk(), clients=lambda service, region: Without(cloud))


class Without:
    """The account, whose stack has no resources to keep."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def __getattr__(self, call: str) -> Any:
        return getattr(self.cloud, call)

    def get_paginator(self, call: str) -> Any:
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        return [{"StackResourceSummaries": []}]


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("UPDATE_IN_PROGRESS", "another change is in progress; try again when it has ended"),
        ("UPDATE_ROLLBACK_FAILED", "continue the rollback in its console first"),
        ("DELETE_FAILED", "it is half deleted; `flyball aws destroy` finishes that"),
        ("CREATE_FAILED", "its creation failed; `flyball aws destroy` removes it"),
    ],
)
def test_a_stack_that_cannot_be_changed_is_named_with_a_way_on(status: str, sentence: str):
    # A deploy follows a change in progress to its end before it makes its own.
    for work in (diff,) if status == "UPDATE_IN_PROGRESS" else (diff, deploy):
        cloud = Cloud(status)
        with pytest.raises(Failed, match=f"forum-us-east-1 is {status}: .*{sentence}"):
            work(cloud)
        assert "create_change_set" not in cloud.calls


def test_diff_leaves_a_failed_creation_to_deploy():
    cloud = Cloud("ROLLBACK_COMPLETE")
    with pytest.raises(Failed, match="`flyball aws deploy` removes it and starts over"):
        diff(cloud)
    assert "delete_stack" not in cloud.calls


def test_an_update_that_was_undone_can_be_tried_again():
    cloud = Cloud("UPDATE_ROLLBACK_COMPLETE")
    assert diff(cloud) == {"forum-us-east-1": ()}
    assert cloud.calls[-1] == "delete_change_set"


def change(kind: str, **more: str) -> dict[str, Any]:
    return {"Action": "Modify", "LogicalResourceId": "Forum", "ResourceType": kind, **more}


@pytest.mark.parametrize("kind", sorted(changes.STORES))
def test_a_store_is_never_replaced_by_an_empty_one(kind: str):
    cloud = Cloud()
    cloud.changes = [change(kind, Replacement="True")]
    with pytest.raises(Failed, match="Forum would be replaced by an empty one; nothing was changed"):
        deploy(cloud)
    assert "execute_change_set" not in cloud.calls
    assert "delete_change_set" in cloud.calls


@pytest.mark.parametrize(
    ("more", "fate"),
    [
        ({"Replacement": "True"}, "  (replaced: the old one is deleted)"),
        (
            {"Replacement": "True", "PolicyAction": "ReplaceAndRetain"},
            "  (replaced: the old one stays, outside the stack)",
        ),
        ({"Replacement": "False"}, ""),
        ({"PolicyAction": "Retain"}, "  (stays, outside the stack)"),
        ({"PolicyAction": "Snapshot"}, "  (deleted after a final snapshot)"),
    ],
)
def test_the_fate_of_the_old_one_is_told(more: dict[str, str], fate: str):
    cloud = Cloud()
    cloud.changes = [change("AWS::SNS::Topic", **more)]
    (found,) = diff(cloud)["forum-us-east-1"]
    assert str(found) == f"~ Forum AWS::SNS::Topic{fate}"
