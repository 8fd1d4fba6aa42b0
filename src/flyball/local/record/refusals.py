"""What the firewall has matched, added up: all of it for readers, and in bulk as news.

The first request that a rule matches is told at once, what follows once a minute: an attack of a million requests is a
line a minute, not a million.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from flyball.core.control.news import Mishap, MishapKind
from flyball.core.model import Firewall, FirewallAction
from flyball.core.model.firewall import CORE_RULES
from flyball.core.view.shapes import RefusalJson

TELL_EVERY_S = 60.0
SHOWN = 3


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

    def told(self, firewall: Firewall) -> list[RefusalJson]:
        """The sums, as `flyball ps --json` has them."""
        return [
            {"rule": rule, "action": firewall.of_rule(rule), "requests": count}
            for rule, count in sorted(self.total.items())
        ]

    def _news(self, firewall: Firewall, now: float) -> Iterator[Mishap]:
        for group in sorted({_group(rule) for rule in self._untold}):
            if now - self._told_at.get(group, -TELL_EVERY_S) >= TELL_EVERY_S:
                since = f" in {now - self._told_at[group]:.0f} s" if group in self._told_at else ""
                self._told_at[group] = now
                counts = {rule: self._untold.pop(rule) for rule in sorted(self._untold) if _group(rule) == group}
                text = f"firewall, rule {group}: {_requests(counts)} {_done(firewall, group)}{since}{_most(counts)}"
                yield Mishap(kind=MishapKind.FIREWALL, text=text)


def _group(rule: str) -> str:
    """Rules that are told of together: the OWASP Core Rule Set has hundreds."""
    return CORE_RULES if rule.startswith(f"{CORE_RULES}-") else rule


def _requests(counts: Mapping[str, int]) -> str:
    count = sum(counts.values())
    return "1 request" if count == 1 else f"{count} requests"


def _done(firewall: Firewall, rule: str) -> str:
    return "refused" if firewall.of_rule(rule) is FirewallAction.BLOCK else "counted and let through"


def _most(counts: Mapping[str, int]) -> str:
    """The rules of a group that matched most."""
    most = sorted(counts, key=lambda rule: -counts[rule])[:SHOWN]
    shown = [f"{rule.removeprefix(f'{CORE_RULES}-')} {counts[rule]}" for rule in most if rule != _group(rule)]
    more = [f"{len(counts) - SHOWN} more"] if len(counts) > SHOWN else []
    return f" ({', '.join([*shown, *more])})" if shown else ""
