"""What does an application cost on AWS, line by line, for the time, instances and requests of a use?

Every line is a price times a quantity, so that whoever doubts a figure can follow it. What AWS counts but is not here:
traffic between zones, builds of the pipeline, the trail, DNS, requests to keys, and what a free tier takes away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from flyball.core.errors import FileError
from flyball.core.model import Application, Aws, Compute, Nat, Package, Service, StoreKind
from flyball.core.model.rules import rules_in_order

from .table import Price, discount, prices
from .traffic import Habits, units_per_request

HOURS = 730.0
"""Hours in a month, as AWS counts them."""
GB = 1e9
GIB = 1024**3
DISK_GIB = 20
MACHINE_METRICS = 7
MANAGED_RULES = 3
CACHE_NODE = "cache.t4g.micro"
HOME = "us-east-1"
DEFAULT = Aws(region=HOME, compute=Compute.FARGATE)
"""Where an application without `[aws]` would be."""


class Kind(StrEnum):
    """What a line grows with."""

    FIXED = "fixed"
    INSTANCES = "instances"
    REQUESTS = "requests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What is paid for: `hours` of the application, hours of each service's instances, requests.

    `stored`: bytes in each store.
    """

    hours: float = 1.0
    instance_hours: Mapping[str, float]
    requests: float = 0.0
    stored: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """`quantity` units at `share` of `price`."""

    what: str
    kind: Kind
    price: Price
    quantity: float
    service: str | None = None
    share: float = 1.0

    @property
    def unit_usd(self) -> float:
        """The price of a unit; on spot, its share of that on demand."""
        return self.price.usd * self.share

    @property
    def usd(self) -> float:
        """What it comes to."""
        return self.unit_usd * self.quantity


def place(app: Application) -> Aws:
    """The `[aws]` of the file, with its primary region; or where it would be without one."""
    return replace(app.aws or DEFAULT, region=spread(app)[0])


def spread(app: Application) -> tuple[str, ...]:
    """The regions it is in, the primary one first."""
    return app.region_names or (HOME,)


def home(aws: Aws) -> str:
    """The region whose prices count."""
    return aws.region or HOME


def at_min(app: Application) -> Use:
    """An hour with as few instances as the file allows, and no request."""
    return Use(instance_hours={one.name: float(one.capacity.min) for one in app.services})


def at_max(app: Application) -> Use:
    """An hour with as many instances as the file allows, and no request."""
    return Use(instance_hours={one.name: float(one.capacity.max) for one in app.services})


def total(lines: tuple[Line, ...]) -> float:
    """The sum, in dollars."""
    return sum(line.usd for line in lines)


def floor(app: Application) -> float:
    """Dollars an hour that the application costs when nobody uses it."""
    return total(bill(app, at_min(app)))


def bill(app: Application, use: Use, habits: Habits | None = None) -> tuple[Line, ...]:
    """All lines. The use is that of the first region; the others wait at their minimum for as long.

    Raises FileError for a region or a machine without a price.
    """
    aws = place(app)
    lines = [*_lines(app, aws, home(aws), use, habits or Habits())]
    idle = replace(at_min(app), hours=use.hours, stored=use.stored)
    idle = replace(idle, instance_hours={name: count * use.hours for name, count in idle.instance_hours.items()})
    for region in spread(app)[1:]:
        lines += [replace(one, what=f"{one.what}, {region}") for one in _lines(app, aws, region, idle, Habits())]
    return tuple(line for line in lines if line.quantity > 0)


def _lines(app: Application, aws: Aws, region: str, use: Use, habits: Habits) -> Iterator[Line]:
    known = prices(region)
    for service in app.services:
        yield from _instances(service, aws, known, use)
    yield from _network(app, aws, known, use)
    yield from _watching(app, known, use)
    for store in app.stores:
        yield from _store(app, store.name, known, use, habits)
    yield from _requests(app, aws, known, use, habits)


def instance_usd(service: Service, aws: Aws, region: str | None = None) -> float:
    """Dollars an hour of one instance on demand."""
    use = Use(instance_hours={service.name: 1.0})
    calm = replace(aws, spot_percent=0)
    return sum(line.usd for line in _instances(service, calm, prices(region or home(aws)), use))


def compute_usd(service: Service, aws: Aws) -> float:
    """What of that an offer can make cheaper: not the disk, nor what is measured."""
    known = prices(home(aws))
    return sum(known[item].usd * each for _, item, each in _parts(service, aws, known))


def _instances(service: Service, aws: Aws, known: Mapping[str, Price], use: Use) -> Iterator[Line]:
    hours = use.instance_hours.get(service.name, 0.0)
    above = max(0.0, hours - service.capacity.min * use.hours) * aws.spot_percent / 100
    cheaper = 1.0 - discount("spot", aws.compute.value).share
    for spot, part in ((False, hours - above), (True, above)):
        for what, item, each in _parts(service, aws, known):
            yield Line(
                what=f"{service.name}: {what}{' on spot' if spot else ''}",
                kind=Kind.INSTANCES,
                price=known[item],
                quantity=part * each,
                service=service.name,
                share=cheaper if spot else 1.0,
            )
    if aws.compute is Compute.EC2:
        for what, item, each in (
            ("disks", "ebs.gp3", DISK_GIB / HOURS),
            ("metrics each minute", "cloudwatch.metric", MACHINE_METRICS / HOURS),
        ):
            yield Line(
                what=f"{service.name}: {what}",
                kind=Kind.INSTANCES,
                price=known[item],
                quantity=hours * each,
                service=service.name,
            )


def _parts(service: Service, aws: Aws, known: Mapping[str, Price]) -> Iterator[tuple[str, str, float]]:
    if aws.compute is Compute.FARGATE:
        yield "vCPUs of tasks", "fargate.vcpu", service.size.cpu
        yield "memory of tasks", "fargate.gb", service.size.memory_bytes / GIB
        return
    item = f"ec2.{aws.machine}"
    if item not in known:
        some = sorted(name.removeprefix("ec2.") for name in known if name.startswith("ec2."))
        raise FileError(f"aws.machine: there is no price for {aws.machine}; there are some for: {', '.join(some)}")
    yield f"{aws.machine} machines", item, 1.0


def _network(app: Application, aws: Aws, known: Mapping[str, Price], use: Use) -> Iterator[Line]:
    zones, plan = len(app.zones), aws.network
    gateways = {Nat.ZONE: zones, Nat.ONE: 1, Nat.NONE: 0}[plan.nat]
    inside = len(app.services) > 1 or (app.listener.tls is not None and aws.domain is None)
    images = (
        aws.compute is Compute.FARGATE or aws.package is Package.IMAGE or any(one.dockerfile for one in app.services)
    )
    endpoints = 3 if images else 1
    for what, item, count in (
        ("balancer", "alb.hour", 1),
        ("balancer inside", "alb.hour", int(inside)),
        ("NAT gateways", "nat.hour", gateways),
        ("public addresses of balancer and NAT gateways", "ipv4.hour", zones + gateways),
        ("interface endpoints", "endpoint.hour", endpoints * zones if plan.endpoints else 0),
    ):
        yield Line(what=what, kind=Kind.FIXED, price=known[item], quantity=count * use.hours)
    if plan.nat is Nat.NONE:
        hours = sum(use.instance_hours.values())
        yield Line(what="public addresses of instances", kind=Kind.INSTANCES, price=known["ipv4.hour"], quantity=hours)


def _way_of_logs(aws: Aws, logged: float) -> tuple[str, str, float]:
    if aws.network.endpoints:
        return "logs through the endpoint", "endpoint.gb", logged
    return "logs through NAT gateways", "nat.gb", 0.0 if aws.network.nat is Nat.NONE else logged


def _watching(app: Application, known: Mapping[str, Price], use: Use) -> Iterator[Line]:
    """Alarms, keys and the firewall, which are paid by the month."""
    alarms = sum(
        2 + 2 * len(one.scaling.target_tracking) + len(one.scaling.steps) + len(one.deployment.alarms)
        for one in app.services
    )
    firewall = app.listener.firewall
    core = firewall.core_rules is not None  # counted once among the rules; it is also two of the managed ones
    managed = MANAGED_RULES if firewall.managed else 2 * core
    rules = len(firewall.rules) + managed + (managed > 0 and bool(firewall.uploads))
    caches = sum(1 for store in app.stores if store.kind is StoreKind.REDIS)
    for what, item, count in (
        ("alarms", "cloudwatch.alarm", alarms),
        ("dashboard", "cloudwatch.dashboard", 1),
        ("key", "kms.key", 1),
        ("secrets", "secret", 2 * caches),
        ("firewall", "waf.acl", int(rules > 0)),
        ("rules of the firewall", "waf.rule", rules),
    ):
        yield Line(what=what, kind=Kind.FIXED, price=known[item], quantity=count * use.hours / HOURS)


def _store(app: Application, name: str, known: Mapping[str, Price], use: Use, habits: Habits) -> Iterator[Line]:
    store = app.store(name)
    users = sum(1 for one in app.services if name in one.stores)
    asked = use.requests * users / len(app.services)
    month = use.stored.get(name, 0.0) / GB * use.hours / HOURS
    reads, writes = asked * habits.reads, asked * habits.writes
    rows: tuple[tuple[str, Kind, str, float], ...]
    match store.kind:
        case StoreKind.REDIS:
            rows = (("nodes", Kind.FIXED, f"elasticache.{CACHE_NODE}", (1 + store.replicas) * use.hours),)
        case StoreKind.TABLE:
            rows = (
                ("reads", Kind.REQUESTS, "dynamodb.read", reads / 1e6),
                ("writes", Kind.REQUESTS, "dynamodb.write", writes / 1e6),
                ("data", Kind.FIXED, "dynamodb.stored", month),
            )
        case StoreKind.BUCKET:
            rows = (
                ("reads", Kind.REQUESTS, "s3.get", reads / 1e3),
                ("writes", Kind.REQUESTS, "s3.put", writes / 1e3),
                ("data", Kind.FIXED, "s3.stored", month),
            )
    for what, kind, item, quantity in rows:
        yield Line(what=f"{name}: {what}", kind=kind, price=known[item], quantity=quantity)


def _requests(app: Application, aws: Aws, known: Mapping[str, Price], use: Use, habits: Habits) -> Iterator[Line]:
    units = units_per_request(habits, rules=len(rules_in_order(app)))
    logged = use.requests * habits.log_bytes / GB
    firewall = app.listener.firewall
    for what, item, quantity in (
        ("capacity units of the balancer", "alb.lcu", use.requests * units),
        ("data to visitors", "transfer.gb", use.requests * habits.response_bytes / GB),
        (
            "requests looked at by the firewall",
            "waf.requests",
            use.requests / 1e6 if firewall.managed or firewall.rules else 0.0,
        ),
        ("logs taken in", "logs.gb", logged),
        _way_of_logs(aws, logged),
        ("logs kept", "logs.stored", logged * app.observe.log_retention_days / 30),
    ):
        yield Line(what=what, kind=Kind.REQUESTS, price=known[item], quantity=quantity)
