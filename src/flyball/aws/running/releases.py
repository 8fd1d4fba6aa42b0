"""Releases there: which were made, which one serves, and the way back to an earlier one.

Numbers are AWS's: revisions of the task definition, or versions of the launch template. `note` is the commit or upload
of which the pipeline made it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from flyball.aws.deployment.parameters import release_tag
from flyball.aws.names import NOTHING, logical
from flyball.aws.preferences import refresh_preferences
from flyball.aws.refresh import GOOD, template_of, to_version
from flyball.core.errors import Failed, FileError
from flyball.core.model import Service
from flyball.core.view.shapes import ReleaseJson

from .place import There, pages, revision, version_of

LISTED = 20
POLL_S = 10.0
Say = Callable[[str], None]
Pause = Callable[[float], None]


def made(region: There, service: Service) -> list[ReleaseJson]:
    """The newest releases of a service, newest first; without those that hold no release of the application."""
    found = region.described(service)
    told = _revisions(region, service) if region.on_fargate else _versions(region, found)
    current = revision(found["taskDefinition"]) if region.on_fargate else version_of(found)
    failed = _failed(found) if region.on_fargate else set()
    listed = [
        {
            "service": service.name,
            "release": number,
            "status": "failed" if number in failed else "completed",
            "current": number == current,
            "created_at": at,
            "note": note,
            "message": "",
        }
        for number, at, note in told
    ]
    return cast("list[ReleaseJson]", listed)


def _revisions(region: There, service: Service) -> Iterator[tuple[int, float, str]]:
    ecs = region.client("ecs")
    arns = ecs.list_task_definitions(familyPrefix=region.group(service), sort="DESC", maxResults=LISTED)
    for arn in sorted(arns["taskDefinitionArns"], key=revision, reverse=True):
        task = ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
        image = str(task["containerDefinitions"][0]["image"])
        if ".dkr.ecr." in image:  # else it is the placeholder before the first release
            at = task.get("registeredAt")
            yield revision(arn), 0.0 if at is None else at.timestamp(), image.rsplit(":", 1)[-1]


def _versions(region: There, group: Mapping[str, Any]) -> Iterator[tuple[int, float, str]]:
    which = template_of(group)["LaunchTemplateId"]
    told = pages(
        region.client("ec2"), "describe_launch_template_versions", "LaunchTemplateVersions", LaunchTemplateId=which
    )
    for each in sorted(told, key=lambda each: int(each["VersionNumber"]), reverse=True)[:LISTED]:
        tag = release_tag(each["LaunchTemplateData"])
        if tag and tag != NOTHING:
            yield int(each["VersionNumber"]), each["CreateTime"].timestamp(), tag


def _failed(found: Mapping[str, Any]) -> set[int]:
    deployments = found.get("deployments", ())
    return {revision(each["taskDefinition"]) for each in deployments if each.get("rolloutState") == "FAILED"}


def rollback(
    region: There, service: Service, release: int | None, *, say: Say, pause: Pause = time.sleep
) -> ReleaseJson:
    """Roll out an earlier release again and wait; by default the one before the current. Raises Failed with why not."""
    wanted = _earlier(made(region, service), service, release)
    say(f"{service.name}: rolling back to release {wanted['release']} ({wanted['note']})")
    if region.on_fargate:
        name = f"{region.group(service)}:{wanted['release']}"
        region.client("ecs").update_service(cluster=region.app.name, service=service.name, taskDefinition=name)
        _follow(region, service, wanted["release"], say=say, pause=pause)
    else:
        line = to_version(
            region.client("autoscaling"),
            region.described(service),
            str(wanted["release"]),
            group=region.group(service),
            preferences=refresh_preferences(service, _alarms(region, service)),
            pause=pause,
            say=say,
        )
        if line.split()[0] not in GOOD:
            raise Failed(f"{service.name}: {line}")
    return wanted


def _earlier(known: list[ReleaseJson], service: Service, release: int | None) -> ReleaseJson:
    now = next((one["release"] for one in known if one["current"]), 0)
    fitting = [one for one in known if (one["release"] < now if release is None else one["release"] == release)]
    if not fitting:
        numbers = ", ".join(str(one["release"]) for one in known) or "none"
        missing = "an earlier release" if release is None else f"release {release}"
        raise FileError(f"{service.name}: there is no {missing} to go back to; there are: {numbers}")
    if fitting[0]["current"]:
        raise Failed(f"{service.name}: release {now} is the one that serves")
    return fitting[0]


def _follow(region: There, service: Service, number: int, *, say: Say, pause: Pause) -> None:
    """Wait for ECS's deployment; every new sentence of it is told."""
    told = ""
    while True:
        deployments = region.described(service)["deployments"]
        mine = next((each for each in deployments if revision(each["taskDefinition"]) == number), None)
        if mine is None:
            raise Failed(f"{service.name}: release {number} was rolled back by AWS")
        if (line := mine.get("rolloutStateReason", "")) != told:
            told = line
            say(f"{service.name}: {line}")
        if mine["rolloutState"] == "COMPLETED":
            return
        if mine["rolloutState"] == "FAILED":
            raise Failed(f"{service.name}: {told or 'the deployment failed'}")
        pause(POLL_S)


def _alarms(region: There, service: Service) -> list[str]:
    """The names of the rollout alarms, which CloudFormation has given them."""
    wanted = {logical(service.name, f"RolloutAlarm{index + 1}") for index in range(len(service.deployment.alarms))}
    if not wanted:
        return []
    stack = f"{region.app.name}-{region.region}"
    told = pages(region.client("cloudformation"), "list_stack_resources", "StackResourceSummaries", StackName=stack)
    return [str(each["PhysicalResourceId"]) for each in told if each["LogicalResourceId"] in wanted]
