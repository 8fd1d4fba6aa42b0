"""Acts on what runs there: the desired capacity, and a command in an instance.

A command goes through AWS's Systems Manager: no port, no key. Its terminal is a program of AWS, which is started here.
https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Sequence

from flyball.core.errors import Failed, FileError
from flyball.core.model import Service

from .place import There
from .seen import bounds

PLUGIN = "session-manager-plugin"
NO_PLUGIN = (
    f"{PLUGIN} is not installed; it is AWS's terminal for instances: "
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html"
)


def scale(region: There, service: Service, desired: int) -> str:
    """Set the desired capacity; what changed, as a sentence. Raises Failed outside min and max."""
    found = region.described(service)
    low, high = bounds(region, service, found)
    if not low <= desired <= high:
        raise Failed(f"{service.name}: {desired} is not within min {low} and max {high}; nothing was changed")
    before = int(found["desiredCount" if region.on_fargate else "DesiredCapacity"])
    if region.on_fargate:
        region.client("ecs").update_service(cluster=region.app.name, service=service.name, desiredCount=desired)
    else:
        region.client("autoscaling").set_desired_capacity(
            AutoScalingGroupName=region.group(service), DesiredCapacity=desired, HonorCooldown=False
        )
    return f"{service.name}: {before} -> {desired}: set by hand"


def shell(region: There, wanted: str, command: Sequence[str], *, search: str | None = None) -> int:
    """Run a command in an instance, or in the first of a service; the exit code of the terminal.

    `search`: where AWS's terminal is looked for, if not on PATH.
    """
    program = shutil.which(PLUGIN, path=search)
    if program is None:
        raise Failed(NO_PLUGIN)
    line = shlex.join(command) or "/bin/sh"
    session, target = _of_task(region, wanted, line) if region.on_fargate else _of_machine(region, wanted, line)
    endpoint = f"https://ssm.{region.region}.amazonaws.com"
    words = [program, json.dumps(session), region.region, "StartSession", "", json.dumps(target), endpoint]
    return subprocess.run(words, check=False).returncode


def _of_task(region: There, wanted: str, line: str) -> tuple[dict[str, str], dict[str, str]]:
    ecs, cluster = region.client("ecs"), region.app.name
    for service in region.app.services:
        arns = ecs.list_tasks(cluster=cluster, serviceName=service.name, desiredStatus="RUNNING")["taskArns"]
        for arn in sorted(arns):
            if wanted in {service.name, arn.rsplit("/", 1)[-1]}:
                told = ecs.execute_command(
                    cluster=cluster, task=arn, container=service.name, interactive=True, command=line
                )
                task = ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]
                runtime = next(each["runtimeId"] for each in task["containers"] if each["name"] == service.name)
                target = f"ecs:{cluster}_{arn.rsplit('/', 1)[-1]}_{runtime}"
                return _session(told["session"]), {"Target": target}
    raise _nowhere(region, wanted)


def _of_machine(region: There, wanted: str, line: str) -> tuple[dict[str, str], dict[str, str]]:
    for service in region.app.services:
        for each in region.described(service)["Instances"]:
            if wanted in {service.name, each["InstanceId"]} and each["LifecycleState"] == "InService":
                asked = {
                    "Target": str(each["InstanceId"]),
                    "DocumentName": "AWS-StartInteractiveCommand",
                    "Parameters": {"command": [line]},
                }
                told = region.client("ssm").start_session(**asked)
                named = {"SessionId": "sessionId", "StreamUrl": "streamUrl", "TokenValue": "tokenValue"}
                return _session({small: told[big] for big, small in named.items()}), {"Target": str(asked["Target"])}
    raise _nowhere(region, wanted)


def _session(told: dict[str, str]) -> dict[str, str]:
    return {"SessionId": told["sessionId"], "StreamUrl": told["streamUrl"], "TokenValue": told["tokenValue"]}


def _nowhere(region: There, wanted: str) -> FileError:
    names = ", ".join(each.name for each in region.app.services)
    return FileError(f"no instance of {wanted!r} runs in {region.region}; choose from: {names}")
