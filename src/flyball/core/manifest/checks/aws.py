"""Rules of the region, zones and address ranges."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from flyball.core.manifest.complaints import Path, Unplaced
from flyball.core.manifest.schema import FileTable, NetworkTable
from flyball.core.model import Network


def aws_complaints(file: FileTable) -> Iterator[Unplaced]:
    """Complaints about `[aws]`, `[network]` and `zones`."""
    if file.aws is None:
        for key in sorted(set() if file.network is None else file.network.model_fields_set - {"boundary"}):
            yield Unplaced(path=("network", key), message="is only used on AWS", hint="add [aws]", on_key=True)
        return
    if file.aws.region is None and not file.regions:
        yield Unplaced(path=("aws",), message="`region` is missing", hint='such as region = "eu-north-1"', on_key=True)
    if file.zones is not None and file.aws.zones not in (None, file.zones):
        yield Unplaced(path=("aws", "zones"), message="differs from `zones` at the top")
    if file.network is not None and file.aws.network is not None:
        yield Unplaced(path=("aws", "network"), message="is also given as [network]", on_key=True)
    zones = len(file.zones or file.aws.zones or "ab")
    if file.aws.network is not None:
        yield from _network(("aws", "network"), file.aws.network, zones)
    elif file.network is not None:
        yield from _network(("network",), file.network, zones)


def _network(at: Path, network: NetworkTable, zones: int) -> Iterator[Unplaced]:
    cidr = network.cidr or Network().cidr
    if IPv4Network(cidr).prefixlen > 24 and not (network.public_subnets and network.private_subnets):
        yield Unplaced(
            path=(*at, "cidr"), message=f"{cidr} is too small to divide into subnets", hint="use a /16 to /24"
        )
    taken: list[IPv4Network] = []
    for key in ("public_subnets", "private_subnets"):
        written: list[str] | None = getattr(network, key)
        if written is not None and len(written) != zones:
            yield Unplaced(
                path=(*at, key), message=f"must have one range per zone, {zones} in all, found {len(written)}"
            )
        for index, text in enumerate(written or []):
            subnet = IPv4Network(text)
            if not subnet.subnet_of(IPv4Network(cidr)):
                yield Unplaced(path=(*at, key, index), message=f"{text} is not within {cidr}", also=((*at, "cidr"),))
            if any(subnet.overlaps(other) for other in taken):
                yield Unplaced(path=(*at, key, index), message=f"{text} overlaps another subnet")
            taken.append(subnet)
