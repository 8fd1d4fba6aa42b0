"""What AWS decided and did, as `flyball events --json` has it: the sentences are AWS's own.

ECS keeps the last hundred events of a service, and Auto Scaling the activities of six weeks.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import cast
from zlib import crc32

from flyball.core.model import Service
from flyball.core.view.shapes import EventJson

from .place import There, pages

POLL_S = 10.0
SENTENCES = (
    (r"has started \d+ tasks", "launched"),
    (r"has stopped \d+ running tasks", "terminated"),
    (r"has begun draining connections", "draining"),
    (r"registered \d+ targets", "in_service"),
    (r"is unhealthy in|failed .*health checks", "unhealthy"),
    (r"rolling back to", "rolled_back"),
    (r"deployment failed", "rollout_failed"),
    (r"deployment completed", "rollout_completed"),
    (r"unable to", "failed"),
)
"""What a sentence of ECS is about; the first that fits. Any other is progress of a rollout."""
CHANGED = re.compile(r"(?:desired capacity|capacity) from (\d+) to (\d+)")
SET = re.compile(r"desired count to (\d+)")


def past(regions: Sequence[There], services: Sequence[Service], *, since: float) -> list[EventJson]:
    """Every event since then, oldest first."""
    found = [event for region in regions for service in services for event in _of_service(region, service)]
    return sorted((event for event in found if event["at"] >= since), key=lambda event: (event["at"], event["id"]))


def followed(
    regions: Sequence[There],
    services: Sequence[Service],
    *,
    since: float,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[EventJson]:
    """Events since then, and as they happen, without an end."""
    seen: set[int] = set()
    while True:
        for event in past(regions, services, since=since):
            if event["id"] not in seen:
                seen.add(event["id"])
                yield event
        pause(POLL_S)


def _of_service(region: There, service: Service) -> Iterator[EventJson]:
    found = region.described(service)
    if region.on_fargate:
        for event in found.get("events", ()):
            yield _event(service, event["id"], event["createdAt"], _kind(event["message"]), event["message"])
        yield from _of_scaling(region, service)
    else:
        yield from _of_group(region, service)


def _kind(sentence: str) -> str:
    return next((kind for pattern, kind in SENTENCES if re.search(pattern, sentence)), "rollout_progress")


def _of_scaling(region: There, service: Service) -> Iterator[EventJson]:
    """Changes of the desired count. An activity tells the new one only; the one before it has the old one."""
    asked = {"ServiceNamespace": "ecs", "ResourceId": f"service/{region.app.name}/{service.name}"}
    scaling = region.client("application-autoscaling")
    told = pages(scaling, "describe_scaling_activities", "ScalingActivities", **asked)
    before: int | None = None
    for each in sorted(told, key=lambda each: each["StartTime"]):
        wanted = SET.search(each["Description"])
        after = int(wanted[1]) if wanted else None
        out = before is None or after is None or after > before
        kind = "scale_out" if out else "scale_in"
        kind = kind if each["StatusCode"] in {"Successful", "Pending", "InProgress"} else "failed"
        reason = f"{each['Description']} {each['Cause']}".strip()
        yield _event(service, each["ActivityId"], each["StartTime"], kind, reason, before=before, after=after)
        before = after if after is not None else before


def _of_group(region: There, service: Service) -> Iterator[EventJson]:
    told = pages(
        region.client("autoscaling"),
        "describe_scaling_activities",
        "Activities",
        AutoScalingGroupName=region.group(service),
    )
    for each in told:
        cause = str(each.get("Cause", ""))
        launched = str(each.get("Description", "")).startswith("Launching")
        kind = "launched" if launched else "terminated"
        kind = "failed" if each["StatusCode"] in {"Failed", "Cancelled"} else kind
        change = CHANGED.search(cause)
        before, after = (int(change[1]), int(change[2])) if change else (None, None)
        if kind != "failed" and before is not None and after is not None and "policy" in cause:
            kind = "scale_out" if after > before else "scale_in"
        reason = f"{each.get('Description', '')}: {cause}"
        yield _event(service, each["ActivityId"], each["StartTime"], kind, reason, before=before, after=after)


def _event(
    service: Service,
    identity: str,
    at: datetime,
    kind: str,
    reason: str,
    *,
    before: int | None = None,
    after: int | None = None,
) -> EventJson:
    instance = re.search(r"\b(i-[0-9a-f]+)|\(task ([0-9a-f]+)\)", reason)
    told = {
        "id": crc32(identity.encode()),
        "at": round(at.timestamp(), 3),
        "service": service.name,
        "kind": kind,
        "from": before,
        "to": after,
        "reason": reason,
        "instance": None if instance is None else instance[1] or instance[2],
        "release": None,
    }
    return cast("EventJson", told)
