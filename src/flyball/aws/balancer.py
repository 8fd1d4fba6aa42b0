"""The single entry point: an Application Load Balancer, its listeners, rules and target groups.

With TLS, port 80 only redirects to 443. Rules apply in the same order as locally; unmatched requests get a 404.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/introduction.html
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_elasticloadbalancingv2 as elb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3

from flyball.core.model import BalancingAlgorithm, Condition, FixedResponse, Redirect, Service, Tls
from flyball.core.model.rules import Forward, Rule, rules_in_order

from .names import rule_name
from .network import Network
from .site import Site, logical

TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09"
ACCESS_LOG_PREFIX = "balancer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Balancer:
    """What other resources refer to. `rules` are the ARNs of each service's listener rules."""

    arn: str
    full_name: str
    dns_name: str
    zone: str
    url: str
    target_groups: dict[str, elb.CfnTargetGroup]
    standby_groups: dict[str, elb.CfnTargetGroup]
    rules: dict[str, tuple[elb.CfnListenerRule, ...]]
    listener: elb.CfnListener


def logs_bucket(site: Site) -> s3.Bucket:
    """The bucket for the logs of the balancer, S3 and the trail. Logs expire after the file's retention."""
    days = cdk.Duration.days(site.app.observe.log_retention_days)
    bucket = s3.Bucket(
        site.stack,
        "LogsBucket",
        block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
        encryption=s3.BucketEncryption.S3_MANAGED,
        enforce_ssl=True,
        lifecycle_rules=[
            s3.LifecycleRule(
                id="expire",
                enabled=True,
                expiration=days,
                noncurrent_version_expiration=cdk.Duration.days(1),
                abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
            )
        ],
        object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
        removal_policy=cdk.RemovalPolicy.RETAIN,
        versioned=True,
    )
    bucket.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal("logdelivery.elasticloadbalancing.amazonaws.com")],
            actions=["s3:PutObject"],
            resources=[bucket.arn_for_objects(f"{ACCESS_LOG_PREFIX}/AWSLogs/{cdk.Aws.ACCOUNT_ID}/*")],
            conditions={
                "ArnLike": {
                    "aws:SourceArn": (f"arn:aws:elasticloadbalancing:{site.region}:{cdk.Aws.ACCOUNT_ID}:loadbalancer/*")
                }
            },
        )
    )
    return bucket


def build(site: Site, network: Network, *, group: str, logs: s3.Bucket) -> Balancer:
    """The balancer, its listeners, rules and a target group per service (two where a rollout shifts traffic)."""
    balancer = _load_balancer(site, network, group=group, logs=logs)
    listener = _listeners(site, balancer)
    target_groups = {each.name: _target_group(site, network, each, "TargetGroup") for each in site.app.services}
    standby = {
        each.name: _target_group(site, network, each, "StandbyTargetGroup")
        for each in site.app.services
        if site.on_fargate and each.deployment.strategy != "rolling"
    }
    rules: dict[str, list[elb.CfnListenerRule]] = {}
    for rule in rules_in_order(site.app):
        made = _rule(site, listener, rule, target_groups, standby)
        if isinstance(rule.action, Forward):
            for name, _ in rule.action.services:
                rules.setdefault(name, []).append(made)
    host = site.aws.domain or balancer.attr_dns_name
    return Balancer(
        arn=balancer.ref,
        full_name=balancer.attr_load_balancer_full_name,
        dns_name=balancer.attr_dns_name,
        zone=balancer.attr_canonical_hosted_zone_id,
        url=f"{'https' if site.app.listener.tls else 'http'}://{host}",
        target_groups=target_groups,
        standby_groups=standby,
        rules={name: tuple(made) for name, made in rules.items()},
        listener=listener,
    )


def _load_balancer(site: Site, network: Network, *, group: str, logs: s3.Bucket) -> elb.CfnLoadBalancer:
    attributes = {
        "access_logs.s3.bucket": logs.bucket_name,
        "access_logs.s3.enabled": "true",
        "access_logs.s3.prefix": ACCESS_LOG_PREFIX,
        "client_keep_alive.seconds": "3600",
        "deletion_protection.enabled": "false",
        "idle_timeout.timeout_seconds": str(round(site.app.listener.idle_timeout_s)),
        "load_balancing.cross_zone.enabled": "true",
        "routing.http.desync_mitigation_mode": "defensive",
        "routing.http.drop_invalid_header_fields.enabled": "true",
        "routing.http.xff_header_processing.mode": "append",
        "routing.http2.enabled": "true",
    }
    balancer = elb.CfnLoadBalancer(
        site.stack,
        "Balancer",
        type="application",
        scheme="internet-facing",
        ip_address_type="ipv4",
        subnets=list(network.public),
        security_groups=[group],
        load_balancer_attributes=[
            elb.CfnLoadBalancer.LoadBalancerAttributeProperty(key=key, value=value) for key, value in attributes.items()
        ],
    )
    assert logs.policy is not None
    balancer.node.add_dependency(logs.policy, network.gateway)
    return balancer


def _listeners(site: Site, balancer: elb.CfnLoadBalancer) -> elb.CfnListener:
    """The listener with the rules: on 443 with TLS, else on 80."""
    made = elb.CfnListener
    nothing = made.ActionProperty(
        type="fixed-response",
        fixed_response_config=made.FixedResponseConfigProperty(
            status_code="404", content_type="text/plain", message_body="no route"
        ),
    )
    tls = site.app.listener.tls
    if tls is None:
        return made(
            site.stack,
            "HttpListener",
            load_balancer_arn=balancer.ref,
            port=80,
            protocol="HTTP",
            default_actions=[nothing],
        )
    to_https = made.ActionProperty(
        type="redirect",
        redirect_config=made.RedirectConfigProperty(
            protocol="HTTPS", port="443", host="#{host}", path="/#{path}", query="#{query}", status_code="HTTP_301"
        ),
    )
    made(
        site.stack,
        "HttpListener",
        load_balancer_arn=balancer.ref,
        port=80,
        protocol="HTTP",
        default_actions=[to_https],
    )
    return made(
        site.stack,
        "HttpsListener",
        load_balancer_arn=balancer.ref,
        port=443,
        protocol="HTTPS",
        ssl_policy=TLS_POLICY,
        certificates=[made.CertificateProperty(certificate_arn=_certificate(site, tls))],
        default_actions=[nothing],
    )


def _certificate(site: Site, tls: Tls) -> str:
    """The file's certificate, or one that ACM issues for the domain and renews."""
    if tls.certificate_arn is not None:
        return tls.certificate_arn
    assert site.aws.domain is not None, "rules.refusals refuses TLS without a domain"
    certificate = acm.CfnCertificate(
        site.stack,
        "Certificate",
        domain_name=site.aws.domain,
        validation_method="DNS",
        domain_validation_options=[
            acm.CfnCertificate.DomainValidationOptionProperty(
                domain_name=site.aws.domain, hosted_zone_id=hosted_zone(site)
            )
        ],
    )
    return str(certificate.ref)


def hosted_zone(site: Site) -> str:
    """The domain's Route 53 zone: a parameter, because a template must not look anything up."""
    existing = site.stack.node.try_find_child("HostedZone")
    parameter = existing or cdk.CfnParameter(
        site.stack,
        "HostedZone",
        type="AWS::Route53::HostedZone::Id",
        description=f"the hosted zone that holds {site.aws.domain}",
    )
    return str(parameter.value_as_string)


def _target_group(site: Site, network: Network, service: Service, kind: str) -> elb.CfnTargetGroup:
    health, made = service.health, elb.CfnTargetGroup
    return made(
        site.stack,
        logical(service.name, kind),
        vpc_id=network.vpc,
        target_type="ip" if site.on_fargate else "instance",
        ip_address_type="ipv4",
        port=site.port,
        protocol="HTTP",
        protocol_version="HTTP1",
        health_check_enabled=True,
        health_check_protocol="HTTP",
        health_check_port="traffic-port",
        health_check_path=health.path,
        health_check_interval_seconds=round(health.interval_s),
        health_check_timeout_seconds=round(health.timeout_s),
        healthy_threshold_count=health.healthy_threshold,
        unhealthy_threshold_count=health.unhealthy_threshold,
        matcher=made.MatcherProperty(http_code=f"{health.status_min}-{health.status_max}"),
        target_group_attributes=[
            made.TargetGroupAttributeProperty(key=key, value=value)
            for key, value in target_group_attributes(service).items()
        ],
    )


def target_group_attributes(service: Service) -> dict[str, str]:
    """Every target group attribute, under AWS's names.

    Slow start is omitted with least outstanding requests: AWS refuses the combination.
    """
    balancing = service.balancing
    attributes = {
        "deregistration_delay.timeout_seconds": str(round(service.deployment.deregistration_delay_s)),
        "load_balancing.algorithm.type": str(balancing.algorithm),
        "load_balancing.cross_zone.enabled": "use_load_balancer_configuration",
        "stickiness.enabled": "false" if balancing.stickiness is None else "true",
        "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
        "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
        "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
    }
    if balancing.stickiness is not None:
        attributes["stickiness.type"] = "lb_cookie"
        attributes["stickiness.lb_cookie.duration_seconds"] = str(round(balancing.stickiness.duration_s))
    if balancing.algorithm is BalancingAlgorithm.ROUND_ROBIN:
        attributes["slow_start.duration_seconds"] = str(round(balancing.slow_start_s))
    return attributes


def _rule(
    site: Site,
    listener: elb.CfnListener,
    rule: Rule,
    groups: dict[str, elb.CfnTargetGroup],
    standby: dict[str, elb.CfnTargetGroup],
) -> elb.CfnListenerRule:
    match rule.action:
        case Forward(services=services):
            action = _forward(services, groups, standby)
        case Redirect():
            action = _redirect(rule.action)
        case FixedResponse():
            action = _answer(rule.action)
    name = rule_name(rule.condition)
    while site.stack.node.try_find_child(name) is not None:
        name += "Again"  # the same condition at another priority never matches
    return elb.CfnListenerRule(
        site.stack,
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
    groups: dict[str, elb.CfnTargetGroup],
    standby: dict[str, elb.CfnTargetGroup],
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
