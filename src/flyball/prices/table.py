"""What does AWS ask for one unit of something, in which region, and who says so? The table is `prices.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from flyball.core.errors import FileError

TABLE = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for one `unit` on demand. `confirmed`: two people who looked would find it."""

    item: str
    region: str
    service: str
    unit: str
    usd: float
    page: str
    source: str
    date: str
    confirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """The share of the price on demand that an offer saves."""

    share: float
    text: str
    page: str
    confirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What an EC2 machine has."""

    name: str
    vcpus: int
    gib: float


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


def regions() -> tuple[str, ...]:
    """The regions that have prices."""
    return tuple(_table()["regions"])


@cache
def prices(region: str) -> Mapping[str, Price]:
    """Every price of a region, by item. Raises FileError for a region without prices."""
    table = _table()
    rows = table["regions"].get(region)
    if rows is None:
        raise FileError(f"there are no prices for {region}; there are some for: {', '.join(regions())}")
    return {
        item: Price(
            item=item,
            region=region,
            service=table["items"][item]["service"],
            unit=table["items"][item]["unit"],
            usd=row["usd"],
            page=table["items"][item]["page"],
            source=table["sources"][row["source"]]["text"],
            date=table["sources"][row["source"]]["date"],
            confirmed=table["sources"][row["source"]]["confirmed"],
        )
        for item, row in rows.items()
    }


def machines() -> tuple[Machine, ...]:
    """The machines that have prices."""
    items = _table()["items"]
    return tuple(
        Machine(name=item.removeprefix("ec2."), vcpus=row["vcpus"], gib=row["gib"])
        for item, row in items.items()
        if item.startswith("ec2.")
    )


def discount(kind: str, compute: str | None = None) -> Discount:
    """What an offer saves: "savings-plan" or "spot" of a kind of compute, "reserved-nodes"."""
    row = _table()["discounts"][kind]
    if compute is not None:
        row = row[compute]
    confirmed = _table()["sources"][row["source"]]["confirmed"]
    return Discount(share=row["share"], text=row["text"], page=row["page"], confirmed=confirmed)
