"""A rule of the file as a listener rule: its conditions and its action.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-rules.html
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

import aws_cdk as cdk
from aws_cdk import aws_elasticloadbalancingv2 as elb

from flyball.core.model import Condition, FixedResponse, Redirect
from flyball.core.model.rules import Forward, Rule


def build(
    stack: cdk.Stack,
    name: str,
    rule: Rule,
    *,
    listener: elb.CfnListener,
    groups: Mapping[str, elb.CfnTargetGroup],
    standby: Mapping[str, elb.CfnTargetGroup],
) -> elb.CfnListenerRule:
    """One rule of the listener."""
    match rule.action:
        case Forward(services=services):
            action = _forward(services, groups, standby)
        case Redirect():
            action = _redirect(rule.action)
        case FixedResponse():
            action = _answer(rule.action)
    while stack.node.try_find_child(name) is not None:
        name += "Again"  # the same condition at another priority never matches
    return elb.CfnListenerRule(
        stack,
        name,
        listener_arn=listener.ref,
        priority=rule.priority,
        conditions=_conditions(rule.condition),
        actions=[action],
    )


def _conditions(condition: Condition) -> list[elb.CfnListenerRule.RuleConditionProperty]:
    made = elb.CfnListenerRule
    conditions = [
        made.RuleConditionProperty(
            field="path-pattern",
            path_pattern_config=made.PathPatternConfigProperty(values=list(path_patterns(condition.path))),
        )
    ]
    if condition.host is not None:
        conditions.append(
            made.RuleConditionProperty(
                field="host-header", host_header_config=made.HostHeaderConfigProperty(values=[condition.host])
            )
        )
    conditions += [
        made.RuleConditionProperty(
            field="http-header",
            http_header_config=made.HttpHeaderConfigProperty(http_header_name=name, values=[pattern]),
        )
        for name, pattern in condition.headers
    ]
    return conditions


def path_patterns(path: str) -> tuple[str, ...]:
    """The file's path as AWS patterns: "/" -> "/*", "/api" -> "/api" and "/api/*"; a pattern is unchanged."""
    if "*" in path or "?" in path:
        return (path,)
    if path == "/":
        return ("/*",)
    plain = path.rstrip("/")
    return (plain, f"{plain}/*")


def _forward(
    services: tuple[tuple[str, int], ...],
    groups: Mapping[str, elb.CfnTargetGroup],
    standby: Mapping[str, elb.CfnTargetGroup],
) -> elb.CfnListenerRule.ActionProperty:
    made = elb.CfnListenerRule
    shares = [(groups[name], weight) for name, weight in services]
    shares += [(standby[name], 0) for name, _ in services if name in standby]
    return made.ActionProperty(
        type="forward",
        forward_config=made.ForwardConfigProperty(
            target_groups=[
                made.TargetGroupTupleProperty(target_group_arn=group.ref, weight=weight) for group, weight in shares
            ],
            target_group_stickiness_config=made.TargetGroupStickinessConfigProperty(enabled=False),
        ),
    )


def _redirect(redirect: Redirect) -> elb.CfnListenerRule.ActionProperty:
    where = urlsplit(redirect.location)
    made = elb.CfnListenerRule
    return made.ActionProperty(
        type="redirect",
        redirect_config=made.RedirectConfigProperty(
            protocol=where.scheme.upper() or "#{protocol}",
            host=where.hostname or "#{host}",
            port=_port_of(where.scheme, where.port),
            path=where.path or "/",
            query=where.query or "#{query}",
            status_code=f"HTTP_{redirect.status}",
        ),
    )


def _port_of(scheme: str, port: int | None) -> str:
    if port is not None:
        return str(port)
    return {"http": "80", "https": "443"}.get(scheme, "#{port}")


def _answer(answer: FixedResponse) -> elb.CfnListenerRule.ActionProperty:
    made = elb.CfnListenerRule
    return made.ActionProperty(
        type="fixed-response",
        fixed_response_config=made.FixedResponseConfigProperty(
            status_code=str(answer.status), content_type=answer.content_type, message_body=answer.body
        ),
    )
