"""The listener's rules in the order they are tried, and what each does.

Rules with a priority come first, lowest number first. The rest follow, most exact first: an exact host, a wildcard
host, no host; then the longer path, a plain path before a pattern of the same length, more headers before fewer, file
order. Routes with equal conditions and equal priority are one rule, which splits its requests by weight. The default,
a 404, comes last and is not listed.

Mirrors an Application Load Balancer, which requires a priority on every rule:
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html#listener-rules
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .application import Application
from .routing import Condition, FixedResponse, Redirect

WILDCARDS = frozenset("*?")
SPACING = 100
HIGHEST = 50_000
"""The highest priority a listener rule can have on AWS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Sends the request to one of `services`, (name, weight) pairs in file order; to none if all weights are 0.

    `queue`: it waits its turn. When services share the rule, each of them must say that it does not.
    """

    services: tuple[tuple[str, int], ...]
    queue: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One listener rule. `priority` is the file's, or the next multiple of 100, which leaves room in between."""

    priority: int
    condition: Condition
    action: Forward | Redirect | FixedResponse


def rules_in_order(app: Application) -> tuple[Rule, ...]:
    """All listener rules in the order they are tried, with distinct, rising priorities.

    The file may not give one priority to two conditions; such rules keep their order here, the second gets the next.
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
    queued: set[tuple[int | None, Condition]] = set()
    for service in app.services:
        for route in service.routes:
            key = (route.priority, _canonical(route.condition))
            shared = shares.setdefault(key, {})
            queued.update([key] if route.queue else [])
            shared[service.name] = shared.get(service.name, 0) + route.weight
    return [(*key, Forward(services=tuple(services.items()), queue=key in queued)) for key, services in shares.items()]


def _answers(app: Application) -> list[_Written]:
    answers: list[Redirect | FixedResponse] = [*app.listener.redirects, *app.listener.fixed_responses]
    return [(answer.priority, _canonical(answer.condition), answer) for answer in answers]


def _canonical(condition: Condition) -> Condition:
    """Makes equivalent conditions equal: `/api/` is `/api`; hosts and header names ignore case."""
    path = condition.path if is_pattern(condition.path) else condition.path.rstrip("/") or "/"
    host = None if condition.host is None else condition.host.lower()
    headers = tuple(sorted((name.lower(), pattern) for name, pattern in condition.headers))
    return replace(condition, path=path, host=host, headers=headers)


def _inexactness(condition: Condition) -> tuple[int, int, int, bool, int]:
    """A sort key that puts the more exact condition first."""
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
