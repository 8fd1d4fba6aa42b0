"""The `[aws]` and `[network]` tables: where and on what the application runs on AWS."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from flyball.core.manifest import units
from flyball.core.model import Aws, Boundary, Compute, Nat, Network, Package

from .base import Duration, Lax, Table, Text, WholeShare, key, span

ZONES = ("a", "b", "c", "d", "e", "f")


def _labels(value: Any) -> Any:
    """The first three labels for 3; a list of labels as it is."""
    if type(value) is int and 1 <= value <= len(ZONES):
        return list(ZONES[:value])
    if not isinstance(value, list):
        raise units.NotAUnit(
            f'must be a number from 1 to 6 or a list such as ["a", "b"], found {units.value_text(value)}'
        )
    unknown = [zone for zone in value if zone not in ZONES]
    if unknown or not value:
        raise ValueError(
            f"unknown zone {units.value_text(unknown[0])}, zones are a to f" if unknown else "needs one zone"
        )
    if len(set(value)) < len(value):
        raise ValueError("names a zone twice")
    return value


def _range(value: str) -> str:
    try:
        found = ipaddress.IPv4Network(value)
    except ValueError:
        raise ValueError(f'must be an address range such as "10.0.0.0/16", found {value!r}') from None
    if not 16 <= found.prefixlen <= 28:
        raise ValueError(f"must be /16 to /28, as AWS allows, found /{found.prefixlen}")
    return value


Zones = Annotated[
    list[str],
    BeforeValidator(_labels),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": len(ZONES)},
                {"type": "array", "items": {"type": "string", "enum": list(ZONES)}, "minItems": 1, "uniqueItems": True},
            ]
        }
    ),
]
AddressRange = Annotated[str, AfterValidator(_range)]
Region = Annotated[str, Text(r"^[a-z]{2}(-[a-z]+){1,3}-[0-9]$", "be an AWS region such as eu-north-1")]
Machine = Annotated[str, Text(r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$", "be a machine type such as t3.micro")]
Domain = Annotated[
    str,
    Field(max_length=253),
    Text(r"^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$", "be a domain name in lower case such as shop.example.com"),
]
Email = Annotated[
    str, Field(max_length=254), Text(r"^[^@\s]+@[^@\s]+\.[^@\s]+$", "be an email address such as ops@example.com")
]


class NetworkTable(Table):
    """Who reaches whom, and address ranges on AWS."""

    boundary: Annotated[Boundary, Lax] | None = key(
        'closed: instances and stores are reached only along the paths that the file declares; by default "open"'
    )
    cidr: AddressRange | None = key("range of the VPC, /16 to /24 unless the subnets are given", to="cidr")
    public_subnets: list[AddressRange] | None = key("one range per zone, for the load balancer")
    private_subnets: list[AddressRange] | None = key("one range per zone, for instances and stores")
    nat: Annotated[Nat, Lax] | None = key(
        'how instances reach the internet: a NAT gateway in each "zone", "one", or "none", which is the cheapest: '
        "addresses of their own, closed to all but the balancer",
        to="nat",
    )
    endpoints: bool | None = key(
        "interface endpoints for images and logs: cheaper than NAT gateways above about a terabyte a month",
        to="endpoints",
    )
    flow_log: bool | None = key("a record of who talked to whom in the network", to="flow_log")
    model: ClassVar[type | None] = Network

    def resolve(self, zones: int) -> Network:
        """The network with one public and one private subnet per zone."""
        cidr = self.cidr or Network().cidr
        return Network(
            **{**self.given(), "cidr": cidr},
            public_subnets=tuple(self.public_subnets or subnets(cidr, zones, public=True)),
            private_subnets=tuple(self.private_subnets or subnets(cidr, zones, public=False)),
        )


def subnets(cidr: str, zones: int, *, public: bool) -> list[str]:
    """Subnets of the VPC's range. A /16 gives the seeds' 10.0.0.0/24, 10.0.1.0/24 and 10.0.100.0/24, 10.0.101.0/24.

    A range smaller than a /20 is divided into 16 parts, the upper eight private.
    """
    whole = ipaddress.IPv4Network(cidr)
    bits, private = (8, 100) if whole.prefixlen <= 20 else (4, 8)
    first = int(whole.network_address)
    length = 2 ** (32 - whole.prefixlen - bits)
    start = 0 if public else private
    return [
        f"{ipaddress.IPv4Address(first + (start + index) * length)}/{whole.prefixlen + bits}" for index in range(zones)
    ]


class AwsTable(Table):
    """Where and on what the application runs on AWS."""

    region: Region | None = key('the region, such as "eu-north-1"; of several, the primary one', to="region")
    compute: Annotated[Compute, Lax] | None = key("ec2: an Auto Scaling group; fargate: ECS", to="compute")
    machine: Machine | None = key("type of the EC2 machines", to="machine")
    package: Annotated[Package, Lax] | None = key(
        "what a release is on EC2: an archive of the source, or an image in ECR; a Dockerfile is always an image",
        to="package",
    )
    domain: Domain | None = key("domain name of the application, with a zone in Route 53", to="domain")
    spot: WholeShare | None = key("share of instances on spot capacity", to="spot_percent")
    budget: Annotated[float, Field(gt=0, le=1e9)] | None = key(
        "US dollars per month; AWS warns when they are spent", to="monthly_budget_usd"
    )
    email: Email | None = key("who gets alarms", to="alarm_email")
    trail: bool | None = key("a record of every call to the account's API", to="trail")
    health_every: Annotated[Duration, span("5s", "5m")] | None = key(
        "how often the balancer checks an instance there, if not `health.every` of the service", to="health_interval_s"
    )
    zones: Zones | None = key("the same as `zones` at the top")
    network: NetworkTable | None = key("the same as `[network]`")
    model: ClassVar[type | None] = Aws
    unsuited: ClassVar[dict[str, str]] = {
        "regions": "are tables of their own, for both worlds: write [regions.us-east-1] and [regions.eu-west-1]",
        "routing": 'is in [edge], for both worlds: write [edge] routing = "latency"',
        "waf": "is `managed` under [listener.firewall]",
    }

    def resolve(self, network: NetworkTable | None, zones: int) -> Aws:
        """The place, with its network."""
        ranges = (self.network or network or NetworkTable()).resolve(zones)
        return Aws(**self.given(), network=ranges)
