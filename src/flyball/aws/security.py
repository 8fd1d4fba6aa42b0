"""Who may reach what: a chain of security groups, the web application firewall, the audit trail.

world -> balancer (80, with TLS also 443) -> instances (their port) -> Redis (6379); instances -> the balancer inside
(80) -> instances. DynamoDB and S3 have no address in the network; roles guard them. Every group has outgoing rules with
ports, because CloudFormation opens everything for a group without any.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-update-security-groups.html
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_wafv2 as wafv2

from flyball.core.model import RateLimit, Service, StoreKind

from .balancer import needs_inside
from .network import Network
from .site import Site, logical, trail_arn

REDIS_PORT = 6379
WORLD = "0.0.0.0/0"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Security group ids. `services` by service name; the others are None where there is nothing to guard."""

    balancer: str
    inside: str | None
    services: dict[str, str]
    redis: str | None
    endpoints: str | None


def groups(site: Site, network: Network) -> Groups:
    """The chain of security groups."""
    balancer = _balancer_group(site, network)
    inside = _inside_group(site, network) if needs_inside(site.app, site.aws) else None
    services = {
        service.name: _service_group(site, network, service, balancer=balancer, inside=inside)
        for service in site.app.services
    }
    using = [services[service.name] for service in site.app.services if _uses_redis(site, service)]
    redis = _redis_group(site, network, using) if using else None
    endpoints = _endpoint_group(site, network) if site.aws.network.endpoints else None
    return Groups(balancer=balancer, inside=inside, services=services, redis=redis, endpoints=endpoints)


def _endpoint_group(site: Site, network: Network) -> str:
    return _group(
        site,
        network,
        "EndpointGroup",
        description="AWS services, reachable from the network only",
        ingress=[_open(443, site.aws.network.cidr, "HTTPS from the network")],
        egress=[_open(443, site.aws.network.cidr, "answers stay in the network")],
    )


def _balancer_group(site: Site, network: Network) -> str:
    ingress = [_open(80, WORLD, "HTTP from the world")]
    if site.app.listener.tls is not None:
        ingress.append(_open(443, WORLD, "HTTPS from the world"))
    egress = _all(site.instance_subnets, site.port, "to instances")
    return _group(
        site, network, "BalancerGroup", description="the balancer, open to the world", ingress=ingress, egress=egress
    )


def _inside_group(site: Site, network: Network) -> str:
    return _group(
        site,
        network,
        "InsideBalancerGroup",
        description="the balancer inside, reachable from instances only",
        ingress=_all(site.instance_subnets, 80, "from instances"),
        egress=_all(site.instance_subnets, site.port, "to instances"),
    )


def _to_private(site: Site, port: int, why: str) -> list[ec2.CfnSecurityGroup.IngressProperty]:
    return _all(site.aws.network.private_subnets[: len(site.app.zones)], port, why)


def _all(ranges: tuple[str, ...], port: int, why: str) -> list[ec2.CfnSecurityGroup.IngressProperty]:
    return [_open(port, cidr, why) for cidr in ranges]


def _service_group(site: Site, network: Network, service: Service, *, balancer: str, inside: str | None) -> str:
    egress = [_open(443, WORLD, "AWS services and packages")]
    if inside is None:
        egress.append(_open(80, WORLD, "the balancer at its public address"))
    else:
        egress += _to_private(site, 80, "the balancer inside")
    if _uses_redis(site, service):
        egress += _to_private(site, REDIS_PORT, "Redis")
    balancers = [balancer] if inside is None else [balancer, inside]
    return _group(
        site,
        network,
        logical(service.name, "Group"),
        description=f"instances of {service.name}, reachable from the balancer only",
        ingress=[_from_group(site.port, each, "from the balancer only") for each in balancers],
        egress=egress,
    )


def _redis_group(site: Site, network: Network, using: list[str]) -> str:
    return _group(
        site,
        network,
        "RedisGroup",
        description="Redis, reachable from the services that use it only",
        ingress=[_from_group(REDIS_PORT, group, "from a service that uses it") for group in using],
        egress=[_open(REDIS_PORT, site.aws.network.cidr, "replication stays in the network")],
    )


def _uses_redis(site: Site, service: Service) -> bool:
    return any(site.app.store(name).kind is StoreKind.REDIS for name in service.stores)


def _group(
    site: Site,
    network: Network,
    name: str,
    *,
    description: str,
    ingress: list[ec2.CfnSecurityGroup.IngressProperty],
    egress: list[ec2.CfnSecurityGroup.EgressProperty],
) -> str:
    group = ec2.CfnSecurityGroup(
        site.stack,
        name,
        group_description=f"{site.app.name}: {description}",
        vpc_id=network.vpc,
        security_group_ingress=ingress,
        security_group_egress=[
            ec2.CfnSecurityGroup.EgressProperty(
                ip_protocol="tcp",
                from_port=rule.from_port,
                to_port=rule.to_port,
                cidr_ip=rule.cidr_ip,
                description=rule.description,
            )
            for rule in egress
        ],
    )
    return str(group.attr_group_id)


def _open(port: int, cidr: str, why: str) -> ec2.CfnSecurityGroup.IngressProperty:
    return ec2.CfnSecurityGroup.IngressProperty(
        ip_protocol="tcp", from_port=port, to_port=port, cidr_ip=cidr, description=why
    )


def _from_group(port: int, group: str, why: str) -> ec2.CfnSecurityGroup.IngressProperty:
    return ec2.CfnSecurityGroup.IngressProperty(
        ip_protocol="tcp", from_port=port, to_port=port, source_security_group_id=group, description=why
    )


def firewall(site: Site, *, balancer: str) -> None:
    """AWS WAF in front of the balancer: managed rules and the file's rate limit, which answers 403."""
    limit = site.app.listener.rate_limit
    if not site.aws.waf and limit is None:
        return
    rules = [_rate_rule(limit)] if limit is not None else []
    if site.aws.waf:
        rules += _managed_rules(first=len(rules))
        rules += [_body_rule(site.aws.uploads, priority=len(rules))] if site.aws.uploads else []
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


def _rate_rule(limit: RateLimit) -> wafv2.CfnWebACL.RuleProperty:
    requests, window = waf_limit(limit)
    return wafv2.CfnWebACL.RuleProperty(
        name="rate-limit",
        priority=0,
        action=wafv2.CfnWebACL.RuleActionProperty(block={}),
        statement=wafv2.CfnWebACL.StatementProperty(
            rate_based_statement=wafv2.CfnWebACL.RateBasedStatementProperty(
                aggregate_key_type="IP", limit=requests, evaluation_window_sec=window
            )
        ),
        visibility_config=_visible("RateLimit"),
    )


def _managed_rules(*, first: int) -> list[wafv2.CfnWebACL.RuleProperty]:
    """AWS's managed rule groups. What the common rules find in a body is counted; `_body_rule` may block it.

    A body may be an image or a post that quotes code; addresses, headers and cookies are still judged.
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


def _body_rule(uploads: tuple[str, ...], *, priority: int) -> wafv2.CfnWebACL.RuleProperty:
    """Blocks what the common rules have counted in a body, except at and below the paths that take files.

    https://docs.aws.amazon.com/waf/latest/developerguide/waf-labels.html
    """
    made = wafv2.CfnWebACL
    kinds = [name.removesuffix("_BODY") for name in COUNTED]
    found = [
        made.StatementProperty(
            label_match_statement=made.LabelMatchStatementProperty(
                scope="LABEL", key=f"awswaf:managed:aws:core-rule-set:{kind}_Body"
            )
        )
        for kind in kinds
    ]
    taken = [_below(path) for path in uploads]
    files = taken[0] if len(taken) == 1 else _any(taken)
    return made.RuleProperty(
        name="bodies",
        priority=priority,
        action=made.RuleActionProperty(block={}),
        statement=made.StatementProperty(
            and_statement=made.AndStatementProperty(
                statements=[
                    _any(found),
                    made.StatementProperty(not_statement=made.NotStatementProperty(statement=files)),
                ]
            )
        ),
        visibility_config=_visible("Bodies"),
    )


def _any(statements: list[wafv2.CfnWebACL.StatementProperty]) -> wafv2.CfnWebACL.StatementProperty:
    made = wafv2.CfnWebACL
    return made.StatementProperty(or_statement=made.OrStatementProperty(statements=statements))


def _below(path: str) -> wafv2.CfnWebACL.StatementProperty:
    made = wafv2.CfnWebACL
    return made.StatementProperty(
        byte_match_statement=made.ByteMatchStatementProperty(
            field_to_match=made.FieldToMatchProperty(uri_path={}),
            positional_constraint="STARTS_WITH",
            search_string=path,
            text_transformations=[made.TextTransformationProperty(priority=0, type="NORMALIZE_PATH")],
        )
    )


def _visible(name: str) -> wafv2.CfnWebACL.VisibilityConfigProperty:
    return wafv2.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=True
    )


def trail(site: Site, *, logs_bucket: s3.Bucket) -> None:
    """Records every call to the account's API, in the log bucket and CloudWatch Logs; in the first region only."""
    if not site.aws.trail or not site.primary:
        return
    group = logs.CfnLogGroup(
        site.stack,
        "TrailLogGroup",
        kms_key_id=site.key.attr_arn,
        retention_in_days=site.app.observe.log_retention_days,
    )
    group.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
    role = iam.Role(site.stack, "TrailRole", assumed_by=iam.ServicePrincipal("cloudtrail.amazonaws.com"))
    role.add_to_policy(
        iam.PolicyStatement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[group.attr_arn])
    )
    source = trail_arn(site.app, site.region)
    for action, resource, more in (
        ("s3:GetBucketAcl", logs_bucket.bucket_arn, {}),
        (
            "s3:PutObject",
            logs_bucket.arn_for_objects(f"trail/AWSLogs/{cdk.Aws.ACCOUNT_ID}/*"),
            {"s3:x-amz-acl": "bucket-owner-full-control"},
        ),
    ):
        logs_bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudtrail.amazonaws.com")],
                actions=[action],
                resources=[resource],
                conditions={"StringEquals": {"aws:SourceArn": source, **more}},
            )
        )
    made = cloudtrail.CfnTrail(
        site.stack,
        "Trail",
        trail_name=site.name("trail"),
        is_logging=True,
        s3_bucket_name=logs_bucket.bucket_name,
        s3_key_prefix="trail",
        cloud_watch_logs_log_group_arn=group.attr_arn,
        cloud_watch_logs_role_arn=role.role_arn,
        enable_log_file_validation=True,
        include_global_service_events=True,
        is_multi_region_trail=True,
        kms_key_id=site.key.attr_arn,
    )
    assert logs_bucket.policy is not None
    made.node.add_dependency(logs_bucket.policy, role.node.find_child("DefaultPolicy"))
