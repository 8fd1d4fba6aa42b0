"""Rows of the application, its place on AWS, its stores and its pipeline."""

from __future__ import annotations

from . import regions
from .row import PARTS, by_compute, no, on_aws, yes

AWS_ONLY = no("AWS only; it sets nothing here")

ROWS = (
    on_aws("Application.name", yes("state directory, journal"), yes("stack, part of every name")),
    on_aws("Application.services", PARTS, PARTS),
    on_aws("Application.stores", PARTS, PARTS),
    on_aws("Application.listener", PARTS, PARTS),
    on_aws("Application.zones", yes("labels of instances, spread evenly"), yes("one pair of subnets each")),
    on_aws("Application.pipeline", PARTS, PARTS),
    on_aws("Application.observe", PARTS, PARTS),
    on_aws(
        "Application.boundary",
        yes("closed: network namespaces, a user per service"),
        yes("closed always: security groups, private subnets, a role per service"),
    ),
    on_aws("Application.aws", AWS_ONLY, PARTS),
    *regions.ROWS,
    on_aws("Pipeline.branch", yes("the branch that deploys when pushed"), yes("source action, trigger")),
    on_aws(
        "Pipeline.connection_arn",
        no("the repository is local here; a connection is how AWS reaches GitHub"),
        yes("source action CodeStarSourceConnection"),
    ),
    on_aws(
        "Pipeline.repository",
        no("the repository is local here"),
        yes("CodeCommit repository, or OWNER/NAME behind the connection"),
    ),
    on_aws(
        "Observe.otlp",
        yes("the balancer's spans, OTEL variables of every instance"),
        no("not set on AWS; put the collector in `env`"),
    ),
    on_aws(
        "Observe.log_retention_days",
        no("logs are limited by size here, not by age"),
        yes("RetentionInDays of every log group, expiry of the log bucket"),
    ),
    on_aws("Aws.region", AWS_ONLY, yes("the region; of several the primary one, which also has the pipeline")),
    on_aws("Aws.compute", AWS_ONLY, yes("Auto Scaling groups or ECS services")),
    by_compute(
        "Aws.machine", AWS_ONLY, yes("InstanceType of the launch template"), no("tasks have no machine; use `size`")
    ),
    by_compute(
        "Aws.package",
        AWS_ONLY,
        yes("an archive that user data builds, or an image that it pulls"),
        no("a task is always an image", accepted=("archive", "image")),
    ),
    on_aws("Aws.domain", AWS_ONLY, yes("Route 53 record, certificate")),
    by_compute(
        "Aws.spot_percent",
        AWS_ONLY,
        yes("OnDemandPercentageAboveBaseCapacity; the minimum stays on demand"),
        yes("weight of FARGATE_SPOT; the minimum stays on FARGATE"),
    ),
    on_aws("Aws.monthly_budget_usd", AWS_ONLY, yes("BudgetLimit")),
    on_aws("Aws.alarm_email", AWS_ONLY, yes("subscription to the alarm topic")),
    on_aws("Aws.health_interval_s", AWS_ONLY, yes("HealthCheckIntervalSeconds, instead of the service's")),
    on_aws("Aws.trail", AWS_ONLY, yes("CloudTrail in the first region")),
    on_aws("Aws.network", AWS_ONLY, PARTS),
    on_aws("Network.cidr", AWS_ONLY, yes("CidrBlock of the VPC")),
    on_aws("Network.public_subnets", AWS_ONLY, yes("balancer and NAT gateways; instances without any")),
    on_aws("Network.private_subnets", AWS_ONLY, yes("instances and stores")),
    on_aws("Network.nat", AWS_ONLY, yes("NAT gateways; without any, public addresses of instances")),
    on_aws("Network.endpoints", AWS_ONLY, yes("interface endpoints of ECR and logs")),
    on_aws("Network.flow_log", AWS_ONLY, yes("AWS::EC2::FlowLog of the VPC")),
    on_aws("Store.name", yes("variable NAME_URL"), yes("variable NAME_URL, part of the resource name")),
    on_aws("Store.kind", yes("SQLite, Redis, directory"), yes("DynamoDB, ElastiCache, S3")),
    on_aws("Store.key", yes("`key` of the URL"), yes("KeySchema, and `key` of the URL")),
    on_aws(
        "Store.ttl",
        no("SQLite deletes nothing by itself; skip expired rows in the application, as on AWS until their deletion"),
        yes("TimeToLiveSpecification"),
    ),
    on_aws(
        "Store.replicas",
        no("one server here; a replica on the same machine would fail with it"),
        yes("NumCacheClusters - 1; with at least one, Multi-AZ and automatic failover"),
    ),
    on_aws(
        "Store.archive_after_s",
        no("a directory has no cheaper storage class"),
        yes("lifecycle rule to GLACIER_IR, in whole days; archived objects are still readable at once"),
    ),
    on_aws(
        "Store.replicate",
        yes("objects and rows are brought to the other regions' directories and files, the last writer wins"),
        yes("ReplicationConfiguration of the buckets, or a global table"),
    ),
    on_aws("KeyField.name", yes("`key` of the URL"), yes("AttributeName")),
    on_aws("KeyField.type", yes("`key` of the URL"), yes("AttributeType S or N")),
)
