"""What does one policy want, and what does it start from? The values that policies and the decision share.

Rule: a policy proposes a capacity with its reason; `decide` weighs the proposals. A hold is a refusal with its reason;
`key` names its kind, so that it is said when it begins and not every second.
"""

from __future__ import annotations

from dataclasses import dataclass


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
    cooldown_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A refusal to scale: "scale-in held: cooldown, 12 s left"."""

    key: str
    text: str


Vote = Proposal | Hold
