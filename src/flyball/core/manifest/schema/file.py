"""The whole file."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from flyball.core.manifest import units
from flyball.core.model import Application, Boundary, Compute, Observe, Pipeline, ScalingShape

from .aws import ZONES, AwsTable, NetworkTable, Zones
from .base import Duration, Name, Table, Text, key, laid_over, required, span
from .regions import EdgeTable, RegionTable
from .routing import AnswerTable, ListenerTable
from .services import ELSEWHERE, DefaultsTable, ServiceTable
from .stores import StoreTable

DIALECT = "https://json-schema.org/draft/2020-12/schema"


Branch = Annotated[
    str, Text(r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$", "be a branch name such as main or feature/checkout")
]
Connection = Annotated[
    str,
    Text(
        r"^arn:aws[a-z-]*:code(star-)?connections:.+$",
        "be a connection's ARN such as arn:aws:codeconnections:eu-north-1:123456789012:connection/1a2b3c",
    ),
]
Repository = Annotated[str, Text(r"^[A-Za-z0-9._/-]{1,100}$", "be a repository such as shop or owner/shop")]


class PipelineTable(Table):
    """`git push flyball BRANCH` builds, tests and rolls out."""

    branch: Branch | None = key("branch to roll out", to="branch")
    connection: Connection | None = key(
        "on AWS: ARN of a connection to a source other than CodeCommit", to="connection_arn"
    )
    repository: Repository | None = key(
        'on AWS: repository, such as "owner/name"; by default the application\'s name', to="repository"
    )
    model: ClassVar[type | None] = Pipeline


_ENDPOINT = "be a URL such as http://127.0.0.1:4318"


def _endpoint(value: str) -> str:
    try:
        address = urlsplit(value)
        usable = bool(address.hostname) and address.port != 0
    except ValueError:  # a port beyond 65535
        usable = False
    if not usable:
        raise ValueError(f"must {_ENDPOINT}, found {units.value_text(value)}")
    return value


Endpoint = Annotated[str, Text(r"^https?://[^\s]+$", _ENDPOINT), AfterValidator(_endpoint)]


class ObserveTable(Table):
    """Where traces go, and how long logs are kept."""

    otlp: Endpoint | None = key("OTLP endpoint for traces", to="otlp")
    log_retention: Annotated[Duration, span("1d", "3653d")] | None = key(
        'on AWS: how long logs are kept, in whole days; by default "30d"'
    )
    model: ClassVar[type | None] = Observe

    def resolve(self) -> Observe:
        """The values, with the retention in days."""
        found = self.given()
        if self.log_retention is not None:
            found["log_retention_days"] = int(self.log_retention // 86400)
        return Observe(**found)


class FileTable(Table):
    """An elastic application: what runs, what it needs, how it scales."""

    name: Name = required("name of the application")
    services: Annotated[dict[Name, ServiceTable], Field(min_length=1)] = required("what runs: [services.NAME]")
    stores: dict[Name, StoreTable] | None = key("what it needs: [stores.NAME]")
    defaults: DefaultsTable | None = key("keys shared by all services")
    listener: ListenerTable | None = key("where traffic enters")
    zones: Zones | None = key('availability zones: a number, or a list such as ["a", "b"]; by default 2')
    routes: list[AnswerTable] | None = key("redirects and fixed responses")
    pipeline: PipelineTable | None = key("from push to rollout")
    observe: ObserveTable | None = key("traces and logs")
    regions: dict[Name, RegionTable] | None = key("several copies of the application: [regions.us-east-1]")
    edge: EdgeTable | None = key("how visitors are led to one of the regions")
    network: NetworkTable | None = key("who reaches whom, and address ranges on AWS")
    aws: AwsTable | None = key("where it runs on AWS")
    model: ClassVar[type | None] = Application
    unsuited: ClassVar[dict[str, str]] = ELSEWHERE

    def merged(self) -> dict[str, ServiceTable]:
        """The services, with the defaults merged in."""
        return {name: laid_over(service, self.defaults) for name, service in self.services.items()}

    def resolve(self) -> Application:
        """The model. The file has been checked, so nothing here can fail."""
        zones = tuple(self.zones or (self.aws and self.aws.zones) or ZONES[:2])
        on_machines = self.aws is not None and self.aws.compute is Compute.EC2
        shape = ScalingShape.ASG if on_machines else ScalingShape.ECS
        merged = self.merged()
        return Application(
            name=self.name,
            services=tuple(service.resolve(name, shape) for name, service in merged.items()),
            stores=tuple(store.resolve(name) for name, store in (self.stores or {}).items()),
            listener=(self.listener or ListenerTable()).resolve(self.routes or []),
            zones=zones,
            pipeline=Pipeline(**(self.pipeline or PipelineTable()).given()),
            observe=(self.observe or ObserveTable()).resolve(),
            boundary=self._boundary(),
            regions=tuple(region.resolve(name, merged) for name, region in (self.regions or {}).items()),
            edge=(self.edge or EdgeTable()).resolve(),
            aws=None if self.aws is None else self.aws.resolve(self.network, len(zones)),
        )

    def _boundary(self) -> Boundary:
        tables = (self.network, None if self.aws is None else self.aws.network)
        given = (table.boundary for table in tables if table is not None and table.boundary is not None)
        return next(given, Boundary.OPEN)


def json_schema() -> dict[str, Any]:
    """The file's JSON Schema (draft 2020-12), from the types that validate it."""
    return {"$schema": DIALECT, "title": "flyball.toml", **FileTable.model_json_schema(mode="validation")}
