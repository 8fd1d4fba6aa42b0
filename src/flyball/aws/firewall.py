"""AWS WAF in front of the balancer: the rules of `[listener.firewall]`, and AWS's own.

Each rule answers what it answers here: 413, 414, 429 and 431 where that says more than 403.
https://docs.aws.amazon.com/waf/latest/developerguide/waf-rules.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from ipaddress import ip_network

import aws_cdk as cdk
from aws_cdk import aws_wafv2 as wafv2

from flyball.core.bad_input import BAD_INPUT, IN_HEADERS
from flyball.core.model import Firewall, FirewallAction, RateLimit

from .managed_rules import managed_rules
from .site import Site, logical
from .statements import LOWER_CASE, Field, Rule, Statement, any_of, below, fits, header, larger, negated, visible

WAF_WINDOWS_S = (60, 120, 300, 600)
"""The windows in which AWS WAF counts requests."""
ANSWERS = {"body": 413, "url": 414, "headers": 431}
INSPECTED_HEADERS_BYTES = 8192
"""More than this of the headers AWS WAF never sees; what goes beyond counts as too large."""


def firewall(site: Site, *, balancer: str) -> None:
    """The web ACL of the balancer, with a log of what it did; none without rules."""
    wanted = site.app.listener.firewall
    if not wanted.managed and not wanted.rules:
        return
    rules = [_rule(wanted, name, statement, at) for at, (name, statement) in enumerate(_statements(site, wanted))]
    rules += managed_rules(wanted, first=len(rules))
    acl = wafv2.CfnWebACL(
        site.stack,
        "Firewall",
        scope="REGIONAL",
        default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
        description=f"{site.app.name}: before the balancer",
        rules=rules,
        visibility_config=visible(logical(site.app.name, "Firewall")),
    )
    wafv2.CfnWebACLAssociation(site.stack, "FirewallAssociation", resource_arn=balancer, web_acl_arn=acl.attr_arn)
    group = site.log_group("Firewall", f"aws-waf-logs-{site.name(site.region)}")
    wafv2.CfnLoggingConfiguration(
        site.stack,
        "FirewallLogs",
        resource_arn=acl.attr_arn,
        log_destination_configs=[f"arn:aws:logs:{site.region}:{cdk.Aws.ACCOUNT_ID}:log-group:{group.log_group_name}"],
    ).node.add_dependency(group)


def waf_limit(limit: RateLimit) -> tuple[int, int]:
    """The file's rate limit as AWS WAF counts it: (requests, window in seconds).

    The window is AWS's smallest that is at least the file's; the count keeps the same rate and is at least 10.
    """
    window = next((each for each in WAF_WINDOWS_S if each >= limit.per_s), WAF_WINDOWS_S[-1])
    return max(10, math.floor(limit.requests * window / limit.per_s)), window


def _statements(site: Site, wanted: Firewall) -> Iterator[tuple[str, Statement]]:
    """The rules by name, what they match; AWS WAF tries them in this order."""
    if wanted.deny:
        yield "deny", _from(site, "Deny", wanted.deny)
    if wanted.allow:
        yield "allow", negated(_from(site, "Allow", wanted.allow))
    if wanted.methods:
        yield "methods", negated(fits(f"^({'|'.join(wanted.methods)})$", Field(method={})))
    if wanted.max_url_bytes is not None:
        parts = (Field(uri_path={}), Field(query_string={}))
        yield "url", any_of([larger(part, wanted.max_url_bytes) for part in parts])
    if wanted.max_headers_bytes is not None:
        yield "headers", larger(_ALL_HEADERS, min(wanted.max_headers_bytes, INSPECTED_HEADERS_BYTES))
    if wanted.max_body_bytes is not None:
        yield "body", fits(above(wanted.max_body_bytes), header("content-length"))
    if wanted.bad_input is not None:
        yield "bad_input", any_of(list(_bad_input()))
    for limit in wanted.rates:
        yield wanted.rate_name(limit), _rate(limit)


def _rule(wanted: Firewall, name: str, statement: Statement, priority: int) -> Rule:
    return Rule(
        name=name.replace("_", "-"),
        priority=priority,
        action=_action(name, wanted.of_rule(name)),
        statement=statement,
        visibility_config=visible(logical(name.replace("_", "-"))),
    )


def _action(name: str, action: FirewallAction) -> wafv2.CfnWebACL.RuleActionProperty:
    if action is FirewallAction.COUNT:
        return wafv2.CfnWebACL.RuleActionProperty(count={})
    status = 429 if name.startswith("rate") else ANSWERS.get(name)
    answer = None if status is None else wafv2.CfnWebACL.CustomResponseProperty(response_code=status)
    return wafv2.CfnWebACL.RuleActionProperty(block=wafv2.CfnWebACL.BlockActionProperty(custom_response=answer))


def _rate(limit: RateLimit) -> Statement:
    requests, window = waf_limit(limit)
    return Statement(
        rate_based_statement=wafv2.CfnWebACL.RateBasedStatementProperty(
            aggregate_key_type="IP",
            limit=requests,
            evaluation_window_sec=window,
            scope_down_statement=below(limit.path) if limit.path != "/" else None,
        )
    )


def _bad_input() -> Iterator[Statement]:
    """The patterns of the core, which ignore case: WAF turns what it looks at into lower case."""
    for pattern in BAD_INPUT:
        for field in (Field(uri_path={}), Field(query_string={})):
            yield fits(pattern.regex, field, LOWER_CASE)
        for name in IN_HEADERS if pattern.headers else ():
            yield fits(pattern.regex, header(name), LOWER_CASE)


def _from(site: Site, name: str, ranges: tuple[str, ...]) -> Statement:
    """A set for each version of IP, for AWS has no mixed ones."""
    parts = []
    for version in (4, 6):
        of_version = [each for each in ranges if ip_network(each).version == version]
        if of_version:
            known = wafv2.CfnIPSet(
                site.stack,
                f"{name}IpV{version}",
                addresses=of_version,
                ip_address_version=f"IPV{version}",
                scope="REGIONAL",
            )
            reference = wafv2.CfnWebACL.IPSetReferenceStatementProperty
            parts.append(Statement(ip_set_reference_statement=reference(arn=known.attr_arn)))
    return any_of(parts)


_ALL_HEADERS = Field(
    headers=wafv2.CfnWebACL.HeadersProperty(
        match_pattern=wafv2.CfnWebACL.HeaderMatchPatternProperty(all={}),
        match_scope="ALL",
        oversize_handling="MATCH",
    )
)


def above(limit: int) -> str:
    """A regular expression for the decimal numbers above a limit, without leading zeros.

    AWS WAF compares no numbers in headers, and looks at 8 KB of a body; so a body is judged by its length as told.
    """
    digits = str(limit)
    longer = rf"[1-9][0-9]{{{len(digits)},}}"
    larger = [
        f"{digits[:at]}[{int(digit) + 1}-9][0-9]{{{len(digits) - at - 1}}}"
        for at, digit in enumerate(digits)
        if digit != "9"
    ]
    return f"^({'|'.join([longer, *larger])})$"
