"""Values for a template's parameters: whether this is the first deployment, the domain's zone, what runs now.

The pipeline decides which release runs; deploying the infrastructure keeps the current one.
"""

from __future__ import annotations

import json
from typing import Any

from flyball.aws.names import image_parameter, release_parameter
from flyball.aws.refresh import TAG, template_of
from flyball.core.errors import Failed
from flyball.core.model import Application, Compute, Service

from .account import Account
from .stacks import StackPlan


def values(app: Application, plan: StackPlan, account: Account, *, new: bool) -> dict[str, str]:
    """A value for every template parameter that must not keep its default."""
    asked = json.loads(plan.template).get("Parameters", {})
    given: dict[str, str] = {}
    if "FirstDeploy" in asked:
        given["FirstDeploy"] = "yes" if new else "no"
    if "HostedZone" in asked:
        given["HostedZone"] = hosted_zone(app, account)
    if not new:
        given |= _running(app, plan, account, asked)
    return given


def hosted_zone(app: Application, account: Account) -> str:
    """The id of the public zone for the domain: the one with the longest matching name. Raises Failed without one."""
    assert app.aws is not None
    assert app.aws.domain is not None
    wanted = f".{app.aws.domain.rstrip('.')}."
    pages = account.clients("route53", app.aws.regions[0]).get_paginator("list_hosted_zones").paginate()
    zones = [zone for page in pages for zone in page["HostedZones"]]
    fitting = [
        zone for zone in zones if wanted.endswith(f".{zone['Name']}") and not zone["Config"].get("PrivateZone", False)
    ]
    if not fitting:
        raise Failed(f"this account has no public hosted zone for {app.aws.domain}: create one in Route 53 first")
    longest = max(fitting, key=lambda zone: len(zone["Name"]))
    return str(longest["Id"]).rsplit("/", 1)[-1]


def _running(app: Application, plan: StackPlan, account: Account, asked: dict[str, Any]) -> dict[str, str]:
    assert app.aws is not None
    found: dict[str, str] = {}
    for service in app.services:
        if app.aws.compute is Compute.FARGATE:
            name, running = image_parameter(service.name), _image(app, service, plan.region, account)
        else:
            name, running = release_parameter(service.name), _release(app, service, plan.region, account)
        if name in asked and running is not None:
            found[name] = running
    return found


def _image(app: Application, service: Service, region: str, account: Account) -> str | None:
    """The image the service's tasks run now, or None when the service does not exist yet."""
    ecs = account.clients("ecs", region)
    try:
        services = ecs.describe_services(cluster=app.name, services=[service.name])["services"]
    except ecs.exceptions.ClusterNotFoundException:
        return None
    if not services:
        return None
    task = ecs.describe_task_definition(taskDefinition=services[0]["taskDefinition"])["taskDefinition"]
    return str(task["containerDefinitions"][0]["image"])


def _release(app: Application, service: Service, region: str, account: Account) -> str | None:
    """The release in the group's current launch template, or None when the group does not exist yet."""
    groups = account.clients("autoscaling", region).describe_auto_scaling_groups(
        AutoScalingGroupNames=[f"{app.name}-{service.name}"]
    )["AutoScalingGroups"]
    if not groups:
        return None
    which = template_of(groups[0])
    version = account.clients("ec2", region).describe_launch_template_versions(
        LaunchTemplateId=which["LaunchTemplateId"], Versions=[which["Version"]]
    )["LaunchTemplateVersions"][0]
    for each in version["LaunchTemplateData"].get("TagSpecifications", ()):
        for tag in each["Tags"]:
            if tag["Key"] == TAG:
                return str(tag["Value"])
    return None
