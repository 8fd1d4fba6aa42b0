"""The pipeline's CodeBuild projects: what each runs, and a role that allows exactly that."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs

from flyball.core.model import Service

from . import buildspec, rollout
from .site import APPLICATION_TAG, Site, bucket_name, logical

BUILD_IMAGE = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
BUILD_MACHINE = "BUILD_GENERAL1_SMALL"


def repository_uri(site: Site, service: Service, region: str) -> str:
    """The repository of a service's images."""
    return f"{cdk.Aws.ACCOUNT_ID}.dkr.ecr.{region}.amazonaws.com/{site.app.name}/{service.name}"


def image_project(site: Site) -> codebuild.CfnProject:
    """Builds, tests and pushes the images of all services to every region."""
    uris = {
        service.name: [(region, repository_uri(site, service, region)) for region in site.app.region_names]
        for service in site.app.services
    }
    push = (
        "BatchCheckLayerAvailability",
        "BatchGetImage",
        "CompleteLayerUpload",
        "DescribeImages",
        "GetDownloadUrlForLayer",
        "InitiateLayerUpload",
        "PutImage",
        "UploadLayerPart",
    )
    repositories = [
        f"arn:aws:ecr:{region}:{cdk.Aws.ACCOUNT_ID}:repository/{site.app.name}/{service.name}"
        for region in site.app.region_names
        for service in site.app.services
    ]
    statements = [
        iam.PolicyStatement(actions=[f"ecr:{verb}" for verb in push], resources=repositories),
        # ecr:GetAuthorizationToken takes no resource; AWS allows it only on "*".
        iam.PolicyStatement(actions=["ecr:GetAuthorizationToken"], resources=["*"]),
    ]
    return _project(site, "Build", buildspec.for_images(site.app, uris), statements, privileged=True)


def archive_project(site: Site) -> codebuild.CfnProject:
    """Builds and tests all services, and stores their sources where machines fetch them."""
    buckets = [(region, bucket_name(site.app, "releases", region)) for region in site.app.region_names]
    statement = iam.PolicyStatement(
        actions=["s3:PutObject"], resources=[f"arn:aws:s3:::{bucket}/*" for _, bucket in buckets]
    )
    return _project(site, "Build", buildspec.for_archives(site.app, buckets), [statement], privileged=False)


def refresh_project(site: Site, alarms: dict[str, list[str]]) -> codebuild.CfnProject:
    """Starts the instance refreshes and waits for them; `alarms` as in `pipeline.build`."""
    groups = [
        (site.name(service.name), region, rollout.refresh_preferences(service, alarms[service.name]))
        for region in site.app.region_names
        for service in site.app.services
    ]
    account = cdk.Aws.ACCOUNT_ID
    names = [
        f"arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/{group}"
        for group, region, _ in groups
    ]
    templates = [f"arn:aws:ec2:{region}:{account}:launch-template/*" for region in site.app.region_names]
    ours = {"StringEquals": {f"aws:ResourceTag/{APPLICATION_TAG}": site.app.name}}
    statements = [
        iam.PolicyStatement(actions=["autoscaling:StartInstanceRefresh"], resources=names),
        iam.PolicyStatement(actions=["ec2:CreateLaunchTemplateVersion"], resources=templates, conditions=ours),
        # Describe calls of EC2 and Auto Scaling take no resource; a refresh reads alarms with its caller's rights.
        iam.PolicyStatement(
            actions=[
                "autoscaling:DescribeAutoScalingGroups",
                "autoscaling:DescribeInstanceRefreshes",
                "cloudwatch:DescribeAlarms",
                "ec2:DescribeLaunchTemplateVersions",
            ],
            resources=["*"],
        ),
        # A refresh to a new template version checks that its caller may start such a machine: by a template, and only
        # by one of this application. https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html
        iam.PolicyStatement(actions=["ec2:RunInstances"], resources=templates, conditions=ours),
        iam.PolicyStatement(
            actions=["ec2:RunInstances"],
            not_resources=[template.replace(account, "*") for template in templates],
            conditions={"ArnLike": {"ec2:LaunchTemplate": templates}},
        ),
        iam.PolicyStatement(
            actions=["ec2:CreateTags"],
            resources=[f"arn:aws:ec2:*:{account}:*/*"],
            conditions={"StringEquals": {"ec2:CreateAction": "RunInstances"}},
        ),
        iam.PolicyStatement(
            actions=["iam:PassRole"],
            resources=[site.roles],
            conditions={"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
    ]
    return _project(site, "Rollout", buildspec.for_refresh(groups), statements, privileged=False)


def _project(
    site: Site, name: str, specification: str, statements: list[iam.PolicyStatement], *, privileged: bool
) -> codebuild.CfnProject:
    """A CodeBuild project with its log and role. Docker needs `privileged`."""
    made = codebuild.CfnProject
    group = logs.CfnLogGroup(
        site.stack,
        logical(name, "LogGroup"),
        log_group_name=f"/flyball/{site.app.name}/pipeline/{name.lower()}",
        kms_key_id=site.key.attr_arn,
        retention_in_days=site.app.observe.log_retention_days,
    )
    group.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
    role = iam.Role(site.stack, logical(name, "Role"), assumed_by=iam.ServicePrincipal("codebuild.amazonaws.com"))
    artifacts = f"arn:aws:s3:::{site.bucket_name('artifacts')}/*"
    role.add_to_policy(
        iam.PolicyStatement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[group.attr_arn])
    )
    role.add_to_policy(
        iam.PolicyStatement(actions=["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"], resources=[artifacts])
    )
    for statement in statements:
        role.add_to_policy(statement)
    project = made(
        site.stack,
        logical(name, "Project"),
        name=site.name(name.lower()),
        description=f"{site.app.name}: {name.lower()}",
        service_role=role.role_arn,
        artifacts=made.ArtifactsProperty(type="CODEPIPELINE"),
        source=made.SourceProperty(type="CODEPIPELINE", build_spec=specification),
        cache=made.ProjectCacheProperty(type="NO_CACHE"),
        concurrent_build_limit=1,
        encryption_key="alias/aws/s3",
        environment=made.EnvironmentProperty(
            type="LINUX_CONTAINER",
            image=BUILD_IMAGE,
            image_pull_credentials_type="CODEBUILD",
            compute_type=BUILD_MACHINE,
            privileged_mode=privileged,
        ),
        logs_config=made.LogsConfigProperty(
            cloud_watch_logs=made.CloudWatchLogsConfigProperty(status="ENABLED", group_name=group.ref)
        ),
        queued_timeout_in_minutes=60,
        timeout_in_minutes=120,
        visibility="PRIVATE",
    )
    project.node.add_dependency(role.node.find_child("DefaultPolicy"))
    return project
