"""Which numbers do listener rules get, beside those that are in use?

CloudFormation changes rules one after the other, and a load balancer takes no number twice: a new rule with the number
of an old one that is still to move would undo the whole update. A number only says which rule comes first, so a rule
keeps the one it has, and a new rule gets a free one between its neighbours.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-listeners.html#listener-rules
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flyball.core.errors import Failed
from flyball.core.model.rules import HIGHEST, SPACING

RULE = "AWS::ElasticLoadBalancingV2::ListenerRule"


def settle(template: dict[str, Any], deployed: Mapping[str, Any]) -> dict[str, Any]:
    """The template with numbers that no rule of the deployed one is in the way of; the order of the rules stays.

    Raises Failed when no number is left between two rules.
    """
    rules = _rules(template)
    wish = {name: int(rule["Priority"]) for name, rule in rules.items()}
    listeners = [rule["ListenerArn"] for rule in rules.values()]
    have = {name: int(rule["Priority"]) for name, rule in _rules(deployed).items() if rule["ListenerArn"] in listeners}
    for name, number in numbers(wish, have).items():
        rules[name]["Priority"] = number
    return template


def _rules(template: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == RULE}


def numbers(wish: Mapping[str, int], have: Mapping[str, int]) -> dict[str, int]:
    """Numbers in the order of `wish`: as many names as possible keep what they `have`, others take what nobody has."""
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
    """The longest row of names, in their order, whose numbers rise."""
    rows: list[list[str]] = []
    for name in names:
        before = [row for row in rows if have[row[-1]] < have[name]]
        rows.append([*max(before, key=len, default=[]), name])
    return max(rows, key=len, default=[])


def _between(
    names: Sequence[str], low: int, high: int, wish: Mapping[str, int], have: Mapping[str, int]
) -> dict[str, int]:
    """Free numbers above `low` and below `high`: those that are wished where all of them fit, else spread evenly."""
    taken = set(have.values())
    wished = {name: wish[name] for name in names}
    if all(low < number < high and number not in taken for number in wished.values()):
        return wished
    free = [number for number in range(low + 1, min(high, low + SPACING * (len(names) + 1))) if number not in taken]
    if len(free) < len(names):
        raise Failed(f"routes: no number is left between {low} and {high}; give the routes around it a `priority`")
    return {name: free[(index + 1) * len(free) // (len(names) + 1)] for index, name in enumerate(names)}
