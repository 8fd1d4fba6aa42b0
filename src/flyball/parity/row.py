"""The nouns of the parity table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class World(StrEnum):
    """Where an application can run; the columns of the table, in order."""

    LOCAL = "local"
    SIMULATED = "simulated"
    EC2 = "ec2"
    FARGATE = "fargate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Honoured:
    """The field takes effect; `where` says through what, or how far if only `roughly`."""

    where: str
    roughly: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The field has no effect, for this reason; values in `accepted` match what happens anyway."""

    reason: str
    accepted: tuple[object, ...] = ()


Verdict = Honoured | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One field of one model class, with a verdict for every world."""

    model: str
    field: str
    verdicts: Mapping[World, Verdict]


def yes(where: str) -> Honoured:
    """Honoured, through `where`."""
    return Honoured(where=where)


def roughly(how: str) -> Honoured:
    """Honoured so far: `how`."""
    return Honoured(where=how, roughly=True)


def no(reason: str, *, accepted: tuple[object, ...] = ()) -> Refused:
    """Refused, for `reason`."""
    return Refused(reason=reason, accepted=accepted)


def on_aws(name: str, local: Verdict, aws: Verdict) -> Row:
    """A row where EC2 and Fargate agree; `name` is "Class.field"."""
    return by_compute(name, local, aws, aws)


def by_compute(name: str, local: Verdict, ec2: Verdict, fargate: Verdict) -> Row:
    """A row where EC2 and Fargate differ; `name` is "Class.field"."""
    model, field = name.split(".")
    return Row(model=model, field=field, verdicts={World.LOCAL: local, World.EC2: ec2, World.FARGATE: fargate})


PARTS = yes("see its fields below")
"""A table of its own: each of its fields has a row."""
LOOP = yes("the control loop")
NO_QUEUE = "an Application Load Balancer has no queue: let the program refuse with 503 what it cannot take"
