"""Data services: DynamoDB tables, ElastiCache Redis, S3 buckets, and an instance's rights to each.

A store's URL has the same form as in a local run. All stores outlive the stack (Redis as a final snapshot) and have
fixed names, so that a later deployment takes them over.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/import-resources-automatically.html
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_elasticache as elasticache
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_secretsmanager as secretsmanager

from flyball.core.model import Store, StoreKind

from .network import Network
from .site import Site, allow, bucket_name, logical, statement

CACHE_NODE = "cache.t4g.micro"
REDIS_VERSION = "7.1"
DAY_S = 86400.0
TABLE_ACTIONS = (
    "dynamodb:BatchGetItem",
    "dynamodb:BatchWriteItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:DescribeTable",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:UpdateItem",
)
OBJECT_ACTIONS = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
)
BUCKET_ACTIONS = ("s3:ListBucket", "s3:ListBucketMultipartUploads")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreThere:
    """A store as an instance sees it: its URL, or the ARN of the secret that holds the URL."""

    variable: str
    url: str | None
    secret: str | None
    grants: tuple[iam.PolicyStatement, ...]


def build(site: Site, network: Network, *, redis_group: str | None, logs_bucket: s3.Bucket) -> dict[str, StoreThere]:
    """All stores of the application in this region, by name."""
    there: dict[str, StoreThere] = {}
    for store in site.app.stores:
        match store.kind:
            case StoreKind.TABLE:
                there[store.name] = _table(site, store)
            case StoreKind.BUCKET:
                there[store.name] = _bucket(site, store, logs_bucket)
            case StoreKind.REDIS if redis_group is not None:
                there[store.name] = _redis(site, network, store, redis_group)
            case StoreKind.REDIS:
                pass  # no service uses it, so nobody could reach it
    return there


def table_url(site: Site, store: Store) -> str:
    """`dynamodb://TABLE?region=R&key=name:type,...`."""
    key = ",".join(f"{field.name}:{field.type}" for field in store.key)
    return f"dynamodb://{site.name(store.name)}?region={site.region}&key={key}"


def _table(site: Site, store: Store) -> StoreThere:
    """On demand, encrypted with an AWS managed key, restorable to any second of the last 35 days.

    One that is replicated is a global table, created in the first region.
    """
    name = site.name(store.name)
    if _is_replicated(site, store):
        _global_table(site, store, name)
    else:
        _regional_table(site, store, name)
    arn = f"arn:aws:dynamodb:{site.region}:{cdk.Aws.ACCOUNT_ID}:table/{name}"
    return StoreThere(
        variable=store.variable,
        url=table_url(site, store),
        secret=None,
        grants=(statement(TABLE_ACTIONS, [arn]),),
    )


def _is_replicated(site: Site, store: Store) -> bool:
    return store.replicate and len(site.app.region_names) > 1


def _regional_table(site: Site, store: Store, name: str) -> None:
    made = dynamodb.CfnTable
    table = made(
        site.stack,
        logical(store.name, "Table"),
        **_same(made, store, name),
        point_in_time_recovery_specification=made.PointInTimeRecoverySpecificationProperty(
            point_in_time_recovery_enabled=True
        ),
        deletion_protection_enabled=False,
        table_class="STANDARD",
    )
    table.apply_removal_policy(cdk.RemovalPolicy.RETAIN)


def _global_table(site: Site, store: Store, name: str) -> None:
    if not site.primary:
        return
    made = dynamodb.CfnGlobalTable
    table = made(
        site.stack,
        logical(store.name, "Table"),
        **_same(made, store, name),
        stream_specification=made.StreamSpecificationProperty(stream_view_type="NEW_AND_OLD_IMAGES"),
        replicas=[
            made.ReplicaSpecificationProperty(
                region=region,
                point_in_time_recovery_specification=made.PointInTimeRecoverySpecificationProperty(
                    point_in_time_recovery_enabled=True
                ),
                deletion_protection_enabled=False,
                table_class="STANDARD",
            )
            for region in site.app.region_names
        ],
    )
    table.apply_removal_policy(cdk.RemovalPolicy.RETAIN)


def _same(made: Any, store: Store, name: str) -> dict[str, Any]:
    """What both kinds of table have; `made` holds the classes of the kind."""
    keys = [
        (field.name, field.type[0].upper(), role) for field, role in zip(store.key, ("HASH", "RANGE"), strict=False)
    ]
    lives = store.ttl and made.TimeToLiveSpecificationProperty(attribute_name=store.ttl, enabled=True)
    return {
        "table_name": name,
        "billing_mode": "PAY_PER_REQUEST",
        "attribute_definitions": [
            made.AttributeDefinitionProperty(attribute_name=field, attribute_type=kind) for field, kind, _ in keys
        ],
        "key_schema": [made.KeySchemaProperty(attribute_name=field, key_type=role) for field, _, role in keys],
        "time_to_live_specification": lives,
        "sse_specification": made.SSESpecificationProperty(sse_enabled=True, sse_type="KMS"),
    }


def _bucket(site: Site, store: Store, logs_bucket: s3.Bucket) -> StoreThere:
    """Private, encrypted, versioned; old objects move to Glacier, unfinished uploads are deleted after a week."""
    name = site.bucket_name(store.name)
    rules = [
        s3.LifecycleRule(
            id="clean-up",
            enabled=True,
            abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
            noncurrent_version_expiration=cdk.Duration.days(30),
        )
    ]
    if store.archive_after_s is not None:
        rules.append(s3.LifecycleRule(id="archive", enabled=True, transitions=[_to_glacier(store.archive_after_s)]))
    bucket = site.bucket(store.name, rules, logs_bucket=logs_bucket)
    if _is_replicated(site, store):
        _replicate(site, store, bucket)
    arn = f"arn:aws:s3:::{name}"
    return StoreThere(
        variable=store.variable,
        url=f"s3://{name}?region={site.region}",
        secret=None,
        grants=(statement(BUCKET_ACTIONS, [arn]), statement(OBJECT_ACTIONS, [f"{arn}/*"])),
    )


def archive_days(seconds: float) -> int:
    """Whole days, as S3 counts."""
    return max(1, math.ceil(seconds / DAY_S))


def _to_glacier(seconds: float) -> s3.Transition:
    """To Glacier Instant Retrieval, the only Glacier class from which an application can read directly."""
    return s3.Transition(
        storage_class=s3.StorageClass.GLACIER_INSTANT_RETRIEVAL,
        transition_after=cdk.Duration.days(archive_days(seconds)),
    )


def _replicate(site: Site, store: Store, bucket: s3.Bucket) -> None:
    """Copies every object to the other regions' buckets, from the second deployment on, and measures how far behind.

    Each region's bucket replicates into the others', which must exist first. So the first deployment creates the
    buckets and the second connects them; `flyball aws deploy` does both.
    """
    others = [region for region in site.app.region_names if region != site.region]
    arns = [f"arn:aws:s3:::{bucket_name(site.app, store.name, region)}" for region in others]
    role = site.role(logical(store.name, "ReplicationRole"), "s3")
    for actions, resources in (
        (("s3:GetReplicationConfiguration", "s3:ListBucket"), [bucket.bucket_arn]),
        (
            ("s3:GetObjectVersionAcl", "s3:GetObjectVersionForReplication", "s3:GetObjectVersionTagging"),
            [bucket.arn_for_objects("*")],
        ),
        (("s3:ReplicateDelete", "s3:ReplicateObject", "s3:ReplicateTags"), [f"{arn}/*" for arn in arns]),
    ):
        allow(role, actions, resources)
    configuration = {
        "Role": role.role_arn,
        "Rules": [
            {
                "Id": f"to-{region}",
                "Priority": index,
                "Status": "Enabled",
                "Filter": {"Prefix": ""},
                "DeleteMarkerReplication": {"Status": "Enabled"},
                "Destination": {"Bucket": arn, "StorageClass": "STANDARD", "Metrics": {"Status": "Enabled"}},
            }
            for index, (region, arn) in enumerate(zip(others, arns, strict=True))
        ],
    }
    raw: s3.CfnBucket = bucket.node.default_child
    raw.add_property_override(
        "ReplicationConfiguration",
        cdk.Fn.condition_if(site.first_deploy.logical_id, cdk.Aws.NO_VALUE, configuration),
    )


def _redis(site: Site, network: Network, store: Store, group: str) -> StoreThere:
    """A primary and `replicas` copies in other zones, with automatic failover, TLS and a password.

    The whole URL, with the password, is one secret: instances get it; the template and the console do not show it.
    """
    stack = site.stack
    subnets = elasticache.CfnSubnetGroup(
        stack,
        logical(store.name, "Subnets"),
        description=f"{site.app.name}: {store.name}",
        subnet_ids=list(network.private),
    )
    password = secretsmanager.CfnSecret(
        stack,
        logical(store.name, "Password"),
        description=f"{site.app.name}: password of {store.name}",
        kms_key_id=site.key.attr_arn,
        generate_secret_string=secretsmanager.CfnSecret.GenerateSecretStringProperty(
            exclude_punctuation=True, include_space=False, password_length=48
        ),
    )
    resolved = f"{{{{resolve:secretsmanager:{password.ref}:SecretString}}}}"
    several = store.replicas > 0
    cache = elasticache.CfnReplicationGroup(
        stack,
        logical(store.name, "Redis"),
        replication_group_id=site.name(store.name),
        replication_group_description=f"{site.app.name}: {store.name}",
        engine="redis",
        engine_version=REDIS_VERSION,
        cache_node_type=CACHE_NODE,
        cache_parameter_group_name="default.redis7",
        cache_subnet_group_name=subnets.ref,
        security_group_ids=[group],
        num_cache_clusters=1 + store.replicas,
        automatic_failover_enabled=several,
        multi_az_enabled=several,
        at_rest_encryption_enabled=True,
        transit_encryption_enabled=True,
        transit_encryption_mode="required",
        auth_token=resolved,
        auto_minor_version_upgrade=True,
        port=6379,
        snapshot_retention_limit=7,
        snapshot_window="03:00-04:00",
        preferred_maintenance_window="sun:04:30-sun:05:30",
    )
    cache.apply_removal_policy(cdk.RemovalPolicy.SNAPSHOT)
    through = f"secretsmanager.{site.region}.amazonaws.com"
    address = secretsmanager.CfnSecret(
        stack,
        logical(store.name, "Url"),
        description=f"{site.app.name}: {store.variable}",
        kms_key_id=site.key.attr_arn,
        secret_string=f"rediss://:{resolved}@{cache.attr_primary_end_point_address}:6379/0",
    )
    return StoreThere(
        variable=store.variable,
        url=None,
        secret=address.ref,
        grants=(
            statement(["secretsmanager:GetSecretValue"], [address.ref]),
            statement(["kms:Decrypt"], [site.key.attr_arn], {"StringEquals": {"kms:ViaService": through}}),
        ),
    )
