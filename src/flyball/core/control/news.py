"""What befell that which serves the instances: stores, the balancer, the journal.

Rule: each is shown once and told to all services; nothing is decided from it.
AWS: none; there these are services of their own, with events of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSeen:
    """A store that died, and what became of it: `problem` is why it does not start again, "" when it did.

    `last_words` is the last line of its log. `hung`: it ran without an answer, and was ended. Each is shown once.
    """

    name: str
    hung: bool = False
    problem: str = ""
    last_words: str = ""


class MishapKind(StrEnum):
    """What may befall a part that serves the instances; each is told as the reason of the same name."""

    BALANCER_RESTARTED = "balancer_restarted"
    BALANCER_FAILED = "balancer_failed"
    BALANCER_TOOK_OVER = "balancer_took_over"
    JOURNAL_SET_ASIDE = "journal_set_aside"
    DISK = "disk"
    FIREWALL = "firewall"
    NOT_LET_THROUGH = "not_let_through"
    CERTIFICATE = "certificate"
    CERTIFICATE_REFUSED = "certificate_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mishap:
    """What happened to a part of the machine, or what firewall or boundary (with the `service`) refused. Shown once."""

    kind: MishapKind
    text: str
    service: str = ""
