"""A deployment that is interrupted at any of its calls to AWS is finished by the next one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from aws import applications
from aws.cloud import Cloud, Operator
from flyball.aws import deployment
from flyball.aws.deployment import StackPlan
from flyball.aws.deployment.account import boto3_clients
from flyball.aws.deployment.templates import LARGEST_BODY

pytestmark = [pytest.mark.synth, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
APP, REGION = applications.visitor_board(), "eu-north-1"


class Cut:
    """The account's clients, until the call with this number: Ctrl-C comes before it is sent, or after its answer."""

    known: ClassVar[dict[tuple[str, str], Any]] = {}
    now: ClassVar[Cut]

    def __init__(self, at: int | None = None, *, after: bool = False) -> None:
        self.at = at
        self.after = after
        self.calls: list[str] = []

    def clients(self, service: str, region: str) -> Any:
        if (service, region) not in Cut.known:
            client = boto3_clients(service, region)
            client.meta.events.register("before-call", lambda model, **_: Cut.now.before(model.name))
            client.meta.events.register("after-call", lambda **_: Cut.now.answered())
            Cut.known[service, region] = client
        Cut.now = self
        return Cut.known[service, region]

    def before(self, call: str) -> None:
        self.calls.append(call)
        if not self.after and len(self.calls) - 1 == self.at:
            raise KeyboardInterrupt

    def answered(self) -> None:
        if self.after and len(self.calls) - 1 == self.at:
            raise KeyboardInterrupt


def plan(name: str, *topics: str) -> StackPlan:
    """A stack that is large enough to be sent through a bucket."""
    resources = {topic: {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": f"{name}-{topic}"}} for topic in topics}
    template = {"Metadata": {"Padding": "x" * LARGEST_BODY}, "Resources": resources}
    return StackPlan(name=name, region=REGION, template=json.dumps(template))


def deploy(wanted: StackPlan, cut: Cut) -> None:
    deployment.deploy(APP, (wanted,), Operator().desk(), clients=cut.clients)


def resources(cloud: Cloud, name: str) -> set[str]:
    client = cloud.client("cloudformation", REGION)
    assert client.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"].endswith("_COMPLETE")
    return {each["LogicalResourceId"] for each in client.list_stack_resources(StackName=name)["StackResourceSummaries"]}


@pytest.mark.parametrize(
    ("update", "after"),
    [(False, False), (False, True), (True, False), (True, True)],
    ids=["creation, before a call", "creation, after its answer", "update, before a call", "update, after its answer"],
)
def test_whatever_is_interrupted_is_finished_by_the_next_deploy(empty_account: Cloud, update: bool, after: bool):
    prefix = f"cut-{update}-{after}".lower()

    def prepared(number: int) -> tuple[str, Callable[[Cut], None]]:
        name = f"{prefix}-{number}"
        if update:
            deploy(plan(name, "One"), Cut())
        return name, lambda cut: deploy(plan(name, "One", "Two"), cut)

    whole = Cut()
    prepared(999)[1](whole)
    assert {"CreateBucket", "CreateChangeSet", "ExecuteChangeSet"} <= set(whole.calls)
    for number in range(len(whole.calls)):
        name, run = prepared(number)
        with pytest.raises(KeyboardInterrupt):
            run(Cut(at=number, after=after))
        run(Cut())
        assert resources(empty_account, name) == {"One", "Two"}, whole.calls[number]


def test_an_interrupted_deployment_leaves_no_template_behind(empty_account: Cloud):
    before = {each["Name"] for each in empty_account.client("s3", REGION).list_buckets()["Buckets"]}
    calls = Cut()
    deploy(plan("tidy-whole", "One"), calls)
    with pytest.raises(KeyboardInterrupt):
        deploy(plan("tidy", "One"), Cut(at=calls.calls.index("CreateChangeSet")))
    assert {each["Name"] for each in empty_account.client("s3", REGION).list_buckets()["Buckets"]} == before
