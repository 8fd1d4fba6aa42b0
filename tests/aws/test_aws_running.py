"""Day two: what runs there, in the words and the JSON of the local verbs; created in moto, or played from a script."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aws import applications
from aws.cloud import Cloud, Operator, Scripted, plan
from flyball.aws import deployment, running
from flyball.aws.deployment.account import Account, boto3_clients
from flyball.aws.running import There
from flyball.cli.main import outcome
from flyball.core.errors import Failed, FileError, NotRunning
from flyball.core.model import Application
from flyball.core.view import shapes

pytestmark = [pytest.mark.synth, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
ROOT = Path(__file__).parents[2]
BOARD, FORUM = (str(ROOT / "apps" / name) for name in ("visitor-board", "forum"))
NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


def quiet(_: float) -> None:
    """Waits for nothing."""


def played(app: Application, script: dict[str, Any]) -> tuple[There, Scripted]:
    client = Scripted(script)
    account = Account(number="1", principal="me", clients=client.clients)
    assert app.aws is not None
    return There(app=app, region=app.region_names[0], account=account), client


@pytest.fixture(scope="module")
def cloud(empty_account: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    directory = tmp_path_factory.mktemp("running")
    for app in (applications.visitor_board(), applications.forum()):
        deployment.deploy(app, plan(app, directory), Operator().desk(), clients=boto3_clients)
    return empty_account


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """The JSON that a verb prints."""
    capsys.readouterr()
    assert outcome([*words, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def keys(shape: Any) -> set[str]:
    """The keys that a shape always has."""
    return {name for name, kind in shape.__annotations__.items() if "NotRequired" not in str(kind)}


class NoRefresh:
    """moto's Auto Scaling, which knows of no instance refresh."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def __getattr__(self, call: str) -> Any:
        return getattr(self.client, call)

    def describe_instance_refreshes(self, **_: Any) -> dict[str, Any]:
        return {"InstanceRefreshes": []}


def of_the_board() -> dict[str, Any]:
    """What `flyball aws ps --json` prints of the Visitor Board."""

    def clients(service: str, region: str) -> Any:
        client = boto3_clients(service, region)
        return NoRefresh(client) if service == "autoscaling" else client

    return running.application(running.there(applications.visitor_board(), clients), now=time.time())


# ps


def test_ps_of_machines_has_the_keys_of_ps_here(cloud: Cloud):
    told = of_the_board()
    assert told.keys() == keys(shapes.ApplicationJson)
    assert told["application"] == "visitor-board"
    (web,) = told["services"]
    assert web.keys() == keys(shapes.ServiceJson)
    assert web["metrics"].keys() == keys(shapes.MetricsJson)
    assert web["capacity"] == {"min": 1, "desired": 1, "max": 10, "in_service": 1}
    (instance,) = web["instances"]
    assert instance.keys() == keys(shapes.InstanceJson)
    assert instance["id"].startswith("i-")
    assert (instance["lifecycle"], instance["health"], instance["zone"], instance["port"]) == (
        "in_service", "healthy", instance["zone"], 80,
    )  # fmt: skip
    assert instance["started_at"] > 1e9


def test_ps_of_tasks_is_a_table_for_people(cloud: Cloud, capsys: pytest.CaptureFixture[str]):
    (told,) = asked(capsys, "aws", "ps", FORUM)
    assert [one["capacity"]["desired"] for one in told["services"]] == [2, 2, 2]
    assert outcome(["aws", "ps", FORUM]) == 0
    out = capsys.readouterr().out
    for name in ("posts", "threads", "users"):
        assert name in out
    assert "IN SERVICE" in out


def test_ps_shows_the_newest_datapoint_that_cloudwatch_has(cloud: Cloud):
    now = datetime.fromtimestamp(time.time() - 60, UTC)
    cloud.client("cloudwatch", "eu-north-1").put_metric_data(
        Namespace="AWS/EC2",
        MetricData=[
            {
                "MetricName": "CPUUtilization",
                "Dimensions": [{"Name": "AutoScalingGroupName", "Value": "visitor-board-web"}],
                "Timestamp": now,
                "Value": 62.5,
            }
        ],
    )
    told = of_the_board()
    assert told["services"][0]["metrics"]["cpu_percent"] == 62.5
    assert told["services"][0]["metrics"]["latency_ms"] == {"p50": None, "p95": None, "p99": None}


def test_what_is_not_deployed_is_no_running_application(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    text = (ROOT / "apps/visitor-board/flyball.toml").read_text("utf-8").replace("visitor-board", "elsewhere")
    (tmp_path / "flyball.toml").write_text(text, encoding="utf-8")
    for verb in (["ps"], ["releases", "--file"], ["events", "--file"]):
        assert outcome(["aws", *verb, str(tmp_path)]) == 3
        assert "is not deployed in eu-north-1. Deploy it with: flyball aws deploy" in capsys.readouterr().err


def task(name: str, revision: int, status: str, address: str) -> dict[str, Any]:
    return {
        "taskArn": f"arn:aws:ecs:us-east-1:1:task/forum/{name}",
        "taskDefinitionArn": f"arn:aws:ecs:us-east-1:1:task-definition/forum-posts:{revision}",
        "lastStatus": status,
        "availabilityZone": "us-east-1b",
        "startedAt": NOW,
        "attachments": [{"details": [{"name": "privateIPv4Address", "value": address}]}],
    }


def test_ps_of_a_rollout_of_tasks():
    old, new = (f"arn:aws:ecs:us-east-1:1:task-definition/forum-posts:{number}" for number in (7, 8))
    group = "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/posts/1"
    service = {
        "status": "ACTIVE", "taskDefinition": new, "desiredCount": 2,
        "loadBalancers": [{"targetGroupArn": group}],
        "deployments": [
            {"status": "PRIMARY", "taskDefinition": new, "rolloutState": "IN_PROGRESS", "runningCount": 1,
             "desiredCount": 2, "createdAt": NOW, "failedTasks": 1, "rolloutStateReason": "in progress"},
            {"status": "ACTIVE", "taskDefinition": old},
        ],
    }  # fmt: skip
    targets = [
        {"Target": {"Id": "10.0.0.1"}, "TargetHealth": {"State": "healthy"}},
        {"Target": {"Id": "10.0.0.2"}, "TargetHealth": {"State": "initial"}},
        {"Target": {"Id": "10.0.0.3"}, "TargetHealth": {"State": "draining", "Description": "deregistering"}},
    ]
    zones = [{"ZoneName": f"us-east-1{letter}"} for letter in "abc"]
    region, _ = played(
        applications.forum(),
        {
            "describe_services": {"services": [service]},
            "list_tasks": {"taskArns": ["x"]},
            "describe_tasks": {
                "tasks": [
                    task("a", 7, "RUNNING", "10.0.0.1"),
                    task("b", 8, "RUNNING", "10.0.0.2"),
                    task("c", 7, "DEACTIVATING", "10.0.0.3"),
                ]
            },
            "describe_target_health": {"TargetHealthDescriptions": targets},
            "describe_target_groups": {"TargetGroups": [{"LoadBalancerArns": ["x:loadbalancer/app/forum/1"]}]},
            "describe_scalable_targets": {"ScalableTargets": [{"MinCapacity": 2, "MaxCapacity": 20}]},
            "describe_availability_zones": {"AvailabilityZones": zones},
            "describe_stacks": {
                "Stacks": [
                    {
                        "StackStatus": "UPDATE_COMPLETE",
                        "Outputs": [
                            {"OutputKey": "Url", "OutputValue": "https://forum.example.com"},
                            {"OutputKey": "PushTo", "OutputValue": "https://git.example.com/forum"},
                        ],
                    }
                ]
            },
            "get_metric_data": {
                "MetricDataResults": [
                    {"Id": "requests", "Values": [600.0]},
                    {"Id": "errors", "Values": [6.0]},
                    {"Id": "p99", "Values": [0.25]},
                    {"Id": "cpu", "Values": []},
                ]
            },
        },
    )
    told = running.application((region,), now=NOW.timestamp())
    assert (told["url"], told["push"]["url"]) == ("https://forum.example.com", "https://git.example.com/forum")
    posts = told["services"][0]
    assert posts["release"] == 8
    assert posts["rollout"] == {
        "from": 7, "to": 8, "phase": "running", "started_at": NOW.timestamp(), "percent": 50.0, "failures": 1,
        "why": "in progress",
    }  # fmt: skip
    assert posts["capacity"] == {"min": 2, "desired": 2, "max": 20, "in_service": 1}
    seen = [(one["id"], one["release"], one["lifecycle"], one["health"], one["zone"]) for one in posts["instances"]]
    assert seen == [
        ("a", 7, "in_service", "healthy", "b"),
        ("b", 8, "launching", "initial", "b"),
        ("c", 7, "draining", "draining", "b"),
    ]
    metrics = posts["metrics"]
    assert (metrics["requests_per_second"], metrics["errors_percent"], metrics["cpu_percent"]) == (10.0, 1.0, None)
    assert metrics["latency_ms"]["p99"] == 250.0


# logs


def test_logs_are_merged_by_time_and_read_as_here(cloud: Cloud, capsys: pytest.CaptureFixture[str]):
    logs, now = cloud.client("logs", "eu-north-1"), int(time.time() * 1000)
    for stream, lines in (
        ("i-0a", [(0, "first"), (2, '{"level": "error", "message": "third"}')]),
        ("i-0b", [(1, "second")]),
    ):
        logs.create_log_stream(logGroupName="/flyball/visitor-board/web", logStreamName=stream)
        logs.put_log_events(
            logGroupName="/flyball/visitor-board/web",
            logStreamName=stream,
            logEvents=[{"timestamp": now - 5000 + 1000 * at, "message": line} for at, line in lines],
        )
    told = asked(capsys, "aws", "logs", "--file", BOARD)
    assert [(one["instance"], one["line"].split('"')[0]) for one in told] == [
        ("i-0a", "first"), ("i-0b", "second"), ("i-0a", "{"),
    ]  # fmt: skip
    assert told[2]["fields"]["message"] == "third"
    assert [one["line"] for one in asked(capsys, "aws", "logs", "i-0b", "--file", BOARD)] == ["second"]
    assert [one["line"] for one in asked(capsys, "aws", "logs", "web", "--grep", "^f", "--file", BOARD)] == ["first"]
    assert len(asked(capsys, "aws", "logs", "-n", "1", "--file", BOARD)) == 1


def line(identity: str, at: float, text: str) -> dict[str, Any]:
    return {"eventId": identity, "logStreamName": "posts/posts/0a", "message": f"{text}\n", "timestamp": at * 1000}


def test_followed_lines_come_once_also_when_they_are_late():
    answers = [
        {"events": [line("1", 100.0, "one")]},
        {"events": [line("1", 100.0, "one"), line("3", 103.0, "three")]},
        {"events": [line("2", 99.0, "late"), line("3", 103.0, "three")]},
    ]
    region, _ = played(applications.forum(), {"filter_log_events": answers})
    found = running.logs.followed((region,), (region.service("posts"),), since=90.0, pause=quiet)
    assert [next(found)[1] for _ in range(3)] == ["one", "three", "late"]


# events


def test_events_of_tasks_are_awss_sentences_with_our_kinds():
    def event(minute: int, message: str) -> dict[str, Any]:
        return {"id": str(minute), "createdAt": NOW.replace(minute=minute), "message": f"(service posts) {message}"}

    def activity(minute: int, description: str, status: str = "Successful") -> dict[str, Any]:
        cause = "monitor alarm high in state ALARM triggered policy cpu-target"
        return {
            "ActivityId": f"a{minute}", "StartTime": NOW.replace(minute=minute), "Description": description,
            "Cause": cause, "StatusCode": status,
        }  # fmt: skip

    region, _ = played(
        applications.forum(),
        {
            "describe_services": {
                "services": [
                    {
                        "status": "ACTIVE",
                        "events": [
                            event(1, "has started 2 tasks: (task 0a1b) (task 0c2d)."),
                            event(2, "registered 1 targets in (target-group x)"),
                            event(5, "(deployment ecs-svc/1) deployment failed: tasks failed to start."),
                            event(6, "rolling back to deployment ecs-svc/0."),
                            event(7, "has reached a steady state."),
                        ],
                    }
                ]
            },
            "describe_scaling_activities": {
                "ScalingActivities": [
                    activity(4, "Setting desired count to 3."),
                    activity(3, "Setting desired count to 5."),
                    activity(8, "Setting desired count to 4.", "Failed"),
                ]
            },
        },
    )
    service = region.service("posts")
    found = running.events.past((region,), (service,), since=0.0)
    assert [(one["kind"], one["from"], one["to"]) for one in found] == [
        ("launched", None, None), ("in_service", None, None), ("scale_out", None, 5), ("scale_in", 5, 3),
        ("rollout_failed", None, None), ("rolled_back", None, None), ("rollout_progress", None, None), ("failed", 3, 4),
    ]  # fmt: skip
    assert found[0].keys() == keys(shapes.EventJson)
    assert found[0]["instance"] == "0a1b"
    assert running.events.past((region,), (service,), since=NOW.replace(minute=8).timestamp()) == found[-1:]
    following = running.events.followed((region,), (service,), since=0.0, pause=quiet)
    assert [next(following) for _ in found] == found


def test_events_of_machines_are_the_groups_activities():
    def activity(minute: int, description: str, cause: str, status: str = "Successful") -> dict[str, Any]:
        return {
            "ActivityId": str(minute), "StartTime": NOW.replace(minute=minute), "Description": description,
            "Cause": cause, "StatusCode": status,
        }  # fmt: skip

    policy = "a monitor alarm high in state ALARM triggered policy cpu changing the desired capacity from 1 to 3."
    region, _ = played(
        applications.visitor_board(),
        {
            "describe_auto_scaling_groups": {"AutoScalingGroups": [{"AutoScalingGroupName": "visitor-board-web"}]},
            "describe_scaling_activities": {
                "Activities": [
                    activity(1, "Launching a new EC2 instance: i-0a1b", policy),
                    activity(2, "Launching a new EC2 instance: i-0c2d", "an instance was started", "Failed"),
                    activity(3, "Terminating EC2 instance: i-0a1b", "an instance was taken out of service"),
                ]
            },
        },
    )
    found = running.events.past((region,), (region.service("web"),), since=0.0)
    assert [(one["kind"], one["from"], one["to"], one["instance"]) for one in found] == [
        ("scale_out", 1, 3, "i-0a1b"), ("failed", None, None, "i-0c2d"), ("terminated", None, None, "i-0a1b"),
    ]  # fmt: skip


# releases


def test_releases_of_tasks_are_revisions_and_a_rollback_goes_to_the_one_before(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
):
    ecs = cloud.client("ecs")
    first = ecs.describe_services(cluster="forum", services=["posts"])["services"][0]["taskDefinition"]
    known = ecs.describe_task_definition(taskDefinition=first)["taskDefinition"]
    assert asked(capsys, "aws", "releases", "posts", "--file", FORUM) == [[]]
    for tag in ("0123456789ab", "ba9876543210"):
        image = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/forum/posts:{tag}"
        made = ecs.register_task_definition(
            family=known["family"],
            containerDefinitions=[{**known["containerDefinitions"][0], "image": image}],
            **{name: known[name] for name in ("cpu", "memory", "networkMode", "requiresCompatibilities")},
        )["taskDefinition"]["taskDefinitionArn"]
        ecs.update_service(cluster="forum", service="posts", taskDefinition=made)
    (told,) = asked(capsys, "aws", "releases", "posts", "--file", FORUM)
    assert [(one["release"], one["note"], one["current"]) for one in told] == [
        (3, "ba9876543210", True), (2, "0123456789ab", False),
    ]  # fmt: skip
    assert told[0].keys() == keys(shapes.ReleaseJson)
    for words, said in (
        (["posts", "9"], "posts: there is no release 9 to go back to; there are: 3, 2"),
        (["nobody"], "there is no service 'nobody'; choose from: threads, posts, users"),
    ):
        assert outcome(["aws", "rollback", *words, "--file", FORUM]) == 2
        told_names = capsys.readouterr().err.strip()
        assert told_names.startswith(said.split(";")[0])
    assert outcome(["aws", "rollback", "posts", "3", "--file", FORUM]) == 1
    assert "release 3 is the one that serves" in capsys.readouterr().err


def of_tasks(*states: tuple[str, str]) -> dict[str, Any]:
    """A service on release 3 that goes back to 2, whose deployment has these states, one after another."""
    arn = "arn:aws:ecs:us-east-1:1:task-definition/forum-posts:"
    described = [{"services": [{"status": "ACTIVE", "taskDefinition": f"{arn}3", "deployments": []}]}]
    for state, reason in states:
        mine = {"taskDefinition": f"{arn}2", "rolloutState": state, "rolloutStateReason": reason}
        deployments = [] if state == "GONE" else [mine]
        described.append({"services": [{"status": "ACTIVE", "taskDefinition": f"{arn}2", "deployments": deployments}]})
    image = {"containerDefinitions": [{"image": "1.dkr.ecr.eu/forum/posts:abc"}], "registeredAt": NOW}
    return {
        "describe_services": described,
        "list_task_definitions": {"taskDefinitionArns": [f"{arn}2", f"{arn}3"]},
        "describe_task_definition": {"taskDefinition": image},
    }


def test_a_rollback_of_tasks_waits_for_the_deployment():
    region, client = played(applications.forum(), of_tasks(("IN_PROGRESS", "half"), ("COMPLETED", "done")))
    said: list[str] = []
    running.releases.rollback(region, region.service("posts"), None, say=said.append, pause=quiet)
    assert (
        "update_service",
        {"cluster": "forum", "service": "posts", "taskDefinition": "forum-posts:2"},
    ) in client.calls
    assert said == ["posts: rolling back to release 2 (abc)", "posts: half", "posts: done"]


@pytest.mark.parametrize(
    ("end", "why"), [(("FAILED", "tasks failed to start"), "tasks failed to start"), (("GONE", ""), "was rolled back")]
)
def test_a_rollback_of_tasks_that_fails_says_why(end: tuple[str, str], why: str):
    region, _ = played(applications.forum(), of_tasks(end))
    with pytest.raises(Failed, match=why):
        running.releases.rollback(region, region.service("posts"), None, say=lambda line: None, pause=quiet)


def of_machines(status: str) -> dict[str, Any]:
    group = {
        "AutoScalingGroupName": "visitor-board-web",
        "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "4"},
    }
    versions = [
        {
            "VersionNumber": number,
            "CreateTime": NOW,
            "LaunchTemplateData": {"TagSpecifications": [{"Tags": [{"Key": "flyball-release", "Value": tag}]}]},
        }
        for number, tag in ((1, "none"), (3, "abc"), (4, "def"))
    ]
    return {
        "describe_auto_scaling_groups": {"AutoScalingGroups": [group]},
        "describe_launch_template_versions": {"LaunchTemplateVersions": versions},
        "start_instance_refresh": {"InstanceRefreshId": "r-1"},
        "describe_instance_refreshes": {"InstanceRefreshes": [{"Status": status, "StatusReason": "because"}]},
    }


def test_a_rollback_of_machines_is_a_refresh_to_an_earlier_version():
    region, client = played(applications.visitor_board(), of_machines("Successful"))
    done = running.releases.rollback(region, region.service("web"), None, say=lambda line: None, pause=quiet)
    assert (done["release"], done["note"]) == (3, "abc")
    started = dict(client.calls)["start_instance_refresh"]
    assert started["DesiredConfiguration"]["LaunchTemplate"]["Version"] == "3"
    assert started["Preferences"]["AutoRollback"] is True
    region, _ = played(applications.visitor_board(), of_machines("Failed"))
    with pytest.raises(Failed, match="web: Failed 0 % because"):
        running.releases.rollback(region, region.service("web"), None, say=lambda line: None, pause=quiet)
    with pytest.raises(FileError, match="there is no release 1 to go back to; there are: 4, 3"):
        running.releases.rollback(region, region.service("web"), 1, say=lambda line: None, pause=quiet)


# scale, exec


def test_scale_sets_the_desired_capacity_within_the_bounds(cloud: Cloud, capsys: pytest.CaptureFixture[str]):
    assert outcome(["aws", "scale", "web=2", "--file", BOARD]) == 0
    assert outcome(["aws", "scale", "posts=4", "users=3", "--file", FORUM]) == 0
    assert "posts: 2 -> 4: set by hand" in capsys.readouterr().err
    groups = cloud.client("autoscaling", "eu-north-1").describe_auto_scaling_groups()["AutoScalingGroups"]
    assert groups[0]["DesiredCapacity"] == 2
    services = cloud.client("ecs").describe_services(cluster="forum", services=["posts", "users"])["services"]
    assert [each["desiredCount"] for each in services] == [4, 3]
    assert outcome(["aws", "scale", "web=11", "--file", BOARD]) == 1
    assert "11 is not within min 1 and max 10; nothing was changed" in capsys.readouterr().err
    assert outcome(["aws", "scale", "web=x", "--file", BOARD]) == 2


PLUGIN = """\
#!/bin/sh
printf '%s\\n' "$@" > {out}
exit 7
"""


@pytest.mark.parametrize("app", [applications.forum(), applications.visitor_board()], ids=lambda app: app.name)
def test_exec_starts_awss_terminal_with_the_session(tmp_path: Path, app: Application):
    region, client = played(
        app,
        {
            "list_tasks": {"taskArns": ["arn:aws:ecs:us-east-1:1:task/forum/0a"]},
            "describe_tasks": {"tasks": [{"containers": [{"name": app.services[0].name, "runtimeId": "0a-1"}]}]},
            "execute_command": {"session": {"sessionId": "s", "streamUrl": "wss://x", "tokenValue": "t"}},
            "describe_auto_scaling_groups": {
                "AutoScalingGroups": [{"Instances": [{"InstanceId": "i-0a", "LifecycleState": "InService"}]}]
            },
            "start_session": {"SessionId": "s", "StreamUrl": "wss://x", "TokenValue": "t"},
        },
    )
    name = app.services[0].name
    with pytest.raises(Failed, match="session-manager-plugin is not installed"):
        running.shell(region, name, ["env"], search=str(tmp_path))
    plugin = tmp_path / "session-manager-plugin"
    plugin.write_text(PLUGIN.format(out=tmp_path / "words"), encoding="utf-8")
    plugin.chmod(0o755)
    assert running.shell(region, name, ["ls", "a b"], search=str(tmp_path)) == 7
    words = (tmp_path / "words").read_text(encoding="utf-8").splitlines()
    assert json.loads(words[0]) == {"SessionId": "s", "StreamUrl": "wss://x", "TokenValue": "t"}
    assert words[2] == "StartSession"
    asked_for = dict(client.calls).get("execute_command") or dict(client.calls)["start_session"]["Parameters"]
    assert (asked_for["command"] if isinstance(asked_for["command"], str) else asked_for["command"][0]) == "ls 'a b'"
    with pytest.raises(FileError, match="no instance of 'nobody' runs in"):
        running.shell(region, "nobody", [], search=str(tmp_path))


def test_a_region_without_the_application_is_said():
    region, _ = played(applications.visitor_board(), {"describe_auto_scaling_groups": {"AutoScalingGroups": []}})
    with pytest.raises(NotRunning, match="web is not deployed in eu-north-1"):
        running.scale(region, region.service("web"), 2)
