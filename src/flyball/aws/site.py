"""Where resources go: one stack per region, and what all its parts share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3

from flyball.core.model import Application, Aws, Compute, HealthCheck, Nat, Service

from .names import EC2_PORT, FARGATE_PORT, NOTHING, bucket, logical, running_parameter
from .runtimes import as_image

__all__ = [
    "APPLICATION_TAG",
    "SERVICE_TAG",
    "Site",
    "allow",
    "bucket_name",
    "instance_service",
    "logical",
    "open_site",
    "running",
    "statement",
    "trail_arn",
]

APPLICATION_TAG = "flyball:application"
"""The tag of everything the application owns; rights and the budget depend on it."""
SERVICE_TAG = "flyball:service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One region of the application. The condition `first_deploy` is true while the stack is created.

    `key` encrypts logs, the alarm topic and build artifacts; `file` is the digest of flyball.toml, None without one.
    """

    stack: cdk.Stack
    app: Application
    aws: Aws
    region: str
    key: kms.CfnKey
    file: str | None
    first_deploy: cdk.CfnCondition

    @property
    def primary(self) -> bool:
        """Whether this is the first region, which has everything that exists once: pipeline, trail, global tables."""
        return self.region == self.app.region_names[0]

    @property
    def on_fargate(self) -> bool:
        """Whether instances are tasks, not machines."""
        return self.aws.compute is Compute.FARGATE

    @property
    def has_images(self) -> bool:
        """Whether some releases are images."""
        return any(as_image(self.aws, service) for service in self.app.services)

    @property
    def exposed(self) -> bool:
        """Whether instances have public addresses, because there is no NAT gateway."""
        return self.aws.network.nat is Nat.NONE

    @property
    def instance_subnets(self) -> tuple[str, ...]:
        """The address ranges in which instances are."""
        plan = self.aws.network
        return (plan.public_subnets if self.exposed else plan.private_subnets)[: len(self.app.zones)]

    @property
    def port(self) -> int:
        """The port on which instances listen: $PORT."""
        return FARGATE_PORT if self.on_fargate else EC2_PORT

    @property
    def zones(self) -> dict[str, str]:
        """The region's zones, as CDK tokens, to the file's names: sorted, so that their order in the file is free."""
        return {cdk.Fn.select(index, cdk.Fn.get_azs()): name for index, name in enumerate(sorted(self.app.zones))}

    def health(self, service: Service) -> HealthCheck:
        """The balancer's check, with the interval that it has there."""
        return replace(service.health, interval_s=self.aws.health_interval_s or service.health.interval_s)

    def role_path(self, service: Service) -> str:
        """The path of the roles of a service's instances; rights to pass a role are limited to it."""
        return f"/{self.app.name}/{service.name}/"

    def roles(self, service: Service) -> str:
        """The ARN of all roles at that path."""
        return f"arn:aws:iam::{cdk.Aws.ACCOUNT_ID}:role{self.role_path(service)}*"

    def name(self, *parts: str) -> str:
        """A physical name: the application's name and the parts, joined by hyphens."""
        return "-".join((self.app.name, *parts))

    def bucket_name(self, purpose: str) -> str:
        """A globally unique bucket name: application, purpose, account, region."""
        return bucket_name(self.app, purpose, self.region)

    def bucket(
        self, purpose: str, rules: Iterable[s3.LifecycleRule], *, logs_bucket: s3.Bucket | None = None
    ) -> s3.Bucket:
        """A bucket that outlives the stack: private, encrypted, versioned; its accesses are logged in `logs_bucket`.

        Its name is fixed, so that the next deployment takes over what a failed one or `destroy` leaves.
        """
        return s3.Bucket(
            self.stack,
            logical(purpose, "Bucket"),
            bucket_name=self.bucket_name(purpose),
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            lifecycle_rules=list(rules),
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            removal_policy=cdk.RemovalPolicy.RETAIN,
            server_access_logs_bucket=logs_bucket,
            server_access_logs_prefix=None if logs_bucket is None else f"s3/{purpose}/",
            versioned=True,
        )

    def log_group(self, name: str, called: str | None = None) -> logs.CfnLogGroup:
        """A log group: encrypted, with the file's retention, gone with the stack."""
        group = logs.CfnLogGroup(
            self.stack,
            logical(name, "LogGroup"),
            log_group_name=called,
            kms_key_id=self.key.attr_arn,
            retention_in_days=self.app.observe.log_retention_days,
        )
        group.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
        return group

    def parameter(self, name: str, default: str | int | None, what: str, *, kind: str = "String") -> cdk.CfnParameter:
        """A parameter of the stack; a second call with the same name returns the same one."""
        known = self.stack.node.try_find_child(name)
        if isinstance(known, cdk.CfnParameter):
            return known
        return cdk.CfnParameter(self.stack, name, type=kind, default=default, description=what)

    def role(self, name: str, of: str, what: str | None = None, *, service: Service | None = None) -> iam.Role:
        """A role for the AWS service `of`; an instance's has the path of its service."""
        return iam.Role(
            self.stack,
            name,
            assumed_by=iam.ServicePrincipal(f"{of}.amazonaws.com"),
            path=None if service is None else self.role_path(service),
            description=what,
        )


def allow(
    role: iam.Role, actions: Iterable[str], resources: Iterable[str] = ("*",), conditions: Mapping[str, object] = {}
) -> None:
    """Lets a role do `actions` on `resources`; "*" is for what takes no resource on AWS, or with a condition."""
    role.add_to_policy(statement(actions, resources, conditions))


def statement(
    actions: Iterable[str],
    resources: Iterable[str] = ("*",),
    conditions: Mapping[str, object] = {},
    *,
    to: str | None = None,
    sid: str | None = None,
) -> iam.PolicyStatement:
    """A right; in the policy of a resource, `to` is the AWS service that gets it."""
    return iam.PolicyStatement(
        sid=sid,
        principals=[iam.ServicePrincipal(f"{to}.amazonaws.com")] if to else [],
        actions=list(actions),
        resources=list(resources),
        conditions=dict(conditions),
    )


def bucket_name(app: Application, purpose: str, region: str) -> str:
    """The name of the application's bucket for `purpose` in `region`."""
    return bucket(app.name, purpose, cdk.Aws.ACCOUNT_ID, region)


def trail_arn(app: Application, region: str) -> str:
    """The ARN of the application's trail, which its bucket and key need before it exists."""
    return f"arn:aws:cloudtrail:{region}:{cdk.Aws.ACCOUNT_ID}:trail/{app.name}-trail"


def open_stack(scope: cdk.App, name: str, region: str, what: str) -> cdk.Stack:
    """An empty stack, which needs no bucket of the CDK's."""
    return cdk.Stack(
        scope,
        name,
        env=cdk.Environment(region=region),
        description=what,
        synthesizer=cdk.BootstraplessSynthesizer(),
        analytics_reporting=False,
    )


def open_site(scope: cdk.App, app: Application, aws: Aws, region: str, *, file: str | None = None) -> Site:
    """An empty stack for one region, with its key and the parameter that marks the first deployment."""
    stack = open_stack(scope, f"{app.name}-{region}", region, f"{app.name} in {region}, made by Flyball from its file")
    cdk.Tags.of(stack).add(APPLICATION_TAG, app.name)
    phase = cdk.CfnParameter(
        stack,
        "FirstDeploy",
        type="String",
        default="yes",
        allowed_values=["yes", "no"],
        description="yes while the stack is created; no later, so that an update never undoes what scaling decided",
    )
    first = cdk.CfnCondition(stack, "IsFirstDeploy", expression=cdk.Fn.condition_equals(phase.value_as_string, "yes"))
    key = _key(stack, app, region)
    return Site(stack=stack, app=app, aws=aws, region=region, key=key, file=file, first_deploy=first)


def _key(stack: cdk.Stack, app: Application, region: str) -> kms.CfnKey:
    """One key for everything AWS services write: logs, alarms, trail."""
    owner = iam.PolicyStatement(
        sid="AccountGovernsKey",
        principals=[iam.ArnPrincipal(f"arn:aws:iam::{cdk.Aws.ACCOUNT_ID}:root")],
        actions=["kms:*"],
        resources=["*"],
    )
    of_logs = {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{region}:{cdk.Aws.ACCOUNT_ID}:*"}
    own = {"StringEquals": {"aws:SourceAccount": cdk.Aws.ACCOUNT_ID}}
    of_trail = {"StringEquals": {"aws:SourceArn": trail_arn(app, region)}}
    make = ["kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"]
    use = ["kms:Decrypt", "kms:Encrypt", *make, "kms:ReEncryptFrom", "kms:ReEncryptTo"]
    trail = ["kms:GenerateDataKey", "kms:DescribeKey"]
    document = iam.PolicyDocument(
        statements=[
            owner,
            statement(use, conditions={"ArnLike": of_logs}, to=f"logs.{region}", sid="LogsMayEncrypt"),
            statement(["kms:Decrypt", make[0]], conditions=own, to="cloudwatch", sid="AlarmsMayPublish"),
            statement(trail, conditions=of_trail, to="cloudtrail", sid="TrailMayEncrypt"),
        ]
    )
    return kms.CfnKey(
        stack,
        "Key",
        description=f"{app.name}: logs, alarms and trail",
        enable_key_rotation=True,
        pending_window_in_days=30,
        key_policy=document,
    )


def running(site: Site, service: Service, made: str) -> str:
    """What the pipeline has rolled out, as long as deployments leave it alone; else what the stack has `made`.

    Without it, every release would make the next deployment replace all instances by ones that run the same.
    """
    what = f"what the pipeline has rolled out of {service.name} since the stack changed it"
    parameter = site.parameter(running_parameter(service.name), NOTHING, what)
    kept = cdk.CfnCondition(
        site.stack,
        logical(service.name, "Keeps"),
        expression=cdk.Fn.condition_not(cdk.Fn.condition_equals(parameter.value_as_string, NOTHING)),
    )
    chosen: str = cdk.Token.as_string(cdk.Fn.condition_if(kept.logical_id, parameter.value_as_string, made))
    return chosen


def instance_service(site: Site, service: Service, *, url: str) -> dict[str, str]:
    """The variables that describe an instance, as in a local run; `url` is where services reach each other.

    Servers that ignore HOST get their own variable; without it they would listen on 127.0.0.1, out of the balancer's
    reach.
    """
    everywhere = "0.0.0.0"  # noqa: S104 - only the balancer's security group reaches it
    return {
        **dict(service.environment),
        "FLYBALL_APPLICATION": site.app.name,
        "FLYBALL_HEALTH": service.health.path,
        "FLYBALL_SERVICE": service.name,
        "FLYBALL_URL": url,
        "GRANIAN_HOST": everywhere,
        "HOST": everywhere,
        "PORT": str(site.port),
        "PYTHONUNBUFFERED": "1",
        "UVICORN_HOST": everywhere,
    }
