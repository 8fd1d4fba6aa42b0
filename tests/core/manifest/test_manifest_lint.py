"""Valid settings that may surprise: each warning, and none for the examples."""

import pytest

from flyball.core.manifest import LintWarning, parse, warnings
from manifests import EXAMPLES, one_service


def said(lines: str, rest: str = "") -> tuple[LintWarning, ...]:
    return warnings(parse(one_service(lines, rest)))


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_raise_no_doubt(name: str):
    assert warnings(parse(EXAMPLES[name])) == ()


@pytest.mark.parametrize(
    ("lines", "rest", "path", "words"),
    [
        ("instances = 2\nscale.target.cpu = 50", "", "services.web.instances", "min and max are both 2"),
        ("instances.max = 2", "", "services.web.scale", "only `flyball scale` changes capacity between 1 and 2"),
        ("instances = { min = 0, max = 2 }\nscale.target.cpu = 50", "", "services.web.instances.min",
         "requests get a 503"),
        ("instances.max = 2\nscale.out = { when = 'cpu > 50%', add = 1 }", "", "services.web.scale.out",
         "added instances are never removed"),
        ("deploy.maximum = 150", "", "services.web.deploy", "at 1 instance the percentages round to 1 and 1"),
        ("instances = 3\ndeploy = { minimum_healthy = 90, maximum = 120 }", "", "services.web.deploy",
         "at 3 instances the percentages round to 3 and 3"),
        ("", "[stores.a]\nkind = 'redis'", "stores.a", "no service uses this store"),
    ],
)  # fmt: skip
def test_warnings(lines: str, rest: str, path: str, words: str):
    found = said("routes = ['/']\n" + lines, rest)
    assert [warning.path for warning in found] == [path]
    assert words in found[0].message
