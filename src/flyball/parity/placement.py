"""Rows of the application, its place on AWS, its stores and its pipeline."""

from __future__ import annotations

from .row import PARTS, by_compute, no, on_aws, yes

AWS_ONLY = no("AWS only; it sets nothing here")

ROWS = (
    on_aws("Application.name", local=yes("state directory, journal"), aws=yes("stack, part of every name")),
    on_aws("Application.services", local=PARTS, aws=PARTS),
    on_aws("Application.stores", local=PARTS, aws=PARTS),
    on_aws("Application.listener", local=PARTS, aws=PARTS),
    on_aws("Application.zones", local=yes("labels of instances, spread evenly"), aws=yes("one pair of subnets each")),
    on_aws("Application.pipeline", local=PARTS, aws=PARTS),
    on_aws("Application.observe", local=PARTS, aws=PARTS),
    on_aws("Application.aws", local=AWS_ONLY, aws=PARTS),
    on_aws("Pipeline.branch", local=yes("the branch that deploys when pushed"), aws=yes("source action, trigger")),
    on_aws(
        "Pipeline.connection_arn",
        local=no("the repository is local here; a connection is how AWS reaches GitHub"),
        aws=yes("source action CodeStarSourceConnection"),
    ),
    on_aws(
        "Pipeline.repository",
        local=no("the repository is local here"),
        aws=yes("CodeCommit repository, or OWNER/NAME behind the connection"),
    ),
    on_aws(
        "Observe.otlp",
        local=yes("the balancer's spans, OTEL variables of every instance"),
        aws=no("not set on AWS; put the collector in `env`"),
    ),
    on_aws(
        "Observe.log_retention_days",
        local=no("logs are limited by size here, not by age"),
        aws=yes("RetentionInDays of every log group, expiry of the log bucket"),
    ),
    on_aws("Aws.regions", local=AWS_ONLY, aws=yes("one stack each; the first also has the pipeline and the budget")),
    on_aws("Aws.compute", local=AWS_ONLY, aws=yes("Auto Scaling groups or ECS services")),
    by_compute(
        "Aws.machine",
        local=AWS_ONLY,
        ec2=yes("InstanceType of the launch template"),
        fargate=no("tasks have no machine; use `size`"),
    ),
    on_aws("Aws.domain", local=AWS_ONLY, aws=yes("Route 53 record, certificate")),
    on_aws("Aws.routing", local=AWS_ONLY, aws=yes("Region or Failover of the records")),
    by_compute(
        "Aws.spot_percent",
        local=AWS_ONLY,
        ec2=yes("OnDemandPercentageAboveBaseCapacity; the minimum stays on demand"),
        fargate=yes("weight of FARGATE_SPOT; the minimum stays on FARGATE"),
    ),
    on_aws("Aws.monthly_budget_usd", local=AWS_ONLY, aws=yes("BudgetLimit")),
    on_aws("Aws.alarm_email", local=AWS_ONLY, aws=yes("subscription to the alarm topic")),
    on_aws("Aws.waf", local=AWS_ONLY, aws=yes("managed rule groups in front of the balancer")),
    on_aws("Aws.trail", local=AWS_ONLY, aws=yes("CloudTrail in the first region")),
    on_aws("Aws.network", local=AWS_ONLY, aws=PARTS),
    on_aws("Network.cidr", local=AWS_ONLY, aws=yes("CidrBlock of the VPC")),
    on_aws("Network.public_subnets", local=AWS_ONLY, aws=yes("balancer and NAT gateways")),
    on_aws("Network.private_subnets", local=AWS_ONLY, aws=yes("instances and stores")),
    on_aws("Store.name", local=yes("variable NAME_URL"), aws=yes("variable NAME_URL, part of the resource name")),
    on_aws("Store.kind", local=yes("SQLite, Redis, directory"), aws=yes("DynamoDB, ElastiCache, S3")),
    on_aws("Store.key", local=yes("`key` of the URL"), aws=yes("KeySchema, and `key` of the URL")),
    on_aws(
        "Store.ttl",
        local=no(
            "SQLite deletes nothing by itself; skip expired rows in the application, as on AWS until their deletion"
        ),
        aws=yes("TimeToLiveSpecification"),
    ),
    on_aws(
        "Store.replicas",
        local=no("one server here; a replica on the same machine would fail with it"),
        aws=yes("NumCacheClusters - 1; with at least one, Multi-AZ and automatic failover"),
    ),
    on_aws(
        "Store.archive_after_s",
        local=no("a directory has no cheaper storage class"),
        aws=yes("lifecycle rule to GLACIER_IR, in whole days; archived objects are still readable at once"),
    ),
    on_aws("KeyField.name", local=yes("`key` of the URL"), aws=yes("AttributeName")),
    on_aws("KeyField.type", local=yes("`key` of the URL"), aws=yes("AttributeType S or N")),
)
