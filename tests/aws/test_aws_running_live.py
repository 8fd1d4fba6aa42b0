"""Day two where something moves: ministack rolls tasks over and refreshes groups, which moto only stores.

It has no Application Auto Scaling, no machines behind a group and no Systems Manager: `ps`, `scale` and `events` of
tasks and a shell on a machine stay with moto and scripts (test_aws_running.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("boto3", reason="needs the aws extra")
from app_servers import aws_like
from aws import applications
from flyball.aws import running
from flyball.aws.deployment.account import Clients
from flyball.aws.running import There

pytestmark = [pytest.mark.synth, pytest.mark.live]
TERMINAL = """\
#!/bin/sh
printf '%s\\n' "$@" > {out}
exit 7
"""


def at_once(_: float) -> None:
    """Waits for nothing: the question itself takes long enough."""


@pytest.fixture(scope="module")
def clients(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clients]:
    """The clients of an account in ministack."""
    import boto3

    with aws_like(pytestconfig, tmp_path_factory.mktemp("ministack")) as server:
        yield lambda service, region: boto3.client(
            service,
            endpoint_url=server.url,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


def network(ec2: Any) -> tuple[str, str]:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return vpc, ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]


@pytest.fixture(scope="module")
def tasks(clients: Clients) -> There:
    """The forum's `posts` with two releases, of which the second runs as two tasks."""
    (region,) = running.there(applications.forum(), clients)
    ecs = region.client("ecs")
    _, subnet = network(region.client("ec2"))
    ecs.create_cluster(clusterName="forum")
    for tag in ("0123456789ab", "cdef01234567"):
        image = f"1.dkr.ecr.us-east-1.amazonaws.com/forum/posts:{tag}"
        ecs.register_task_definition(
            family="forum-posts",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[{"name": "posts", "image": image}],
        )
    ecs.create_service(
        cluster="forum",
        serviceName="posts",
        taskDefinition="forum-posts:2",
        desiredCount=2,
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": [subnet]}},
    )
    return region


def running_releases(region: There) -> list[int]:
    """The release of each task."""
    ecs = region.client("ecs")
    arns = ecs.list_tasks(cluster="forum", serviceName="posts", desiredStatus="RUNNING")["taskArns"]
    told = ecs.describe_tasks(cluster="forum", tasks=arns)["tasks"]
    return [int(each["taskDefinitionArn"].rsplit(":", 1)[-1]) for each in told if each["lastStatus"] == "RUNNING"]


def test_rollback_moves_every_task_to_the_earlier_release(tasks: There):
    service, lines = tasks.service("posts"), list[str]()
    assert [(one["release"], one["note"], one["current"]) for one in running.releases.made(tasks, service)] == [
        (2, "cdef01234567", True), (1, "0123456789ab", False),
    ]  # fmt: skip
    assert running_releases(tasks) == [2, 2]
    running.releases.rollback(tasks, service, None, say=lines.append, pause=at_once)
    assert running_releases(tasks) == [1, 1]
    assert lines[0] == "posts: rolling back to release 1 (0123456789ab)"
    assert "completed" in lines[-1]
    assert [one["release"] for one in running.releases.made(tasks, service) if one["current"]] == [1]


def test_exec_hands_the_session_of_a_task_to_awss_terminal(tasks: There, tmp_path: Path):
    terminal = tmp_path / "session-manager-plugin"
    terminal.write_text(TERMINAL.format(out=tmp_path / "words"), encoding="utf-8")
    terminal.chmod(0o755)
    assert running.shell(tasks, "posts", ["ls", "-l"], search=str(tmp_path)) == 7
    session, region, call, _, target, _ = (tmp_path / "words").read_text(encoding="utf-8").splitlines()
    assert json.loads(session)["StreamUrl"].startswith("wss://ssmmessages.us-east-1.")
    assert (region, call) == ("us-east-1", "StartSession")
    assert json.loads(target)["Target"].startswith("ecs:forum_")


def test_logs_of_tasks_are_merged(tasks: There):
    logs, name, now = tasks.client("logs"), tasks.log_group(tasks.service("posts")), int(time.time() * 1000)
    logs.create_log_group(logGroupName=name)
    for task, line, at in (("0a", "second", now), ("0b", "first", now - 1000)):
        logs.create_log_stream(logGroupName=name, logStreamName=f"posts/posts/{task}")
        logs.put_log_events(
            logGroupName=name,
            logStreamName=f"posts/posts/{task}",
            logEvents=[{"timestamp": at, "message": line}],
        )
    told = running.logs.past((tasks,), (tasks.service("posts"),), since=0.0)
    assert [(task, line) for task, line, _ in told] == [("0b", "first"), ("0a", "second")]


def test_rollback_of_machines_is_an_instance_refresh(clients: Clients):
    (region,) = running.there(applications.visitor_board(), clients)
    ec2, scaling, service = region.client("ec2"), region.client("autoscaling"), region.service("web")
    _, subnet = network(ec2)

    def of(release: str) -> dict[str, Any]:
        tag = {"Key": "flyball-release", "Value": release}
        return {"TagSpecifications": [{"ResourceType": "instance", "Tags": [tag]}]}

    template = ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData=of("0123456789ab"))
    known = template["LaunchTemplate"]["LaunchTemplateId"]
    ec2.create_launch_template_version(LaunchTemplateId=known, LaunchTemplateData=of("cdef01234567"))
    scaling.create_auto_scaling_group(
        AutoScalingGroupName="visitor-board-web",
        MinSize=1,
        MaxSize=10,
        DesiredCapacity=2,
        LaunchTemplate={"LaunchTemplateId": known, "Version": "2"},
        VPCZoneIdentifier=subnet,
    )
    assert running.scale(region, service, 3) == "web: 2 -> 3: set by hand"
    lines: list[str] = []
    running.releases.rollback(region, service, None, say=lines.append, pause=at_once)
    assert lines[0] == "web: rolling back to release 1 (0123456789ab)"
    assert lines[-1].startswith("visitor-board-web: Successful 100 %")
    (refresh,) = scaling.describe_instance_refreshes(AutoScalingGroupName="visitor-board-web")["InstanceRefreshes"]
    assert refresh["Status"] == "Successful"
