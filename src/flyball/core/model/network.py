"""The network, and the place on AWS. The defaults are the seeds': 10.0.0.0/16, a subnet pair in each of two zones."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Compute(StrEnum):
    """What runs instances on AWS: EC2 machines in an Auto Scaling group, or ECS on Fargate."""

    EC2 = "ec2"
    FARGATE = "fargate"


class RegionRouting(StrEnum):
    """How Route 53 chooses a region: the nearest, or the first while it is healthy."""

    LATENCY = "latency"
    FAILOVER = "failover"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Address ranges on AWS; subnets in zone order."""

    cidr: str = "10.0.0.0/16"
    public_subnets: tuple[str, ...] = ("10.0.0.0/24", "10.0.1.0/24")
    private_subnets: tuple[str, ...] = ("10.0.100.0/24", "10.0.101.0/24")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aws:
    """Where and on what the application runs on AWS. The first of `regions` is the primary one.

    `domain` is a name in one of the account's hosted zones; without TLS it is served over plain HTTP. `trail`
    records every call to the account's API.
    """

    regions: tuple[str, ...]
    compute: Compute = Compute.FARGATE
    machine: str = "t3.micro"
    domain: str | None = None
    routing: RegionRouting = RegionRouting.LATENCY
    spot_percent: int = 0
    monthly_budget_usd: float | None = None
    alarm_email: str | None = None
    trail: bool = True
    network: Network = Network()
