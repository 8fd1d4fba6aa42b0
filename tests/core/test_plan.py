"""What a changed file means for the application that runs: each difference, and what it takes."""

from __future__ import annotations

import pytest

from flyball.core import plan
from flyball.core.errors import FileError
from flyball.core.manifest import parse

FILE = 'name = "shop"\n[services.web]\nrun = "python3 server.py"\nroutes = ["/"]\n'


@pytest.mark.parametrize(
    ("more", "text", "effect"),
    [
        ('env = { A = "1" }\n', "services.web.env.A: none -> 1", plan.Effect.RELEASE),
        ("size = { cpu = 1 }\n", "services.web.size.cpu: 0.25 -> 1.0", plan.Effect.RELEASE),
        ("instances = 3\n", "services.web.instances.min: 1 -> 3", plan.Effect.AT_ONCE),
        ('test = "true"\n', "services.web.test: none -> true", plan.Effect.NEXT_PUSH),
        ("[services.more]\nrun = 'x'\n", "services.more: none -> there", plan.Effect.RELEASE),
        ('[stores.cache]\nkind = "redis"\n', "stores.cache: none -> there", plan.Effect.AT_ONCE),
        ('[pipeline]\nbranch = "live"\n', "pipeline.branch: main -> live", plan.Effect.NEXT_PUSH),
    ],
)
def test_every_difference_is_told_with_what_it_takes(more: str, text: str, effect: plan.Effect) -> None:
    found = {one.text: one.effect for one in plan.changes(parse(FILE), parse(FILE + more))}
    assert found[text] is effect


def test_a_port_cannot_change_while_it_is_listened_on() -> None:
    with pytest.raises(FileError, match=r"listener\.port: 8080 -> 9090"):
        plan.must_be_possible(parse(FILE), parse(FILE + "[listener]\nport = 9090\n"))


def test_equal_files_have_no_differences() -> None:
    assert plan.changes(parse(FILE), parse(FILE)) == ()


def test_what_is_gone_or_had_no_such_field_is_told_too() -> None:
    more = parse(FILE + "[services.more]\nrun = 'x'\n[services.more.scale]\ntarget = { cpu = 50 }\n")
    assert [one.text for one in plan.changes(more, parse(FILE))] == ["services.more: there -> none"]
    scaled = parse(FILE + "[services.web.scale]\ntarget = { cpu = 50 }\n")
    [one] = [one for one in plan.changes(parse(FILE), scaled) if one.path.endswith("target_tracking")]
    assert one.after == [{"metric": "cpu", "target_value": 50.0}]
    assert one.text.startswith("services.web.scale.target_tracking: none -> ")


def test_a_changed_variable_is_told_alone() -> None:
    before, after = (parse(FILE + f'env = {{ A = "{value}", B = "same" }}\n') for value in "12")
    assert [one.text for one in plan.changes(before, after)] == ["services.web.env.A: 1 -> 2"]


def test_what_can_change_while_it_runs_may() -> None:
    plan.must_be_possible(parse(FILE), parse(FILE + "instances = 3\n"))
