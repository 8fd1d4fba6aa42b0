"""`docs/reference/semantics.md` is made from the fact tests: each fact, where it is implemented, which test shows it.

Run this file as a program to write the document again.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
FACTS = Path(__file__).parent / "facts"
BALANCER = ROOT / "tests" / "local" / "envoy" / "test_facts_balancer.py"
DOCUMENT = ROOT / "docs" / "reference" / "semantics.md"
CONTROL = "src/flyball/core/control"
WHERE = {
    **dict.fromkeys((1, 2), "alarms.py"),
    **dict.fromkeys((3, 4), "windows.py"),
    **dict.fromkeys((5, 6, 8, 9, 11, 12), "scaling/target_tracking.py"),
    **dict.fromkeys((10, 13, 18), "scaling/decide.py"),
    **dict.fromkeys((14, 15, 16, 17), "scaling/cooldown.py"),
    **dict.fromkeys((19, 23), "capacity.py"),
    **dict.fromkeys(range(51, 54), "scaling/predictive.py"),
    **dict.fromkeys(range(60, 69), "scaling/hpa.py"),
    **dict.fromkeys(range(70, 79), "scaling/kpa.py"),
    **dict.fromkeys((20, 21), "scaling/steps.py"),
    22: "scaling/schedule.py",
    **dict.fromkeys((25, 26, 28, 37, 38, 46, 48), "lifecycle.py"),
    **dict.fromkeys((27, 31), "routing.py"),
    **dict.fromkeys((35, 36), "exchange.py"),
    **dict.fromkeys((39, 41), "breaker.py"),
    **dict.fromkeys((40, 42), "rollout.py"),
    43: "traffic.py",
    47: "reconcile.py",
    50: "placement.py",
}
ENVOY = "src/flyball/local/envoy/config"
WHERE_ENVOY = {
    **dict.fromkeys((24, 27, 29, 30), "clusters.py"),
    31: "stickiness.py",
    32: "routes.py",
    33: "listener.py",
    34: "endpoints.py",
}
HEAD = """# What AWS does, and where Flyball does the same

The control loop imitates CloudWatch alarms, Application Auto Scaling, EC2 Auto Scaling, ECS deployments and \
ALB targets.
The policies `hpa` and `kpa` are those of Kubernetes and Knative (facts 60 to 78).
Each row is a fact about one of them, the page that documents it, the module that implements it, \
and the test that shows it.
The module's docstring says where Flyball differs on purpose.
Missing numbers concern only AWS: rebalancing between zones, names for the states of a task, \
instance refresh, suspended processes.
This page is generated from the tests; `python tests/core/control/test_semantics_document.py` rewrites it.

| fact | source | module | test |
| --- | --- | --- | --- |
"""


def facts() -> list[tuple[int, str, str, str, str]]:
    """Number, sentence, source, test's name and file of every fact test."""
    found = []
    for path in [*sorted(FACTS.glob("test_facts_*.py")), BALANCER]:
        for node in ast.parse(path.read_text()).body:
            number = re.match(r"test_fact_(\d+)_", getattr(node, "name", ""))
            if isinstance(node, ast.FunctionDef) and number:
                sentence, source = (ast.get_docstring(node) or "").split("\n")
                found.append((int(number[1]), sentence, source, node.name, path.name))
    return sorted(found)


def module(number: int, file: str) -> str:
    """Where a fact is implemented: in the governor, or in what feeds the balancer."""
    return f"{ENVOY}/{WHERE_ENVOY[number]}" if file == BALANCER.name else f"{CONTROL}/{WHERE[number]}"


def written() -> str:
    """The document."""
    rows = [
        f"| {number}. {sentence} | [page]({source}) | `{module(number, file)}` | `{file}::{name}` |"
        for number, sentence, source, name, file in facts()
    ]
    return HEAD + "\n".join(rows) + "\n"


def test_the_document_is_up_to_date():
    assert DOCUMENT.read_text() == written()


def test_every_fact_names_its_source_and_an_existing_module():
    for number, sentence, source, name, file in facts():
        assert source.startswith("https://"), name
        assert sentence.endswith("."), name
        assert (ROOT / module(number, file)).is_file()


def test_no_fact_that_the_loop_covers_is_without_a_test():
    covered = {(number, file == BALANCER.name) for number, *_, file in facts()}
    assert covered == {(number, False) for number in WHERE} | {(number, True) for number in WHERE_ENVOY}


if __name__ == "__main__":
    DOCUMENT.write_text(written())
