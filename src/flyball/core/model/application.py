"""The whole file, resolved, with every default filled in."""

from __future__ import annotations

from dataclasses import dataclass

from .concurrency import AUTO, Concurrency, Queue, believed
from .health import HealthCheck
from .network import Aws, Boundary, Egress
from .regions import Edge, Region
from .rollout import Deployment
from .routing import Balancing, Listener, Route
from .scaling import Capacity, Scaling
from .size import Size
from .stores import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A named group of identical instances.

    `build`, `test` and `run` are command lines; `source` is relative to the file. `environment` has the file's
    variables, sorted by name; PORT and the stores' URLs are added at launch. `concurrency` is how many requests an
    instance works on at a time, `queue` where the others wait. `egress` is where it may connect to outside. `runtime`,
    such as node@22, and `dockerfile`, which is relative to the source, are what it runs on at AWS. `tls`: it speaks
    TLS itself, with whatever certificate, or with one that the authorities in the file `tls_ca` vouch for.
    """

    name: str
    run: str
    build: str | None = None
    test: str | None = None
    source: str = "."
    runtime: str | None = None
    dockerfile: str | None = None
    environment: tuple[tuple[str, str], ...] = ()
    routes: tuple[Route, ...] = ()
    health: HealthCheck = HealthCheck()
    stores: tuple[str, ...] = ()
    size: Size = Size()
    capacity: Capacity = Capacity()
    scaling: Scaling = Scaling()
    deployment: Deployment = Deployment()
    balancing: Balancing = Balancing()
    concurrency: Concurrency = AUTO
    queue: Queue = Queue()
    egress: Egress = Egress()
    tls: bool = False
    tls_ca: str | None = None

    @property
    def places(self) -> int | None:
        """How many requests an instance works on at a time, as far as it is written; None without a limit."""
        if self.concurrency == AUTO:
            return believed(self.run, self.environment)
        return self.concurrency or None

    @property
    def adapts(self) -> bool:
        """Whether that number is found out while the service runs: the file leaves it open, and so does the command."""
        return self.concurrency == AUTO and self.places is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """`git push flyball <branch>` builds, tests and rolls out.

    `connection_arn` and `repository` are the source on AWS, if it is not CodeCommit.
    """

    branch: str = "main"
    connection_arn: str | None = None
    repository: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """Traces go to the OTLP endpoint `otlp`, if any. AWS keeps logs for `log_retention_days`."""

    otlp: str | None = None
    log_retention_days: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """The whole file. Services and stores are in file order; names are unique. `zones` are labels such as "a", "b".

    `region` is which of the `regions` this is, once `in_region` made it; None for the whole and without regions.
    """

    name: str
    services: tuple[Service, ...]
    stores: tuple[Store, ...] = ()
    listener: Listener = Listener()
    zones: tuple[str, ...] = ("a", "b")
    pipeline: Pipeline = Pipeline()
    observe: Observe = Observe()
    boundary: Boundary = Boundary.OPEN
    regions: tuple[Region, ...] = ()
    edge: Edge = Edge()
    region: str | None = None
    aws: Aws | None = None

    def service(self, name: str) -> Service:
        """The service with that name. Raises KeyError if there is none."""
        return {service.name: service for service in self.services}[name]

    def store(self, name: str) -> Store:
        """The store with that name. Raises KeyError if there is none."""
        return {store.name: store for store in self.stores}[name]

    @property
    def region_names(self) -> tuple[str, ...]:
        """Every region, the primary one first: the one that `[aws]` names, else the first of the file."""
        primary = None if self.aws is None else self.aws.region
        names = [one.name for one in self.regions]
        if primary is None:
            return tuple(names)
        return (primary, *(name for name in names if name != primary))
