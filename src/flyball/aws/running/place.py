"""Where the application runs: its regions, the clients for them, and what AWS calls its services there.

A release's number is what AWS counts: the revision of a task definition, or the version of a launch template.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flyball.aws.deployment.account import Account, Clients, identify
from flyball.aws.deployment.parameters import described
from flyball.aws.refresh import template_of
from flyball.core.errors import FileError, NotRunning
from flyball.core.model import Application, Compute, Service
from flyball.core.model.edge import in_region

NOT_THERE = "{name} is not deployed in {region}. Deploy it with: flyball aws deploy"


@dataclass(frozen=True, slots=True, kw_only=True)
class There:
    """One region of the application."""

    app: Application
    region: str
    account: Account

    @property
    def on_fargate(self) -> bool:
        """Whether instances are tasks, not machines."""
        assert self.app.aws is not None
        return self.app.aws.compute is Compute.FARGATE

    def client(self, service: str) -> Any:
        """A client of one of AWS's services."""
        return self.account.clients(service, self.region)

    def group(self, service: Service) -> str:
        """The name of a service's Auto Scaling group, and of its family of task definitions."""
        return f"{self.app.name}-{service.name}"

    def log_group(self, service: Service) -> str:
        """Where the output of its instances is."""
        return f"/flyball/{self.app.name}/{service.name}"

    def service(self, name: str) -> Service:
        """The service of that name. Raises FileError when there is none."""
        for each in self.app.services:
            if each.name == name:
                return each
        names = ", ".join(each.name for each in self.app.services)
        raise FileError(f"there is no service {name!r}; choose from: {names}")

    def described(self, service: Service) -> Mapping[str, Any]:
        """What AWS says of the ECS service or the Auto Scaling group. Raises NotRunning when there is none."""
        found = described(self.app, service, self.region, self.account)
        if found is None:
            raise NotRunning(NOT_THERE.format(name=service.name, region=self.region))
        return found

    def zone(self, place: str) -> str:
        """The file's name of an availability zone: the region's zones and the file's have the same order."""
        places = self.client("ec2").describe_availability_zones()["AvailabilityZones"]
        names: dict[str, str] = dict(
            zip(sorted(each["ZoneName"] for each in places), sorted(self.app.zones), strict=False)
        )
        return names.get(place, place)


def there(app: Application, clients: Clients) -> tuple[There, ...]:
    """Every region of the application. Raises Failed without credentials, FileError without `[aws]`."""
    if app.aws is None:
        raise FileError("aws: missing; the file does not say where it runs on AWS")
    account = identify(clients)
    return tuple(
        There(app=in_region(app, region) if app.regions else app, region=region, account=account)
        for region in app.region_names
    )


def revision(arn: str) -> int:
    """The number of a task definition."""
    return int(arn.rsplit(":", 1)[-1])


def version_of(group: Mapping[str, Any]) -> int:
    """The number of the launch template's version that a group runs."""
    return int(template_of(group)["Version"])


def pages(client: Any, call: str, result: str, **asked: Any) -> Iterator[Any]:
    """All results of a call that comes in pages."""
    for page in client.get_paginator(call).paginate(**asked):
        yield from page[result]
