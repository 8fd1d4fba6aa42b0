"""The path of a request, column by column: listener, rules, target groups, stores.

This is what the file says, and changes only with it. Instances and their health come with the live state.
"""

from __future__ import annotations

from flyball.core.model import Application, Condition, FixedResponse, Redirect
from flyball.core.model.rules import Forward, Rule, rules_in_order


def topology(app: Application, url: str) -> dict[str, object]:
    """`{"listener", "rules", "groups", "stores"}`; rules in the order of their evaluation, the default last."""
    listener = app.listener
    return {
        "listener": {
            "url": url,
            "tls": listener.tls is not None,
            "idle_timeout_s": listener.idle_timeout_s,
            "firewall": list(listener.firewall.rules),
        },
        "rules": [*(_rule(rule) for rule in rules_in_order(app)), _DEFAULT],
        "groups": [
            {
                "name": service.name,
                "stores": list(service.stores),
                "algorithm": service.balancing.algorithm.value,
                "health": service.health.path,
                "sticky": service.balancing.stickiness is not None,
            }
            for service in app.services
        ],
        "stores": [{"name": store.name, "kind": store.kind.value} for store in app.stores],
    }


_DEFAULT: dict[str, object] = {"priority": None, "when": "everything else", "to": [], "answer": "404"}


def _rule(rule: Rule) -> dict[str, object]:
    to: list[dict[str, object]] = []
    answer = None
    match rule.action:
        case Forward(services=services):
            to = [{"service": name, "weight": weight} for name, weight in services]
        case Redirect() as redirect:
            answer = f"{redirect.status} to {redirect.location}"
        case FixedResponse() as fixed:
            answer = f"{fixed.status} {fixed.body[:60]}".strip()
    return {"priority": rule.priority, "when": _when(rule.condition), "to": to, "answer": answer}


def _when(condition: Condition) -> str:
    parts = [condition.path]
    if condition.host is not None:
        parts.insert(0, condition.host)
    parts += [f"{name}: {pattern}" for name, pattern in condition.headers]
    return "  ".join(parts)
