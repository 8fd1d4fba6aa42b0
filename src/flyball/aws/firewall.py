"""AWS WAF in front of the balancer: the rules of `[listener.firewall]`, and AWS's own.

Each rule answers what it answers here: 413, 414, 429 and 431 where that says more than 403.
https://docs.aws.amazon.com/waf/latest/developerguide/waf-rules.html
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import TypeAlias

import aws_cdk as cdk
from aws_cdk import aws_logs as logs
from aws_cdk import aws_wafv2 as wafv2

from flyball.core.bad_input import BAD_INPUT, IN_HEADERS
from flyball.core.model import Firewall, FirewallAction, RateLimit

from .site import Site, logical

WAF_WINDOWS_S = (60, 120, 300, 600)
"""The windows in which AWS WAF counts requests."""
COUNTED = (
    "CrossSiteScripting_BODY",
    "EC2MetaDataSSRF_BODY",
    "GenericLFI_BODY",
    "GenericRFI_BODY",
    "SizeRestrictions_BODY",
)
"""The common rules that look into bodies."""
ANSWERS = {"body": 413, "url": 414, "headers": 431}
INSPECTED_HEADERS_BYTES = 8192
"""More than this of the headers AWS WAF never sees; what goes beyond counts as too large."""

Statement: TypeAlias = wafv2.CfnWebACL.StatementProperty
Field: TypeAlias = wafv2.CfnWebACL.FieldToMatchProperty
_AS_IT_IS = [wafv2.CfnWebACL.TextTransformationProperty(priority=0, type="NONE")]
_LOWER_CASE = [wafv2.CfnWebACL.TextTransformationProperty(priority=0, type="LOWERCASE")]


def firewall(site: Site, *, balancer: str) -> None:
    """The web ACL of the balancer, with a log of what it did; none without rules."""
    wanted = site.app.listener.firewall
    if not wanted.managed and not wanted.rules:
        return
    rules = [_rule(wanted, name, statement, at) for at, (name, statement) in enumerate(_statements(site, wanted))]
    if wanted.managed:
        rules += _managed_rules(first=len(rules))
    acl = wafv2.CfnWebACL(
        site.stack,
        "Firewall",
        scope="REGIONAL",
        default_action=wafv2.CfnWebACL.DefaultActionProperty(allow={}),
        description=f"{site.app.name}: before the balancer",
        rules=rules,
        visibility_config=_visible(logical(site.app.name, "Firewall")),
    )
    wafv2.CfnWebACLAssociation(site.stack, "FirewallAssociation", resource_arn=balancer, web_acl_arn=acl.attr_arn)
    group = logs.CfnLogGroup(
        site.stack,
        "FirewallLogGroup",
        log_group_name=f"aws-waf-logs-{site.name(site.region)}",
        kms_key_id=site.key.attr_arn,
        retention_in_days=site.app.observe.log_retention_days,
    )
    group.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
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
        yield "allow", _not(_from(site, "Allow", wanted.allow))
    if wanted.methods:
        yield "methods", _not(_fits(f"^({'|'.join(wanted.methods)})$", Field(method={})))
    if wanted.max_url_bytes is not None:
        yield (
            "url",
            _any(
                [
                    _larger(Field(uri_path={}), wanted.max_url_bytes),
                    _larger(Field(query_string={}), wanted.max_url_bytes),
                ]
            ),
        )
    if wanted.max_headers_bytes is not None:
        yield "headers", _larger(_ALL_HEADERS, min(wanted.max_headers_bytes, INSPECTED_HEADERS_BYTES))
    if wanted.max_body_bytes is not None:
        yield "body", _fits(above(wanted.max_body_bytes), _header("content-length"))
    if wanted.bad_input is not None:
        yield "bad_input", _any(list(_bad_input()))
    for limit in wanted.rates:
        yield wanted.rate_name(limit), _rate(limit)


def _rule(wanted: Firewall, name: str, statement: Statement, priority: int) -> wafv2.CfnWebACL.RuleProperty:
    return wafv2.CfnWebACL.RuleProperty(
        name=name.replace("_", "-"),
        priority=priority,
        action=_action(name, wanted.of_rule(name)),
        statement=statement,
        visibility_config=_visible(logical(name.replace("_", "-"))),
    )


def _action(name: str, action: FirewallAction) -> wafv2.CfnWebACL.RuleActionProperty:
    if action is FirewallAction.COUNT:
        return wafv2.CfnWebACL.RuleActionProperty(count={})
    status = 429 if name.startswith("rate") else ANSWERS.get(name)
    answer = None if status is None else wafv2.CfnWebACL.CustomResponseProperty(response_code=status)
    return wafv2.CfnWebACL.RuleActionProperty(block=wafv2.CfnWebACL.BlockActionProperty(custom_response=answer))


def _rate(limit: RateLimit) -> Statement:
    requests, window = waf_limit(limit)
    path = limit.path.rstrip("/")
    return Statement(
        rate_based_statement=wafv2.CfnWebACL.RateBasedStatementProperty(
            aggregate_key_type="IP",
            limit=requests,
            evaluation_window_sec=window,
            scope_down_statement=_fits(f"^{re.escape(path)}(/.*)?$", Field(uri_path={})) if path else None,
        )
    )


def _bad_input() -> Iterator[Statement]:
    """The patterns of the core, which ignore case: WAF turns what it looks at into lower case."""
    for pattern in BAD_INPUT:
        for field in (Field(uri_path={}), Field(query_string={})):
            yield _fits(pattern.regex, field, _LOWER_CASE)
        for name in IN_HEADERS if pattern.headers else ():
            yield _fits(pattern.regex, _header(name), _LOWER_CASE)


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
    return _any(parts)


_ALL_HEADERS = Field(
    headers=wafv2.CfnWebACL.HeadersProperty(
        match_pattern=wafv2.CfnWebACL.HeaderMatchPatternProperty(all={}),
        match_scope="ALL",
        oversize_handling="MATCH",
    )
)


def _header(name: str) -> Field:
    return Field(single_header={"Name": name})


def _fits(
    regex: str, field: Field, transformations: list[wafv2.CfnWebACL.TextTransformationProperty] = _AS_IT_IS
) -> Statement:
    return Statement(
        regex_match_statement=wafv2.CfnWebACL.RegexMatchStatementProperty(
            regex_string=regex, field_to_match=field, text_transformations=transformations
        )
    )


def _larger(field: Field, size: int) -> Statement:
    return Statement(
        size_constraint_statement=wafv2.CfnWebACL.SizeConstraintStatementProperty(
            comparison_operator="GT", size=size, field_to_match=field, text_transformations=_AS_IT_IS
        )
    )


def _not(statement: Statement) -> Statement:
    return Statement(not_statement=wafv2.CfnWebACL.NotStatementProperty(statement=statement))


def _any(statements: list[Statement]) -> Statement:
    """One of them; WAF wants at least two in an `or`."""
    if len(statements) == 1:
        return statements[0]
    return Statement(or_statement=wafv2.CfnWebACL.OrStatementProperty(statements=statements))


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


def _managed_rules(*, first: int) -> list[wafv2.CfnWebACL.RuleProperty]:
    """AWS's managed rule groups. What the common rules find in a body is counted, not blocked.

    A body may be an image or a post that quotes code, on any path; addresses, headers and cookies are still judged.
    https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-baseline.html
    """
    names = (
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesCommonRuleSet",
    )
    count = wafv2.CfnWebACL.RuleActionProperty(count={})
    counted = [wafv2.CfnWebACL.RuleActionOverrideProperty(name=name, action_to_use=count) for name in COUNTED]
    return [
        wafv2.CfnWebACL.RuleProperty(
            name=name,
            priority=first + index,
            override_action=wafv2.CfnWebACL.OverrideActionProperty(none={}),
            statement=wafv2.CfnWebACL.StatementProperty(
                managed_rule_group_statement=wafv2.CfnWebACL.ManagedRuleGroupStatementProperty(
                    vendor_name="AWS",
                    name=name,
                    rule_action_overrides=counted if name.endswith("CommonRuleSet") else [],
                )
            ),
            visibility_config=_visible(name),
        )
        for index, name in enumerate(names)
    ]


def _visible(name: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
    )
