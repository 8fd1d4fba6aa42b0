"""What the boundary did not let through is told, once for each destination."""

import pytest

from builders import application, instance, seen, state
from flyball.core.control.refusals import Refusal
from flyball.core.control.step import step


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "not let through to 10.1.2.3:5432: neither `stores` nor `egress` names it"),
        (7, "not let through to 10.1.2.3:5432, 7 times: neither `stores` nor `egress` names it"),
    ],
)
def test_what_was_not_let_through_is_told_with_the_keys_that_would(count, said):
    refusal = Refusal(service="web", to="10.1.2.3:5432", count=count)
    made = step(application(), state(instance(1)), seen(instance(1), refusals=(refusal,)), now=1.0)
    assert [(one.service, one.kind, one.text) for one in made.reasons] == [("web", "not_let_through", said)]
    assert made.actions == ()
