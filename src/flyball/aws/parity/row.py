"""The nouns of the parity table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class World(StrEnum):
    """Where an application can run: this machine, EC2 machines, Fargate tasks."""

    LOCAL = "local"
    EC2 = "ec2"
    FARGATE = "fargate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Honoured:
    """The field has its meaning; `where` says what carries it."""

    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The field has no effect, for this reason; values in `accepted` agree with what happens anyway."""

    reason: str
    accepted: tuple[object, ...] = ()


Verdict = Honoured | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One field of one class of the model."""

    model: str
    field: str
    local: Verdict
    ec2: Verdict
    fargate: Verdict

    def verdict(self, world: World) -> Verdict:
        """What `world` makes of the field."""
        match world:
            case World.LOCAL:
                return self.local
            case World.EC2:
                return self.ec2
            case World.FARGATE:
                return self.fargate


def yes(where: str) -> Honoured:
    """Honoured, by `where`."""
    return Honoured(where=where)


def no(reason: str, *, accepted: tuple[object, ...] = ()) -> Refused:
    """Refused, for `reason`."""
    return Refused(reason=reason, accepted=accepted)


def on_aws(name: str, *, local: Verdict, aws: Verdict) -> Row:
    """A row where EC2 and Fargate agree; `name` is "Class.field"."""
    return by_compute(name, local=local, ec2=aws, fargate=aws)


def by_compute(name: str, *, local: Verdict, ec2: Verdict, fargate: Verdict) -> Row:
    """A row where EC2 and Fargate differ; `name` is "Class.field"."""
    model, field = name.split(".")
    return Row(model=model, field=field, local=local, ec2=ec2, fargate=fargate)
