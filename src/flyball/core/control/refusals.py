"""What did an instance try that the boundary does not let through? It is told, so that it is no mystery.

One reason for each destination of a service, however often it was tried since the last look. On AWS, VPC flow logs say
REJECT: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs.html
"""

from __future__ import annotations

from dataclasses import dataclass

from .reasons import Reason, ReasonKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Connections of a service's instances that were refused: to what, and how many since the last look."""

    service: str
    to: str
    count: int


def told(refusal: Refusal) -> Reason:
    """The sentence for it."""
    often = "" if refusal.count == 1 else f", {refusal.count} times"
    text = f"not let through to {refusal.to}{often}: neither `stores` nor `egress` names it"
    return Reason(kind=ReasonKind.NOT_LET_THROUGH, service=refusal.service, text=text)
