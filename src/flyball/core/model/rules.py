"""In which order are the listener's rules looked at, and what does each do?

A rule with a priority comes before every rule without one, the lowest number first. Rules without a number follow,
the more exact first: an exact host before a wildcard host before none, then the longer path, a plain path before a
pattern of the same length, more headers before fewer, then as written. Routes with equal conditions and equal
priority are one rule that shares its requests by weight. The default (answer 404) comes last and is not listed.

Mirrors an Application Load Balancer, which demands a number on every rule:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html#listener-rules
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .application import Application
from .routing import Condition, FixedResponse, Redirect

WILDCARDS = frozenset("*?")
SPACING = 100
HIGHEST = 50_000
"""The highest number a listener rule can have on AWS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Send the request to one of `services`: (name, weight) pairs as written in the file. All weights 0: nobody."""

    services: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One listener rule. `priority` is the number in the file, or the next hundred: others fit in between."""

    priority: int
    condition: Condition
    action: Forward | Redirect | FixedResponse


def rules_in_order(app: Application) -> tuple[Rule, ...]:
    """All rules of the listener, in the order in which they are looked at; their priorities are distinct and rise.

    Two rules with one number but different conditions are a mistake in the file; here they stay in the order written
    and the second gets the next free number.
    """
    written = [*_forwards(app), *_answers(app)]
    numbered = sorted((rule for rule in written if rule[0] is not None), key=lambda rule: rule[0] or 0)
    unnumbered = sorted((rule for rule in written if rule[0] is None), key=lambda rule: _inexactness(rule[1]))
    rules: list[Rule] = []
    last = 0
    for priority, condition, action in [*numbered, *unnumbered]:
        last = max(last + 1, _next(last) if priority is None else priority)
        rules.append(Rule(priority=last, condition=condition, action=action))
    return tuple(rules)


def _next(last: int) -> int:
    hundred = (last // SPACING + 1) * SPACING
    return hundred if hundred <= HIGHEST else last + 1


def is_pattern(text: str) -> bool:
    """Whether the text has AWS's wildcards: `*` (any characters) or `?` (exactly one)."""
    return not WILDCARDS.isdisjoint(text)


_Written = tuple[int | None, Condition, Forward | Redirect | FixedResponse]


def _forwards(app: Application) -> list[_Written]:
    shares: dict[tuple[int | None, Condition], dict[str, int]] = {}
    for service in app.services:
        for route in service.routes:
            shared = shares.setdefault((route.priority, _canonical(route.condition)), {})
            shared[service.name] = shared.get(service.name, 0) + route.weight
    return [
        (priority, condition, Forward(services=tuple(services.items())))
        for (priority, condition), services in shares.items()
    ]


def _answers(app: Application) -> list[_Written]:
    answers: list[Redirect | FixedResponse] = [*app.listener.redirects, *app.listener.fixed_responses]
    return [(answer.priority, _canonical(answer.condition), answer) for answer in answers]


def _canonical(condition: Condition) -> Condition:
    """Equal conditions become equal values: `/api/` means `/api`, hosts and header names have no case."""
    path = condition.path if is_pattern(condition.path) else condition.path.rstrip("/") or "/"
    host = None if condition.host is None else condition.host.lower()
    headers = tuple(sorted((name.lower(), pattern) for name, pattern in condition.headers))
    return replace(condition, path=path, host=host, headers=headers)


def _inexactness(condition: Condition) -> tuple[int, int, int, bool, int]:
    """Sorts the more exact condition first."""
    host = condition.host
    kind_of_host = 2 if host is None else int(is_pattern(host))
    return (
        kind_of_host,
        -_literal(host or ""),
        -_literal(condition.path),
        is_pattern(condition.path),
        -len(condition.headers),
    )


def _literal(text: str) -> int:
    return sum(character not in WILDCARDS for character in text)
