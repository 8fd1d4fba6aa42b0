"""The `[services.NAME]` and `[defaults]` tables."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, WithJsonSchema

from flyball.core.boundary import is_place
from flyball.core.manifest import units
from flyball.core.model import (
    AUTO,
    Balancing,
    BalancingAlgorithm,
    Capacity,
    Concurrency,
    Egress,
    HealthCheck,
    Queue,
    ScalingShape,
    Service,
    Size,
    Stickiness,
)

from .base import (
    Bytes,
    Duration,
    Lax,
    Line,
    Name,
    Shorthand,
    Table,
    Text,
    between,
    key,
    required,
    span,
    switch,
)
from .deploy import DeployTable
from .routing import PATH_PATTERN, RouteTable, UrlPath
from .scaling import ScaleTable

Count = Annotated[int, Field(ge=0, le=5000)]
MOST_AT_ONCE = 10_000
Threshold = Annotated[int, Field(ge=1, le=10)]
Variable = Annotated[
    str, Text(r"^[A-Za-z_][A-Za-z0-9_]{0,200}$", "be a variable name such as LOG_LEVEL: letters, digits and _")
]
Runtime = Annotated[
    str, Text(r"^(python@[0-9]+\.[0-9]+|node@[0-9]+)$", 'be a language and version such as "python@3.12" or "node@22"')
]
Environment = dict[Variable, Annotated[str, Text(r"^[^\x00]*$", "not contain a null character")]]


def _statuses(value: Any) -> dict[str, object]:
    return {"min": value, "max": value}


class StatusTable(Table):
    """Which statuses count as healthy."""

    min: Annotated[int, Field(ge=100, le=599)] = required("lowest status that counts as healthy")
    max: Annotated[int, Field(ge=100, le=599)] = required("highest status that counts as healthy")
    shorthand: ClassVar[Shorthand | None] = Shorthand(
        kinds=(int,), says="one status such as 200", expand=_statuses, schema={"type": "integer", "minimum": 100}
    )


class HealthTable(Table):
    """When an instance may receive traffic."""

    path: UrlPath | None = key("path to check", to="path")
    every: Annotated[Duration, span("100ms", "300s")] | None = key("time between two checks", to="interval_s")
    timeout: Annotated[Duration, span("100ms", "120s")] | None = key(
        "how long an answer may take, less than `every`", to="timeout_s"
    )
    healthy_after: Threshold | None = key(
        "passed checks until an unhealthy instance is healthy again", to="healthy_threshold"
    )
    unhealthy_after: Threshold | None = key("failed checks until it is unhealthy", to="unhealthy_threshold")
    grace: Annotated[Duration, span("0s", "2h")] | None = key(
        "time after launch when failing checks are ignored", to="grace_s"
    )
    status: StatusTable | None = key("statuses that pass: 200, or { min = 200, max = 299 }")
    model: ClassVar[type | None] = HealthCheck
    shorthand: ClassVar[Shorthand | None] = Shorthand(
        kinds=(str,),
        says='a path such as "/health"',
        expand=lambda value: {"path": value},
        schema={"type": "string", "pattern": PATH_PATTERN},
    )

    def resolve(self) -> HealthCheck:
        """The health check; a default timeout is at most 0.8 of the interval."""
        found = self.given()
        if self.every is not None and self.timeout is None:
            # AWS refuses a timeout that is not below the interval.
            found["timeout_s"] = min(HealthCheck().timeout_s, 0.8 * self.every)
        if self.status is not None:
            found.update(status_min=self.status.min, status_max=self.status.max)
        return HealthCheck(**found)


class SizeTable(Table):
    """What one instance reserves."""

    cpu: Annotated[float, Field(ge=0.01, le=192)] | None = key("CPU cores; 0.25 is a quarter of one", to="cpu")
    memory: Annotated[Bytes, between(4 * 1024**2, 1024**4, lambda held: units.size_text(int(held)))] | None = key(
        "memory limit", to="memory_bytes"
    )
    burst: bool | None = key("whether unused CPU time may be saved up briefly", to="burst")
    model: ClassVar[type | None] = Size

    def resolve(self) -> Size:
        """The size."""
        return Size(**self.given())


class InstancesTable(Table):
    """Bounds of the capacity."""

    min: Count | None = key("fewest instances", to="min")
    max: Annotated[int, Field(ge=1, le=5000)] | None = key("most instances; by default `min`")
    start: Count | None = key("instances to start with; by default `min`", to="desired")
    model: ClassVar[type | None] = Capacity
    shorthand: ClassVar[Shorthand | None] = Shorthand(
        kinds=(int,),
        says="a whole number",
        expand=lambda value: {"min": value, "max": value},
        schema={"type": "integer", "minimum": 1, "maximum": 5000},
    )

    def resolve(self) -> Capacity:
        """The capacity."""
        found = Capacity(**self.given())
        return Capacity(min=found.min, max=self.max or max(1, found.min), desired=found.desired)


def _sticky(value: Any) -> dict[str, object]:
    return {"enabled": value} if isinstance(value, bool) else {"for": value}


class StickyTable(Table):
    """Keeps a visitor on one instance, with a cookie."""

    enabled: bool | None = key("false turns it off; by default true")
    for_: Annotated[Duration, span("1s", "7d")] | None = key("how long, 1s to 7d", alias="for", to="duration_s")
    model: ClassVar[type | None] = Stickiness
    shorthand: ClassVar[Shorthand | None] = Shorthand(
        kinds=(bool, str),
        says='true, false, a duration such as "1h"',
        expand=_sticky,
        schema={"anyOf": [switch().schema, {"type": "string", "pattern": units.DURATION_PATTERN}]},
    )

    def resolve(self) -> Stickiness | None:
        """None when it is off."""
        return None if self.enabled is False else Stickiness(**self.given())


class QueueTable(Table):
    """Where requests wait that an instance has no place for."""

    max: Annotated[int, Field(ge=0, le=60_000)] | None = key("how many may wait; 0 refuses at once", to="most")
    wait: Annotated[Duration, span("100ms", "1h")] | None = key("how long one may wait", to="longest_s")
    model: ClassVar[type | None] = Queue
    shorthand: ClassVar[Shorthand | None] = Shorthand(
        kinds=(int,),
        says="a whole number",
        expand=lambda value: {"max": value},
        schema={"type": "integer", "minimum": 0, "maximum": 60_000},
    )

    def resolve(self) -> Queue:
        """The queue."""
        return Queue(**self.given())


def _concurrency(value: Any) -> Any:
    if value == AUTO or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_AT_ONCE):
        return value
    raise units.NotAUnit(f'must be "auto", or a number from 0 to {MOST_AT_ONCE}, found {units.value_text(value)}')


ConcurrencyValue = Annotated[
    Concurrency,
    BeforeValidator(_concurrency),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0, "maximum": MOST_AT_ONCE}, {"type": "string", "enum": [AUTO]}]}
    ),
]


_PLACES = 'a range such as "10.0.0.0/8", an address with a port such as "10.1.2.3:5432", or "host:5432"'


def _egress(value: Any) -> Any:
    if isinstance(value, bool):
        return value
    if not isinstance(value, list):
        raise units.NotAUnit(f"must be true, false, or a list of {_PLACES}, found {units.value_text(value)}")
    for place in value:
        if isinstance(place, str) and re.fullmatch(r"[\w.-]+\.[A-Za-z][\w-]*(:\d+)?", place):
            told = "cannot list names, as no security group on AWS can: list the addresses, such as"
            raise ValueError(f'{told} "203.0.113.0/24:443", or use true; found {units.value_text(place)}')
        if not (isinstance(place, str) and is_place(place)):
            raise ValueError(f"must list {_PLACES}, found {units.value_text(place)}")
    return value


EgressValue = Annotated[
    bool | list[str],
    BeforeValidator(_egress),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string"}}]}),
]


class EncryptedTable(Table):
    """The program speaks TLS on $PORT itself."""

    enabled: bool | None = key("false turns it off; by default true")
    ca: Line | None = key("file with the authorities (PEM) that vouch for its certificate; by default any will do")
    shorthand: ClassVar[Shorthand | None] = switch()


class SharedTable(Table):
    """The keys that services may share."""

    build: Line | None = key("command run once per release, such as installing dependencies", to="build")
    test: Line | None = key("command that must succeed before a release is rolled out", to="test")
    source: Line | None = key("directory of the source, relative to the file", to="source")
    runtime: Runtime | None = key(
        'on AWS: language and version, such as "node@22"; by default what the source says', to="runtime"
    )
    dockerfile: Line | None = key(
        "on AWS: Dockerfile of the image, relative to `source`; here `run` is started", to="dockerfile"
    )
    env: Environment | None = key("environment variables; PORT and the stores' URLs are added")
    health: HealthTable | None = key("health check: a path, or a table")
    stores: list[Name] | None = key("stores it uses; each is passed as NAME_URL")
    size: SizeTable | None = key("what one instance reserves")
    instances: InstancesTable | None = key("how many instances: a number, or { min, max, start }")
    scale: ScaleTable | None = key("scaling policies")
    deploy: DeployTable | None = key("how a new release replaces the old one")
    sticky: StickyTable | None = key('keep a visitor on one instance: true, "1h", or a table')
    slow_start: Annotated[Duration, span("0s", "900s")] | None = key(
        "how long a new instance's share of requests grows; by default 0s, off"
    )
    balancing: Annotated[BalancingAlgorithm, Lax] | None = key(
        "how the next instance is chosen; by default round_robin"
    )
    concurrency: ConcurrencyValue | None = key(
        'requests that an instance works on at a time; 0 is no limit; by default "auto": as `run` says, or as measured',
        to="concurrency",
    )
    queue: QueueTable | None = key("how many of the others may wait, and how long: a number, or { max, wait }")
    tls: EncryptedTable | None = key("the program speaks TLS on $PORT itself: true, or a table; by default false")
    egress: EgressValue | None = key(
        "behind a closed boundary: where an instance may connect to outside: true, false, or a list of ranges,"
        " addresses with a port, and ports of this machine such as host:5432; by default true"
    )


class DefaultsTable(SharedTable):
    """Keys shared by all services. A service's own keys win; its tables are merged with these key by key."""


# What other tools call it; the sentence says what to write here instead.
ELSEWHERE = {
    "command": "is called `run` here",
    "depends_on": "is not needed: list stores under `stores`; services reach each other at $FLYBALL_URL",
    "env_file": 'is not read: write env = { NAME = "value" }',
    "environment": "is called `env` here",
    "image": "is not used: an instance is a process; write what the image starts as `run`, what it installs as `build` "
    "(`dockerfile` for AWS)",
    "jobs": "do not exist yet: start a timed job with cron, in a service's directory by `flyball exec SERVICE COMMAND`",
    "port": "is not chosen: every instance gets its own as $PORT; visitors use [listener] port",
    "ports": "are not chosen: every instance gets its own as $PORT; visitors use [listener] port",
    "replicas": "is called `instances` here",
    "secrets": "do not exist yet: let the program read a file outside the source, whose path stands in `env`",
    "volumes": 'do not exist: keep files in a store, [stores.files] with kind = "bucket", and list it under `stores`',
}


class ServiceTable(SharedTable):
    """A named group of identical instances."""

    model: ClassVar[type | None] = Service
    unsuited: ClassVar[dict[str, str]] = ELSEWHERE
    run: Line = required(
        "command of one instance, which must listen on $PORT; split like in a shell, but run without one"
    )
    routes: list[RouteTable] | None = key("requests the balancer sends here: paths, or tables")

    def resolve(self, name: str, shape: ScalingShape) -> Service:
        """The service, with every default filled in."""
        scaling = (self.scale or ScaleTable()).resolve(shape)
        balancing = Balancing()
        encrypted = self.tls is not None and self.tls.enabled is not False
        return Service(
            **self.given(),
            name=name,
            run=self.run,
            environment=tuple(sorted((self.env or {}).items())),
            routes=tuple(route.resolve() for route in self.routes or []),
            health=(self.health or HealthTable()).resolve(),
            stores=tuple(self.stores or []),
            size=(self.size or SizeTable()).resolve(),
            capacity=(self.instances or InstancesTable()).resolve(),
            scaling=scaling,
            deployment=(self.deploy or DeployTable()).resolve(scaling.period_s),
            queue=(self.queue or QueueTable()).resolve(),
            egress=_places(self.egress),
            tls=encrypted,
            tls_ca=self.tls.ca if encrypted and self.tls is not None else None,
            balancing=Balancing(
                algorithm=self.balancing or balancing.algorithm,
                slow_start_s=balancing.slow_start_s if self.slow_start is None else self.slow_start,
                stickiness=None if self.sticky is None else self.sticky.resolve(),
            ),
        )


def _places(value: bool | list[str] | None) -> Egress:
    if value is None or isinstance(value, bool):
        return Egress(everywhere=value is not False)
    return Egress(everywhere=False, to=tuple(dict.fromkeys(value)))
