"""Who may reach what: a chain of security groups, the audit trail.

world -> balancer (80, with TLS also 443) -> instances (their port) -> Redis (6379); instances -> the balancer inside
(80) -> instances. DynamoDB and S3 have no address in the network; roles guard them. Every group has outgoing rules with
ports, because CloudFormation opens everything for a group without any.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-update-security-groups.html
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudtrail as cloudtrail
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_s3 as s3

from flyball.core.model import Service, StoreKind

from .balancer import needs_inside
from .network import Network
from .site import Site, allow, logical, statement, trail_arn

REDIS_PORT = 6379
WORLD = "0.0.0.0/0"
Rule = tuple[int, str, str]
"""Port; address range or id of a security group; why."""


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
    app, plan = site.app, site.aws.network
    made = partial(_group, site, network)
    private = plan.private_subnets[: len(app.zones)]
    to_instances = _all(site.instance_subnets, site.port, "to instances")
    world = [(80, WORLD, "HTTP from the world")]
    world += [(443, WORLD, "HTTPS from the world")] if app.listener.tls is not None else []
    balancer = made("BalancerGroup", "the balancer, open to the world", world, out=to_instances)
    inside = None
    if needs_inside(app, site.aws):
        said, from_instances = "the balancer inside, reachable from instances only", "from instances"
        inside = made("InsideBalancerGroup", said, _all(site.instance_subnets, 80, from_instances), out=to_instances)
    services: dict[str, str] = {}
    for service in app.services:
        out = [(443, WORLD, "AWS services and packages")]
        out += [(80, WORLD, "the balancer at its public address")] if inside is None else []
        out += _all(private, 80, "the balancer inside") if inside is not None else []
        out += _all(private, REDIS_PORT, "Redis") if _uses_redis(site, service) else []
        said = f"instances of {service.name}, reachable from the balancer only"
        entry = [(site.port, each, "from the balancer only") for each in (balancer, inside) if each is not None]
        services[service.name] = made(logical(service.name, "SecurityGroup"), said, entry, out=out)
    redis = None
    using = [services[service.name] for service in app.services if _uses_redis(site, service)]
    if using:
        entry = [(REDIS_PORT, group, "from a service that uses it") for group in using]
        out = [(REDIS_PORT, plan.cidr, "replication stays in the network")]
        redis = made("RedisGroup", "Redis, reachable from the services that use it only", entry, out=out)
    endpoints = None
    if plan.endpoints:
        said = "AWS services, reachable from the network only"
        entry, out = [(443, plan.cidr, "HTTPS from the network")], [(443, plan.cidr, "answers stay in the network")]
        endpoints = made("EndpointGroup", said, entry, out=out)
    return Groups(balancer=balancer, inside=inside, services=services, redis=redis, endpoints=endpoints)


def _uses_redis(site: Site, service: Service) -> bool:
    return any(site.app.store(name).kind is StoreKind.REDIS for name in service.stores)


def _all(ranges: tuple[str, ...], port: int, why: str) -> list[Rule]:
    return [(port, cidr, why) for cidr in ranges]


def _group(site: Site, network: Network, name: str, description: str, ingress: list[Rule], *, out: list[Rule]) -> str:
    made = ec2.CfnSecurityGroup
    group = made(
        site.stack,
        name,
        group_description=f"{site.app.name}: {description}",
        vpc_id=network.vpc,
        security_group_ingress=[made.IngressProperty(**_rule(each, "source")) for each in ingress],
        security_group_egress=[made.EgressProperty(**_rule(each, "destination")) for each in out],
    )
    return str(group.attr_group_id)


def _rule(rule: Rule, end: str) -> dict[str, Any]:
    """One port, and who is at the other end: an address range, or a security group."""
    port, who, why = rule
    there = {"cidr_ip": who} if "/" in who else {f"{end}_security_group_id": who}
    return {"ip_protocol": "tcp", "from_port": port, "to_port": port, "description": why, **there}


def trail(site: Site, *, logs_bucket: s3.Bucket) -> None:
    """Records every call to the account's API, in the log bucket and CloudWatch Logs; in the first region only."""
    if not site.aws.trail or not site.primary:
        return
    # The records outlive the stack, so their key must too.
    site.key.apply_removal_policy(cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
    group = site.log_group("Trail")
    role = site.role("TrailRole", "cloudtrail")
    allow(role, ["logs:CreateLogStream", "logs:PutLogEvents"], [group.attr_arn])
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
            statement([action], [resource], {"StringEquals": {"aws:SourceArn": source, **more}}, to="cloudtrail")
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
