"""Values for a template's parameters: whether this is the first deployment, the domain's zone, what runs now.

The pipeline decides which release runs; deploying the infrastructure keeps the current one, and replaces no instance
only because a release was made since.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from flyball.aws.names import (
    NOTHING,
    SOURCE_PARAMETER,
    capacity_parameter,
    image_parameter,
    in_service,
    logical,
    release_parameter,
    running_parameter,
)
from flyball.aws.refresh import TAG, template_of
from flyball.core.errors import Failed
from flyball.core.model import Application, Compute, Service

from . import stacks
from .account import Account
from .stacks import StackPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What a service runs: its release, the version that has it, and the number of machines (None for tasks)."""

    release: str
    version: str
    desired: int | None


def values(
    app: Application, plan: StackPlan, account: Account, *, new: bool, changed: Collection[str] = ()
) -> dict[str, str]:
    """A value for every template parameter that must not keep its default.

    `changed`: what else is about to change. A service whose template or task changes gets a new one with the release
    that runs; any other keeps the version that the pipeline has rolled out.
    """
    asked = json.loads(plan.template).get("Parameters", {})
    given: dict[str, str] = {}
    if "FirstDeploy" in asked:
        given["FirstDeploy"] = "yes" if new else "no"
    if "HostedZone" in asked:
        given["HostedZone"] = hosted_zone(app, account)
    deployed = {} if new else stacks.parameters(account, plan)
    if SOURCE_PARAMETER in asked:
        foreign = new or deployed.get(SOURCE_PARAMETER) == "yes"
        given[SOURCE_PARAMETER] = _source(app, plan, account) if foreign else "no"
    if not new:
        for service in app.services:
            found = _running(app, service, plan.region, account)
            if found is not None:
                given |= _kept(service, found, deployed, changed)
    return {name: value for name, value in given.items() if name in asked}


def _source(app: Application, plan: StackPlan, account: Account) -> str:
    """Whether the repository of an earlier stack still exists. The file may name another one by now."""
    codecommit = account.clients("codecommit", plan.region)
    try:
        codecommit.get_repository(repositoryName=app.pipeline.repository or app.name)
    except codecommit.exceptions.RepositoryDoesNotExistException:
        return "no"
    return "yes"


def _kept(service: Service, running: Running, deployed: Mapping[str, str], changed: Collection[str]) -> dict[str, str]:
    name = image_parameter if running.desired is None else release_parameter
    before = deployed.get(name(service.name))
    same = before is None or before == running.release
    made_anew = {logical(service.name, "LaunchTemplate"), logical(service.name, "Task")} & set(changed)
    if same or made_anew:
        given = {name(service.name): running.release, running_parameter(service.name): NOTHING}
    else:
        given = {name(service.name): str(before), running_parameter(service.name): running.version}
    stay = capacity_parameter(service.name)
    if changed and running.desired is not None:
        return {**given, stay: str(in_service(service, running.desired))}
    return {**given, stay: deployed[stay]} if stay in deployed else given


def hosted_zone(app: Application, account: Account) -> str:
    """The id of the public zone for the domain: the one with the longest matching name. Raises Failed without one."""
    assert app.aws is not None
    assert app.aws.domain is not None
    wanted = f".{app.aws.domain.rstrip('.')}."
    pages = account.clients("route53", app.region_names[0]).get_paginator("list_hosted_zones").paginate()
    zones = [zone for page in pages for zone in page["HostedZones"]]
    fitting = [
        zone for zone in zones if wanted.endswith(f".{zone['Name']}") and not zone["Config"].get("PrivateZone", False)
    ]
    if not fitting:
        raise Failed(f"this account has no public hosted zone for {app.aws.domain}: create one in Route 53 first")
    longest = max(fitting, key=lambda zone: len(zone["Name"]))
    return str(longest["Id"]).rsplit("/", 1)[-1]


def _running(app: Application, service: Service, region: str, account: Account) -> Running | None:
    """What the service runs, or None when it does not exist yet."""
    found = described(app, service, region, account)
    if found is None:
        return None
    if "taskDefinition" in found:
        ecs = account.clients("ecs", region)
        task = ecs.describe_task_definition(taskDefinition=found["taskDefinition"])["taskDefinition"]
        image = str(task["containerDefinitions"][0]["image"])
        return Running(release=image, version=str(task["taskDefinitionArn"]), desired=None)
    which = template_of(found)
    version = account.clients("ec2", region).describe_launch_template_versions(
        LaunchTemplateId=which["LaunchTemplateId"], Versions=[which["Version"]]
    )["LaunchTemplateVersions"][0]
    release = release_tag(version["LaunchTemplateData"])
    if not release:
        return None
    return Running(release=release, version=str(version["VersionNumber"]), desired=found["DesiredCapacity"])


def described(app: Application, service: Service, region: str, account: Account) -> Mapping[str, Any] | None:
    """What AWS says of the ECS service or the Auto Scaling group; None where there is none."""
    assert app.aws is not None
    found: list[Mapping[str, Any]]
    if app.aws.compute is not Compute.FARGATE:
        scaling = account.clients("autoscaling", region)
        names = [f"{app.name}-{service.name}"]
        found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=names)["AutoScalingGroups"]
        return found[0] if found else None
    ecs = account.clients("ecs", region)
    try:
        found = ecs.describe_services(cluster=app.name, services=[service.name])["services"]
    except ecs.exceptions.ClusterNotFoundException:
        return None
    return next((each for each in found if each.get("status") != "INACTIVE"), None)


def release_tag(data: Mapping[str, Any]) -> str:
    """The release's name in the data of a launch template; empty where there is none."""
    tags = [tag for each in data.get("TagSpecifications", ()) for tag in each["Tags"]]
    return next((str(tag["Value"]) for tag in tags if tag["Key"] == TAG), "")
