"""What only shows on the first real day: names that meet, limits of a stack, what an earlier stack has left behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aws import applications
from aws.cloud import Cloud, Operator, Scripted, plan
from aws.conftest import Synth
from aws.template import Stack, text
from flyball import aws
from flyball.aws import deployment, rules
from flyball.aws.commands import placeholder
from flyball.aws.deployment import parameters, stacks
from flyball.aws.deployment.account import Account, boto3_clients
from flyball.aws.deployment.stacks import Kept
from flyball.core.errors import FileError
from flyball.core.model import Application, Condition, Route, Service, StoreKind

pytestmark = [pytest.mark.synth, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
OURS = ("activity", "balancer", "build", "endpoint", "firewall", "flow", "inside-balancer", "redis", "trail")
"""Words with which Flyball's own resources begin."""


def of_services(app: Application, *names: str) -> Application:
    """The application with these services, all like its first one."""

    def called(name: str) -> Service:
        return replace(app.services[0], name=name, routes=(Route(condition=Condition(path=f"/{name}")),))

    return replace(app, services=tuple(map(called, names)))


# Names


@pytest.mark.parametrize("app", [applications.session_app(), applications.forum()], ids=lambda app: app.name)
def test_a_service_may_have_any_name(synth: Synth, app: Application):
    pairs = ("web", "web-log", "web-target", "web-scaling", "web-security", "web-inside", "web-standby")
    names = (*OURS, *pairs)
    (stack,) = synth(of_services(app, *names)).values()
    assert len(stack.all("Logs::LogGroup")) >= len(names)


def test_a_bucket_of_flyballs_own_name_is_refused():
    app = applications.session_app()
    for name in ("artifacts", "logs", "releases"):
        named = tuple(replace(one, name=name) if one.kind is StoreKind.BUCKET else one for one in app.stores)
        (found,) = rules.refusals(replace(app, stores=named))
        assert found.startswith(f"stores.{name}: Flyball has a bucket of that name")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("web1", "web-1"), "already a Construct with name 'Web1"),
        (tuple(f"service-{index}" for index in range(26)), "greater than allowed maximum of 500"),
    ],
)
def test_what_no_stack_can_hold_is_one_sentence(tmp_path: Path, names: tuple[str, ...], sentence: str):
    with pytest.raises(FileError, match=sentence) as refused:
        aws.synth(of_services(applications.forum(), *names), tmp_path / "out", source=applications.APPS / "forum")
    assert str(refused.value).startswith("AWS would refuse this:\n")
    assert len(str(refused.value).splitlines()) == 2
    assert not (tmp_path / "out").exists()


# What an earlier stack has left


def test_the_source_of_an_earlier_stack_is_taken_up_again(empty_account: Cloud, tmp_path: Path):
    app = replace(applications.visitor_board(), name="again")
    source = empty_account.client("codecommit", "eu-north-1")
    left = source.create_repository(repositoryName="again")["repositoryMetadata"]
    wanted = plan(app, tmp_path)
    deployment.deploy(app, wanted, Operator().desk(), clients=boto3_clients)
    assert source.get_repository(repositoryName="again")["repositoryMetadata"]["repositoryId"] == left["repositoryId"]
    operator = Operator()
    deployment.deploy(app, wanted, operator.desk(), clients=boto3_clients)
    assert operator.lines[-1] == "again-eu-north-1: nothing to change"
    account = Account(number="123456789012", principal="me", clients=boto3_clients)
    assert stacks.parameters(account, wanted[0])["SourceIsThere"] == "yes"
    kept = {each.kind: each.physical for each in stacks.kept(account, wanted[0])}
    assert kept["AWS::CodeCommit::Repository"] == "again"  # so that `--with-stores` finds it
    other = replace(app, pipeline=replace(app.pipeline, repository="another"))
    assert parameters.values(other, wanted[0], account, new=False)["SourceIsThere"] == "no"  # the stack makes that one


def test_a_stack_in_a_region_that_the_file_no_longer_names_is_told(empty_account: Cloud, tmp_path: Path):
    app = replace(applications.visitor_board(), name="moved")
    deployment.deploy(app, plan(app, tmp_path), Operator().desk(), clients=boto3_clients)
    assert app.aws is not None
    moved, operator = replace(app, aws=replace(app.aws, region="eu-west-1")), Operator()
    deployment.deploy(moved, plan(moved, tmp_path), operator.desk(), clients=boto3_clients)
    assert operator.lines[1] == (
        "moved-eu-north-1 is still there and costs money, though the file no longer names eu-north-1; delete it with: "
        "aws cloudformation delete-stack --region eu-north-1 --stack-name moved-eu-north-1"
    )


class Gone:
    """A waiter that finds what it waits for."""

    def wait(self, **_: str) -> None:
        pass


def test_erasing_a_global_table_erases_its_replicas_first():
    replicas = [{"RegionName": "us-east-1"}, {"RegionName": "eu-west-1"}]
    client, regions = Scripted({"describe_table": {"Table": {"Replicas": replicas}}, "get_waiter": Gone()}), []

    def clients(service: str, region: str) -> Scripted:
        regions.append(region)
        return client

    account = Account(number="1", principal="me", clients=clients)
    stacks.erase(account, Kept(kind="AWS::DynamoDB::GlobalTable", physical="shop-rows", region="us-east-1"))
    assert [call for call, _ in client.calls] == ["describe_table", "delete_table", "get_waiter", "delete_table"]
    assert regions == ["us-east-1", "eu-west-1"]


def test_the_key_of_a_trail_stays_with_its_records(synth: Synth):
    app = applications.forum()
    assert app.aws is not None
    for trail, fate in ((True, "RetainExceptOnCreate"), (False, "Delete")):
        stack = synth(replace(app, aws=replace(app.aws, trail=trail)))["forum-us-east-1"]
        assert stack.resources["Key"].get("DeletionPolicy", "Delete") == fate
    client = Scripted({})
    account = Account(number="1", principal="me", clients=client.clients)
    stacks.erase(account, Kept(kind="AWS::KMS::Key", physical="k-1", region="us-east-1"))
    assert client.calls == [("schedule_key_deletion", {"KeyId": "k-1"})]


# The first minutes of an instance


def test_the_placeholder_keeps_its_certificate_where_a_task_can_write():
    program = placeholder(Service(name="web", run="x", tls=True))
    assert 'TemporaryDirectory(dir="/dev/shm")' in program


def test_a_machine_that_starts_again_lets_its_container_have_the_port(synth: Synth):
    stack: Stack = synth(applications.node_on_machines())["node-eu-north-1"]
    script = text(stack.named("ApiLaunchTemplate")["LaunchTemplateData"]["UserData"])
    assert "> /etc/sysctl.d/90-instance.conf" in script
