"""The network, and the place on AWS. The defaults are the seeds': 10.0.0.0/16, a subnet pair in each of two zones."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Compute(StrEnum):
    """What runs instances on AWS: EC2 machines in an Auto Scaling group, or ECS on Fargate."""

    EC2 = "ec2"
    FARGATE = "fargate"


class Package(StrEnum):
    """What a release is on EC2: an archive of the source that each machine builds, or an image that Docker runs there.

    A service with a Dockerfile is always an image; so is every task of Fargate.
    """

    ARCHIVE = "archive"
    IMAGE = "image"


class Boundary(StrEnum):
    """Whether instances and stores are reachable only along the paths that the file declares."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """Where instances may connect to outside: `everywhere`, or only `to` "10.0.0.0/8", "10.1.2.3:5432", "host:5432"."""

    everywhere: bool = True
    to: tuple[str, ...] = ()


class Nat(StrEnum):
    """How instances reach the internet on AWS: through a NAT gateway in each zone, through one, or without any.

    Without one they are in the public subnets, with addresses of their own and closed to everything but the balancer.
    """

    ZONE = "zone"
    ONE = "one"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Address ranges on AWS, subnets in zone order, and the ways out.

    With `endpoints`, images and logs go through interface endpoints, paid by the hour, not NAT gateways.
    `flow_log` is a record of who talked to whom.
    """

    cidr: str = "10.0.0.0/16"
    public_subnets: tuple[str, ...] = ("10.0.0.0/24", "10.0.1.0/24")
    private_subnets: tuple[str, ...] = ("10.0.100.0/24", "10.0.101.0/24")
    nat: Nat = Nat.ZONE
    endpoints: bool = False
    flow_log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Aws:
    """Where and on what the application runs on AWS. With regions, `region` is the primary one; None: the first.

    `domain` is a name in one of the account's hosted zones; without TLS it is served over plain HTTP. `trail`
    records every call to the account's API. `health_interval_s`: how often the balancer checks there, if not as here.
    """

    region: str | None = None
    compute: Compute = Compute.FARGATE
    machine: str = "t3.micro"
    package: Package = Package.ARCHIVE
    domain: str | None = None
    spot_percent: int = 0
    monthly_budget_usd: float | None = None
    alarm_email: str | None = None
    trail: bool = True
    health_interval_s: float | None = None
    network: Network = Network()
