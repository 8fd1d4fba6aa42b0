"""A rule of the file as a listener rule: its conditions and its action.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-rules.html
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
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
            actions = [_forward(services, groups, standby)]
        case Redirect():
            actions = _redirect(rule.action).render_rule_actions()
        case FixedResponse(status=status, body=body, content_type=kind):
            actions = answer(status, body, kind).render_rule_actions()
    while stack.node.try_find_child(name) is not None:
        name += "Again"  # the same condition at another priority never matches
    return elb.CfnListenerRule(
        stack,
        name,
        listener_arn=listener.ref,
        priority=rule.priority,
        conditions=_conditions(rule.condition),
        actions=actions,
    )


def _conditions(condition: Condition) -> list[object]:
    made = elb.ListenerCondition
    found = [made.path_patterns(list(path_patterns(condition.path)))]
    found += [] if condition.host is None else [made.host_headers([condition.host])]
    found += [made.http_header(name, [pattern]) for name, pattern in condition.headers]
    return [each.render_raw_condition() for each in found]


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


def _redirect(redirect: Redirect) -> elb.ListenerAction:
    where = urlsplit(redirect.location)
    return elb.ListenerAction.redirect(
        protocol=where.scheme.upper() or "#{protocol}",
        host=where.hostname or "#{host}",
        port=_port_of(where.scheme, where.port),
        path=where.path or "/",
        query=where.query or "#{query}",
        permanent=redirect.status == HTTPStatus.MOVED_PERMANENTLY,
    )


def _port_of(scheme: str, port: int | None) -> str:
    if port is not None:
        return str(port)
    return {"http": "80", "https": "443"}.get(scheme, "#{port}")


def answer(status: int, body: str, content_type: str = "text/plain") -> elb.ListenerAction:
    """A response that the balancer gives by itself."""
    return elb.ListenerAction.fixed_response(status, content_type=content_type, message_body=body)
