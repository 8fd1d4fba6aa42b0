"""Listener rules keep their numbers from one deployment to the next, so that a new route never meets an old number."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aws import applications
from aws.conftest import Synth
from flyball.aws.deployment import priorities
from flyball.core.errors import Failed
from flyball.core.model import Application, Condition, Route


def test_nothing_is_deployed_the_files_order_counts():
    assert priorities.numbers({"b": 200, "a": 100}, {}) == {"a": 100, "b": 200}


def test_a_new_rule_comes_in_between_and_the_others_stay():
    wish = {"posts": 100, "tags": 200, "users": 300, "front": 400}
    assert priorities.numbers(wish, {"posts": 100, "users": 200, "front": 300}) == {
        "posts": 100,
        "tags": 150,
        "users": 200,
        "front": 300,
    }


def test_the_number_of_a_rule_that_goes_is_free_after_it_has_gone():
    assert priorities.numbers({"new": 100, "all": 200}, {"old": 100, "all": 200}) == {"new": 101, "all": 200}


def test_a_rule_that_moves_is_the_only_one_that_changes():
    have = {"a": 100, "b": 200, "c": 300}
    assert priorities.numbers({"c": 100, "a": 200, "b": 300}, have) == {"c": 50, "a": 100, "b": 200}


def test_no_number_is_left():
    with pytest.raises(Failed, match="no priority is left between 7 and 8; give the routes around it a `priority`"):
        priorities.numbers({"a": 7, "new": 8, "b": 9}, {"a": 7, "b": 8})


@given(
    st.permutations([f"r{index}" for index in range(8)]),
    st.sets(st.sampled_from([f"r{index}" for index in range(8)])),
    st.permutations([f"r{index}" for index in range(8)]),
)
def test_the_order_is_the_wished_one_and_no_number_changes_hands(
    wished: list[str], deployed: set[str], before: list[str]
):
    wish = {name: (index + 1) * 100 for index, name in enumerate(wished)}
    have = {name: (index + 1) * 100 for index, name in enumerate(name for name in before if name in deployed)}
    found = priorities.numbers(wish, have)
    assert all(found[one] < found[other] for one, other in pairwise(sorted(wish, key=wish.__getitem__)))
    owners = {number: name for name, number in have.items()}
    assert all(owners.get(number, name) == name for name, number in found.items())


def with_tags(app: Application) -> Application:
    """The forum with one more service, whose route is looked at before the last of the others."""
    tags = replace(app.services[0], name="tags", routes=(Route(condition=Condition(path="/api/tags")),))
    return replace(app, services=(*app.services, tags))


def rules(template: dict[str, Any]) -> dict[str, int]:
    return {
        name: each["Properties"]["Priority"]
        for name, each in template["Resources"].items()
        if each["Type"] == priorities.RULE
    }


@pytest.mark.synth
def test_one_more_service_leaves_the_rules_of_the_others_alone(synth: Synth):
    front = Route(condition=Condition(path="/"))
    app = applications.forum()
    first = replace(app.services[0], routes=(*app.services[0].routes, front))
    app = replace(app, services=(first, *app.services[1:]))
    before = synth(app)["forum-us-east-1"].template
    after = priorities.settle(synth(with_tags(app))["forum-us-east-1"].template, before)
    assert rules(before).items() < rules(after).items()
    new = rules(after).keys() - rules(before).keys()
    assert len(new) == 2
    assert all(name.startswith(("RuleApiTags", "InsideRuleApiTags")) for name in new)
    for where in ("Rule", "InsideRule"):
        numbered = [number for name, number in rules(after).items() if name.startswith(where)]
        assert sorted(numbered) == [100, 200, 300, 350, 400]
