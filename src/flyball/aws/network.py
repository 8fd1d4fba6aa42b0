"""The network: addresses, subnets per zone, routes to the internet, endpoints for AWS services.

As in the seeds: 10.0.0.0/16; in each zone a public subnet (balancer, NAT gateway) and a private one (instances,
stores); an internet gateway; gateway endpoints for S3 and DynamoDB, which are free; interface endpoints for ecr.api,
ecr.dkr and logs if the file asks for them. By default each zone has its own NAT gateway, so losing a zone does not cut
off the others; with one, it may; without any, instances are in the public subnets, with addresses of their own.
https://docs.aws.amazon.com/vpc/latest/userguide/vpc-example-private-subnets-nat.html
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam

from flyball.core.model import Nat

from .site import Site, allow, logical

GATEWAYS = ("s3", "dynamodb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Ids that other parts refer to; subnets in zone order. `instances`: those of instances, and `routes` their tables.

    A balancer needs `gateway`, the way in from the internet; an instance needs `ways_out` to fetch what it runs.
    CloudFormation creates unrelated resources in any order, so dependents must name both explicitly.
    """

    vpc: str
    public: tuple[str, ...]
    private: tuple[str, ...]
    instances: tuple[str, ...]
    routes: tuple[str, ...]
    gateway: cdk.CfnResource
    ways_out: tuple[cdk.CfnResource, ...]


def build(site: Site) -> Network:
    """The network, except what depends on services."""
    stack, plan = site.stack, site.aws.network
    vpc = ec2.CfnVPC(
        stack,
        "Vpc",
        cidr_block=plan.cidr,
        enable_dns_hostnames=True,
        enable_dns_support=True,
        instance_tenancy="default",
        tags=_named(site.name("vpc")),
    )
    public_routes, gateway = _public_way_out(site, vpc)
    public: list[str] = []
    private: list[str] = []
    tables: list[str] = []
    ways_out: list[cdk.CfnResource] = [gateway]
    nat: ec2.CfnNatGateway | None = None
    for index, (place, zone) in enumerate(site.zones.items()):
        outside = _subnet(site, vpc, "Public", zone, place=place, cidr=plan.public_subnets[index])
        inside = _subnet(site, vpc, "Private", zone, place=place, cidr=plan.private_subnets[index])
        ways_out.append(_associated(site, "Public", zone, public_routes, outside))
        if plan.nat is Nat.ZONE or (plan.nat is Nat.ONE and nat is None):
            nat = _nat_gateway(site, zone, outside, gateway)
        table, *way_out = _private_routes(site, vpc, zone, inside, nat)
        ways_out += way_out
        tables.append(table.ref)
        public.append(outside.ref)
        private.append(inside.ref)
    _flow_log(site, vpc)
    return Network(
        vpc=vpc.ref,
        public=tuple(public),
        private=tuple(private),
        instances=tuple(public if site.exposed else private),
        routes=(public_routes,) if site.exposed else tuple(tables),
        gateway=gateway,
        ways_out=tuple(ways_out),
    )


def with_endpoints(site: Site, network: Network, *, group: str | None) -> Network:
    """The network with endpoints, which reach AWS services without crossing the internet.

    `group` is the security group of the interface endpoints.
    """
    made = [_endpoint(site, network, each, "Gateway", route_table_ids=list(network.routes)) for each in GATEWAYS]
    wanted = ("ecr.api", "ecr.dkr", "logs") if site.has_images else ("logs",)
    reached = {"private_dns_enabled": True, "subnet_ids": list(network.private), "security_group_ids": [group]}
    made += [_endpoint(site, network, each, "Interface", **reached) for each in wanted if site.aws.network.endpoints]
    return replace(network, ways_out=(*network.ways_out, *made))


def _endpoint(site: Site, network: Network, service: str, kind: str, **reached: Any) -> ec2.CfnVPCEndpoint:
    return ec2.CfnVPCEndpoint(
        site.stack,
        logical(*service.split("."), "Endpoint"),
        vpc_id=network.vpc,
        service_name=f"com.amazonaws.{site.region}.{service}",
        vpc_endpoint_type=kind,
        policy_document=_endpoint_policy(site, service),
        **reached,
    )


def _endpoint_policy(site: Site, service: str) -> iam.PolicyDocument:
    """Only callers of this account; at S3 also anybody who reads what AWS itself keeps there.

    Packages of Amazon Linux are read without a name, and layers of images by ECR's.
    https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
    """
    document = iam.PolicyDocument(
        statements=[
            iam.PolicyStatement(
                principals=[iam.AnyPrincipal()],
                actions=[f"{service.split('.', maxsplit=1)[0]}:*"],
                resources=["*"],
                conditions={"StringEquals": {"aws:PrincipalAccount": cdk.Aws.ACCOUNT_ID}},
            )
        ]
    )
    if service == "s3":
        theirs = (f"al2023-repos-{site.region}-*", f"prod-{site.region}-starport-layer-bucket")
        document.add_statements(
            iam.PolicyStatement(
                principals=[iam.AnyPrincipal()],
                actions=["s3:GetObject"],
                resources=[f"arn:aws:s3:::{bucket}/*" for bucket in theirs],
            )
        )
    return document


def _named(name: str) -> list[cdk.CfnTag]:
    return [cdk.CfnTag(key="Name", value=name)]


def _subnet(site: Site, vpc: ec2.CfnVPC, kind: str, zone: str, *, place: str, cidr: str) -> ec2.CfnSubnet:
    return ec2.CfnSubnet(
        site.stack,
        logical(kind, zone, "Subnet"),
        vpc_id=vpc.ref,
        cidr_block=cidr,
        availability_zone=place,
        map_public_ip_on_launch=False,
        tags=_named(site.name(kind.lower(), zone)),
    )


def _public_way_out(site: Site, vpc: ec2.CfnVPC) -> tuple[str, ec2.CfnRoute]:
    """The public route table and its route to the internet, which needs the gateway attached."""
    gateway = ec2.CfnInternetGateway(site.stack, "InternetGateway", tags=_named(site.name("internet")))
    attached = ec2.CfnVPCGatewayAttachment(
        site.stack, "InternetGatewayAttachment", vpc_id=vpc.ref, internet_gateway_id=gateway.ref
    )
    table = ec2.CfnRouteTable(site.stack, "PublicRoutes", vpc_id=vpc.ref, tags=_named(site.name("public")))
    route = ec2.CfnRoute(
        site.stack,
        "PublicDefaultRoute",
        route_table_id=table.ref,
        destination_cidr_block="0.0.0.0/0",
        gateway_id=gateway.ref,
    )
    route.node.add_dependency(attached)
    return str(table.ref), route


def _nat_gateway(site: Site, zone: str, outside: ec2.CfnSubnet, gateway: cdk.CfnResource) -> ec2.CfnNatGateway:
    """A zone's NAT gateway and its address, which both need the internet gateway first."""
    address = ec2.CfnEIP(site.stack, logical("Nat", zone, "Address"), domain="vpc", tags=_named(site.name("nat", zone)))
    nat = ec2.CfnNatGateway(
        site.stack,
        logical("Nat", zone),
        allocation_id=address.attr_allocation_id,
        connectivity_type="public",
        subnet_id=outside.ref,
        tags=_named(site.name("nat", zone)),
    )
    for needy in (address, nat):
        needy.node.add_dependency(gateway)
    return nat


def _private_routes(
    site: Site, vpc: ec2.CfnVPC, zone: str, inside: ec2.CfnSubnet, nat: ec2.CfnNatGateway | None
) -> list[Any]:
    """A private subnet's route table, its association and, by a NAT gateway, its default route."""
    name = ("Private", zone)
    table = ec2.CfnRouteTable(
        site.stack, logical(*name, "Routes"), vpc_id=vpc.ref, tags=_named(site.name("private", zone))
    )
    made = [table, _associated(site, *name, table.ref, inside)]
    if nat is not None:
        made.append(
            ec2.CfnRoute(
                site.stack,
                logical(*name, "DefaultRoute"),
                route_table_id=table.ref,
                destination_cidr_block="0.0.0.0/0",
                nat_gateway_id=nat.ref,
            )
        )
    return made


def _associated(site: Site, kind: str, zone: str, table: str, subnet: ec2.CfnSubnet) -> cdk.CfnResource:
    return ec2.CfnSubnetRouteTableAssociation(
        site.stack, logical(kind, zone, "Association"), route_table_id=table, subnet_id=subnet.ref
    )


def _flow_log(site: Site, vpc: ec2.CfnVPC) -> None:
    """If the file asks for it, a record of who talked to whom, kept as long as the other logs."""
    if not site.aws.network.flow_log:
        return
    group = site.log_group("Flow")
    role = site.role("FlowLogRole", "vpc-flow-logs")
    allow(role, ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"], [group.attr_arn])
    ec2.CfnFlowLog(
        site.stack,
        "FlowLog",
        resource_id=vpc.ref,
        resource_type="VPC",
        traffic_type="ALL",
        log_destination_type="cloud-watch-logs",
        log_group_name=group.ref,
        deliver_logs_permission_arn=role.role_arn,
        max_aggregation_interval=600,
    )
