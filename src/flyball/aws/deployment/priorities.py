"""Priorities for listener rules that do not collide with the ones in use.

CloudFormation changes rules one by one, and a load balancer refuses a priority twice: a new rule with the priority of
an old one that has yet to move would roll back the whole update. Only the order of priorities matters, so a rule keeps
the one it has, and a new rule gets a free one between its neighbours.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html#listener-rules
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flyball.core.errors import Failed
from flyball.core.model.rules import HIGHEST, SPACING

RULE = "AWS::ElasticLoadBalancingV2::ListenerRule"


def settle(template: dict[str, Any], deployed: Mapping[str, Any]) -> dict[str, Any]:
    """The template with priorities free of collisions with the deployed one; the order of rules is kept.

    Raises Failed when no priority is left between two rules.
    """
    rules = [each["Properties"] for each in template["Resources"].values() if each["Type"] == RULE]
    for listener in {str(rule["ListenerArn"]): rule["ListenerArn"] for rule in rules}.values():
        wish, have = _priorities(template, listener), _priorities(deployed, listener)
        for name, number in numbers(wish, have).items():
            template["Resources"][name]["Properties"]["Priority"] = number
    return template


def _priorities(template: Mapping[str, Any], listener: Any) -> dict[str, int]:
    rules = {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == RULE}
    return {name: int(rule["Priority"]) for name, rule in rules.items() if rule["ListenerArn"] == listener}


def numbers(wish: Mapping[str, int], have: Mapping[str, int]) -> dict[str, int]:
    """Priorities in the order of `wish`: as many names as possible keep what they `have`, the rest get free ones."""
    order = sorted(wish, key=wish.__getitem__)
    kept = {name: have[name] for name in _rising([name for name in order if name in have], have)}
    found: dict[str, int] = {}
    low = 0
    waiting: list[str] = []
    for name in order:
        if name in kept:
            found |= _between(waiting, low, kept[name], wish, have) | {name: kept[name]}
            low, waiting = kept[name], []
        else:
            waiting.append(name)
    return found | _between(waiting, low, HIGHEST + 1, wish, have)


def _rising(names: Sequence[str], have: Mapping[str, int]) -> list[str]:
    """The longest subsequence of names whose priorities rise."""
    rows: list[list[str]] = []
    for name in names:
        before = [row for row in rows if have[row[-1]] < have[name]]
        rows.append([*max(before, key=len, default=[]), name])
    return max(rows, key=len, default=[])


def _between(
    names: Sequence[str], low: int, high: int, wish: Mapping[str, int], have: Mapping[str, int]
) -> dict[str, int]:
    """Free priorities between `low` and `high`: the wished ones if all fit, else evenly spread."""
    taken = set(have.values())
    wished = {name: wish[name] for name in names}
    if all(low < number < high and number not in taken for number in wished.values()):
        return wished
    free = [number for number in range(low + 1, min(high, low + SPACING * (len(names) + 1))) if number not in taken]
    if len(free) < len(names):
        raise Failed(f"routes: no priority is left between {low} and {high}; give the routes around it a `priority`")
    return {name: free[(index + 1) * len(free) // (len(names) + 1)] for index, name in enumerate(names)}
