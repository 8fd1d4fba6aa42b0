"""The network boundary and the place on AWS. The seeds' VPC: 10.0.0.0/16, two zones, public and private subnets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Compute(StrEnum):
    """What runs instances on AWS: an Auto Scaling group of EC2 machines, or ECS on Fargate."""

    EC2 = "ec2"
    FARGATE = "fargate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Address ranges on AWS: subnets in the order of the zones."""

    cidr: str = "10.0.0.0/16"
    public_subnets: tuple[str, ...] = ("10.0.0.0/24", "10.0.1.0/24")
    private_subnets: tuple[str, ...] = ("10.0.100.0/24", "10.0.101.0/24")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aws:
    """Where and on what the application runs on AWS. `regions` beyond the first make a multi-region application."""

    regions: tuple[str, ...]
    compute: Compute = Compute.FARGATE
    machine: str = "t3.micro"
    domain: str | None = None
    spot_percent: int = 0
    monthly_budget_usd: float | None = None
    alarm_email: str | None = None
    network: Network = Network()
