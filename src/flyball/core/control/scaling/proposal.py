"""What does one policy want, and what does it start from? The values that policies and the decision share.

Rule: a policy proposes a capacity with its reason, in a ballot; `decide` weighs the ballots. A hold is a refusal with
its reason; `key` names its kind, so that it is said when it begins and not every second.
"""

from __future__ import annotations

from dataclasses import dataclass

from flyball.core.control.memory import Memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Where a policy starts from. `running`: in service and not warming. `warming`: some instance still is."""

    desired: int
    running: int
    warming: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A capacity one policy asks for; `cooldown_s` runs for its direction when it is carried out."""

    desired: int
    text: str
    cooldown_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A refusal to scale: "scale-in held: cooldown, 12 s left"."""

    key: str
    text: str


Vote = Proposal | Hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """Below this capacity nothing may go, whoever asks; `why` in one sentence."""

    capacity: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """All that one policy says at one datapoint: votes to scale out, votes to scale in, its floor, what it tells.

    `memory` is what all policies remember from now on, with this policy's part; None when that has not changed.
    """

    out: tuple[Vote, ...] = ()
    into: tuple[Vote, ...] = ()
    floor: Floor | None = None
    told: tuple[Hold, ...] = ()
    memory: Memory | None = None


def wanting(wanted: int, text: str, counts: Counts, memory: Memory | None = None) -> Ballot:
    """The ballot of a policy that wants exactly this capacity: out to it, in to it, and nothing below it."""
    floor = Floor(capacity=wanted, why=text)
    vote = (Proposal(desired=wanted, text=text),)
    if wanted > counts.desired:
        return Ballot(out=vote, floor=floor, memory=memory)
    return Ballot(into=vote if wanted < counts.desired else (), floor=floor, memory=memory)
