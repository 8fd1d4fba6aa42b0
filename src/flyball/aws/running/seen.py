"""What runs there, as `flyball ps --json` has it. What AWS does not tell of an instance is null."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from flyball.aws.deployment.stacks import StackPlan, outputs
from flyball.aws.names import EC2_PORT, FARGATE_PORT
from flyball.core.model import Service
from flyball.core.view.shapes import ApplicationJson, InstanceJson, RolloutJson, ServiceJson

from . import datapoints
from .place import There, revision, version_of

LIFECYCLES = {
    **dict.fromkeys(("PROVISIONING", "PENDING", "ACTIVATING"), "launching"),
    **dict.fromkeys(("Pending", "Pending:Wait", "Pending:Proceed"), "launching"),
    **dict.fromkeys(("RUNNING", "InService"), "in_service"),
    **dict.fromkeys(("DEACTIVATING",), "draining"),
    **dict.fromkeys(("Terminating", "Terminating:Wait", "Terminating:Proceed"), "terminating"),
    **dict.fromkeys(("STOPPING", "DEPROVISIONING"), "terminating"),
}


def application(regions: Sequence[There], *, now: float) -> ApplicationJson:
    """The whole application. Raises NotRunning when it is not deployed."""
    first, several = regions[0], len(regions) > 1
    services = [_service(region, service, now=now) for region in regions for service in region.app.services]
    told = _told(first)
    push = {"url": told.get("PushTo", ""), "name": None, "branch": first.app.pipeline.branch, "note": ""}
    described: dict[str, Any] = {
        "application": first.app.name,
        "url": told.get("Url", ""),
        "dashboard": _dashboard(first),
        "control": {"pid": None, "journal_error": None},
        "balancer": {"pid": None},
        "stopping": False,
        "push": push if "PushTo" in told else None,
        "last_event": 0,
        "firewall": [],
        "boundary": "closed",
        "services": services,
    }
    if several:
        described["served"] = []
        described["regions"] = [
            {
                "name": region.region,
                "health": "unknown",
                "url": _told(region).get("Url"),
                "dashboard": _dashboard(region),
                "control": None,
                "balancer": None,
            }
            for region in regions
        ]
    return cast("ApplicationJson", described)


def _told(region: There) -> dict[str, str]:
    """The outputs of the region's stack."""
    name = f"{region.app.name}-{region.region}"
    return outputs(region.account, StackPlan(name=name, region=region.region, template=""))


def _dashboard(region: There) -> str:
    console = f"https://{region.region}.console.aws.amazon.com/cloudwatch/home?region={region.region}"
    return f"{console}#dashboards/dashboard/{region.app.name}-{region.region}"


def _service(region: There, service: Service, *, now: float) -> ServiceJson:
    found = region.described(service)
    health = _health(region, found)
    instances = _tasks(region, service, health) if region.on_fargate else _machines(region, found, health)
    low, high = bounds(region, service, found)
    told: ServiceJson = {
        "name": service.name,
        "release": revision(found["taskDefinition"]) if region.on_fargate else version_of(found),
        "building": None,
        "rollout": _rollout(found) if region.on_fargate else _refresh(region, service),
        "capacity": {
            "min": low,
            "desired": int(found["desiredCount" if region.on_fargate else "DesiredCapacity"]),
            "max": high,
            "in_service": sum(1 for one in instances if one["lifecycle"] == "in_service"),
        },
        "concurrency": service.places,
        "metrics": datapoints.last(region, service, _groups(region, found), now=now),
        "instances": instances,
    }
    if len(region.app.region_names) > 1:
        told["region"] = region.region
        for one in instances:
            one["region"] = region.region
    return told


def bounds(region: There, service: Service, found: Mapping[str, Any]) -> tuple[int, int]:
    """The fewest and the most instances that scaling may reach."""
    if not region.on_fargate:
        return int(found["MinSize"]), int(found["MaxSize"])
    targets = region.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="ecs", ResourceIds=[f"service/{region.app.name}/{service.name}"]
    )["ScalableTargets"]
    if not targets:
        return service.capacity.min, service.capacity.max
    return int(targets[0]["MinCapacity"]), int(targets[0]["MaxCapacity"])


def _groups(region: There, found: Mapping[str, Any]) -> list[str]:
    """The ARNs of the service's target groups, the public balancer's first."""
    if not region.on_fargate:
        return list(found.get("TargetGroupARNs", ()))
    return [each["targetGroupArn"] for each in found.get("loadBalancers", ()) if "targetGroupArn" in each]


def _health(region: There, found: Mapping[str, Any]) -> dict[str, tuple[str, str]] | None:
    """State and explanation by target (an address or a machine); None for a service without routes."""
    groups = _groups(region, found)
    if not groups:
        return None
    told = region.client("elbv2").describe_target_health(TargetGroupArn=groups[0])["TargetHealthDescriptions"]
    return {
        each["Target"]["Id"]: (each["TargetHealth"]["State"], each["TargetHealth"].get("Description", ""))
        for each in told
    }


def _tasks(region: There, service: Service, health: Mapping[str, tuple[str, str]] | None) -> list[InstanceJson]:
    ecs = region.client("ecs")
    arns = ecs.list_tasks(cluster=region.app.name, serviceName=service.name)["taskArns"]
    told = ecs.describe_tasks(cluster=region.app.name, tasks=arns)["tasks"] if arns else []
    return [
        _instance(
            region,
            name=task["taskArn"].rsplit("/", 1)[-1],
            release=revision(task["taskDefinitionArn"]),
            state=task["lastStatus"],
            place=task.get("availabilityZone", ""),
            started=task.get("startedAt") or task.get("createdAt"),
            health=health,
            target=_address(task),
            detail=task.get("stoppedReason", ""),
        )
        for task in sorted(told, key=lambda task: str(task["taskArn"]))
    ]


def _address(task: Mapping[str, Any]) -> str:
    details = [detail for each in task.get("attachments", ()) for detail in each.get("details", ())]
    return next((str(each["value"]) for each in details if each["name"] == "privateIPv4Address"), "")


def _machines(
    region: There, group: Mapping[str, Any], health: Mapping[str, tuple[str, str]] | None
) -> list[InstanceJson]:
    names = [each["InstanceId"] for each in group["Instances"]]
    told = region.client("ec2").describe_instances(InstanceIds=names)["Reservations"] if names else []
    launched = {each["InstanceId"]: each["LaunchTime"] for part in told for each in part["Instances"]}
    return [
        _instance(
            region,
            name=each["InstanceId"],
            release=int(each.get("LaunchTemplate", {}).get("Version") or version_of(dict(group))),
            state=each["LifecycleState"],
            place=each["AvailabilityZone"],
            started=launched.get(each["InstanceId"]),
            health=health,
            target=each["InstanceId"],
            detail="",
        )
        for each in sorted(group["Instances"], key=lambda each: str(each["InstanceId"]))
    ]


def _instance(
    region: There,
    *,
    name: str,
    release: int,
    state: str,
    place: str,
    started: datetime | None,
    health: Mapping[str, tuple[str, str]] | None,
    target: str,
    detail: str,
) -> InstanceJson:
    lifecycle = LIFECYCLES.get(state, "terminated")
    judged, why = ("healthy", "") if health is None else health.get(target, ("unused", ""))
    if lifecycle == "in_service" and judged in {"initial", "unused"}:
        lifecycle = "launching"
    return {
        "id": name,
        "release": release,
        "lifecycle": "draining" if judged == "draining" else lifecycle,
        "health": judged,
        "zone": region.zone(place),
        "pid": None,
        "port": FARGATE_PORT if region.on_fargate else EC2_PORT,
        "cpu_percent": None,
        "memory_bytes": None,
        "requests_per_second": None,
        "in_flight": 0,
        "started_at": 0.0 if started is None else started.timestamp(),
        "detail": detail or why,
    }


def _rollout(found: Mapping[str, Any]) -> RolloutJson | None:
    """ECS's deployment under way."""
    deployments = {each["status"]: each for each in found.get("deployments", ())}
    new = deployments.get("PRIMARY")
    if new is None or (len(found["deployments"]) == 1 and new.get("rolloutState", "COMPLETED") == "COMPLETED"):
        return None
    old = deployments.get("ACTIVE")
    phase = "stalled" if new.get("rolloutState") == "FAILED" else "running"
    share = 100.0 * new.get("runningCount", 0) / max(1, new.get("desiredCount", 1))
    return _moving(
        None if old is None else revision(old["taskDefinition"]),
        revision(new["taskDefinition"]),
        phase,
        new["createdAt"],
        share,
        failures=int(new.get("failedTasks", 0)),
        why=new.get("rolloutStateReason", ""),
    )


def _refresh(region: There, service: Service) -> RolloutJson | None:
    """The group's instance refresh under way."""
    scaling = region.client("autoscaling")
    told = scaling.describe_instance_refreshes(AutoScalingGroupName=region.group(service), MaxRecords=1)
    for each in told["InstanceRefreshes"]:
        phases = {
            "Pending": "running",
            "InProgress": "running",
            "Baking": "baking",
            "RollbackInProgress": "rolling_back",
        }
        if each["Status"] in phases:
            wanted = each.get("DesiredConfiguration", {}).get("LaunchTemplate", {}).get("Version", 0)
            share = float(each.get("PercentageComplete", 0))
            why = each.get("StatusReason", "")
            return _moving(None, int(wanted), phases[each["Status"]], each["StartTime"], share, failures=0, why=why)
    return None


def _moving(
    before: int | None, after: int, phase: Any, since: datetime, share: float, *, failures: int, why: str
) -> RolloutJson:
    return {
        "from": before,
        "to": after,
        "phase": phase,
        "started_at": since.timestamp(),
        "percent": share,
        "failures": failures,
        "why": why,
    }
