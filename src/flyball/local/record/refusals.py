"""What the firewall has matched, added up: all of it for readers, and in bulk as news.

The first request that a rule matches is told at once, what follows once a minute: an attack of a million requests is a
line a minute, not a million.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from flyball.core.control.news import Mishap, MishapKind
from flyball.core.model import Firewall, FirewallAction

TELL_EVERY_S = 60.0


@dataclass(slots=True)
class Refusals:
    """`total`: rule -> requests since the control plane started. `counted` is what the balancer had counted last."""

    counted: Mapping[str, int] | None
    total: dict[str, int] = field(default_factory=dict)
    _untold: dict[str, int] = field(default_factory=dict)
    _told_at: dict[str, float] = field(default_factory=dict)

    def add(self, counted: Mapping[str, int], firewall: Firewall, *, now: float) -> tuple[Mishap, ...]:
        """Take what the balancer has counted since it started; what there is to tell."""
        before, self.counted = self.counted, counted
        if before is None:  # it was counted before we came, perhaps for days
            return ()
        for rule, count in counted.items():
            # A balancer that was started again counts from zero.
            more = count - before.get(rule, 0) if count >= before.get(rule, 0) else count
            if more:
                self.total[rule] = self.total.get(rule, 0) + more
                self._untold[rule] = self._untold.get(rule, 0) + more
        return tuple(self._news(firewall, now))

    def _news(self, firewall: Firewall, now: float) -> Iterator[Mishap]:
        for rule, count in sorted(self._untold.items()):
            if now - self._told_at.get(rule, -TELL_EVERY_S) >= TELL_EVERY_S:
                since = f" in {now - self._told_at[rule]:.0f} s" if rule in self._told_at else ""
                self._told_at[rule] = now
                del self._untold[rule]
                requests = "1 request" if count == 1 else f"{count} requests"
                done = "refused" if firewall.of_rule(rule) is FirewallAction.BLOCK else "counted and let through"
                yield Mishap(kind=MishapKind.FIREWALL, text=f"firewall, rule {rule}: {requests} {done}{since}")
