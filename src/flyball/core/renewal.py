"""When is an issued certificate asked for anew?

Rule: when there is none or it is for other domains, and 30 days before it ends; one that lasts for less than 90 days in
a third of its time. After a failure not before a pause, which begins with two minutes and doubles up to twelve hours:
five tries in the first hour, which is what Let's Encrypt allows.
AWS: ACM renews what it has issued 60 days before the end.
https://letsencrypt.org/docs/rate-limits/ and https://docs.aws.amazon.com/acm/latest/userguide/managed-renewal.html
"""

from __future__ import annotations

from dataclasses import dataclass

BEFORE_END_S = 30 * 86400.0
SHARE = 3
FIRST_PAUSE_S = 120.0
LONGEST_PAUSE_S = 12 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What is known of a certificate: for which domains, from when until when."""

    domains: frozenset[str]
    begins: float
    ends: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """How often asking failed since it last went well, and when the last time was."""

    failures: int = 0
    last_at: float = 0.0

    def failed(self, *, now: float) -> Tries:
        """With one more failure."""
        return Tries(failures=self.failures + 1, last_at=now)

    @property
    def next_at(self) -> float:
        """When to try again."""
        if not self.failures:
            return self.last_at
        return self.last_at + min(FIRST_PAUSE_S * 2.0 ** min(self.failures - 1, 16), LONGEST_PAUSE_S)


def renew_at(issued: Issued) -> float:
    """When a certificate is asked for anew."""
    return issued.ends - min(BEFORE_END_S, (issued.ends - issued.begins) / SHARE)


def due(issued: Issued | None, domains: frozenset[str], tries: Tries, *, now: float) -> bool:
    """Whether a certificate for these domains is to be asked for now. A clock that was set back ends a pause."""
    if issued is not None and issued.domains == domains and now < renew_at(issued):
        return False
    return not tries.failures or now >= tries.next_at or now < tries.last_at
