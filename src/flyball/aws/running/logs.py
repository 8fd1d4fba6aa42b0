"""The output of the instances, from CloudWatch: lines with the instance's name and the time, oldest first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from flyball.core.model import Service

from .place import There, pages

POLL_S = 5.0
LATE_S = 30.0
"""How much later than others a line may arrive and yet be followed."""
Line = tuple[str, str, float]
"""Instance, text, seconds."""


def past(regions: Sequence[There], services: Sequence[Service], *, since: float) -> list[Line]:
    """Every line since then."""
    found = [line for region in regions for service in services for _, line in _lines(region, service, since)]
    return sorted(found, key=lambda line: line[2])


def followed(
    regions: Sequence[There],
    services: Sequence[Service],
    *,
    since: float,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Line]:
    """Lines since then, and as they arrive, without an end."""
    seen: dict[str, float] = {}
    newest = since
    while True:
        new = [
            (name, line)
            for region in regions
            for service in services
            for name, line in _lines(region, service, max(since, newest - LATE_S))
            if name not in seen
        ]
        seen = {name: at for name, at in seen.items() if at > newest - 2 * LATE_S}
        for name, line in sorted(new, key=lambda each: each[1][2]):
            seen[name] = line[2]
            newest = max(newest, line[2])
            yield line
        pause(POLL_S)


def _lines(region: There, service: Service, since: float) -> Iterator[tuple[str, Line]]:
    """Every line of a service with its identity in CloudWatch."""
    logs = region.client("logs")
    asked = {"logGroupName": region.log_group(service), "startTime": int(since * 1000)}
    try:
        for event in pages(logs, "filter_log_events", "events", **asked):
            instance = str(event["logStreamName"]).rsplit("/", 1)[-1]
            yield str(event["eventId"]), (instance, str(event["message"]).rstrip("\n"), event["timestamp"] / 1000)
    except logs.exceptions.ResourceNotFoundException:
        region.described(service)  # says that it is not deployed, if it is not
