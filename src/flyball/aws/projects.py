"""The pipeline's CodeBuild projects: what each runs, and a role that allows exactly that."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_iam as iam

from flyball.core.model import Service

from . import buildspec, preferences, repositories
from .ec2 import architecture
from .runtimes import as_image
from .site import APPLICATION_TAG, SERVICE_TAG, Site, allow, bucket_name, logical, statement

BUILD_MACHINE = "BUILD_GENERAL1_SMALL"
ON = {
    "arm64": ("ARM_CONTAINER", "aws/codebuild/amazonlinux-aarch64-standard:3.0"),
    "x86_64": ("LINUX_CONTAINER", "aws/codebuild/amazonlinux-x86_64-standard:5.0"),
}
"""Kind and image of the build's machine: an image runs on the processor on which it was made."""
PUSH = (
    "BatchCheckLayerAvailability",
    "BatchGetImage",
    "CompleteLayerUpload",
    "DescribeImages",
    "GetDownloadUrlForLayer",
    "InitiateLayerUpload",
    "PutImage",
    "UploadLayerPart",
)


def build_project(site: Site) -> codebuild.CfnProject:
    """Builds and tests all services, and stores what each region starts: images in ECR, archives in S3."""
    images = [service for service in site.app.services if as_image(site.aws, service)]
    uris = {
        service.name: [(region, repositories.uri(site, service, region)) for region in site.app.region_names]
        for service in images
    }
    buckets = [(region, bucket_name(site.app, "releases", region)) for region in site.app.region_names]
    rights = []
    if images:
        arns = [repositories.arn(site, service, region) for region in site.app.region_names for service in images]
        rights.append(statement([f"ecr:{verb}" for verb in PUSH], arns))
        rights.append(statement(["ecr:GetAuthorizationToken"]))  # takes no resource; AWS allows it only on "*"
    if len(images) < len(site.app.services):
        rights.append(statement(["s3:PutObject"], [f"arn:aws:s3:::{bucket}/*" for _, bucket in buckets]))
    specification = buildspec.for_release(site.app, uris, buckets, tasks=site.on_fargate, file=site.file)
    return _project(site, "Build", specification, rights, privileged=bool(images))


def refresh_project(site: Site, service: Service, alarms: list[str]) -> codebuild.CfnProject:
    """Starts a service's instance refreshes and waits for them; `alarms` are the names of its rollout alarms."""
    group, account = site.name(service.name), cdk.Aws.ACCOUNT_ID
    names = [
        f"arn:aws:autoscaling:{region}:{account}:autoScalingGroup:*:autoScalingGroupName/{group}"
        for region in site.app.region_names
    ]
    templates = [f"arn:aws:ec2:{region}:{account}:launch-template/*" for region in site.app.region_names]
    ours = {
        "StringEquals": {
            f"aws:ResourceTag/{APPLICATION_TAG}": site.app.name,
            f"aws:ResourceTag/{SERVICE_TAG}": service.name,
        }
    }
    # Describe calls of EC2 and Auto Scaling take no resource; a refresh reads alarms with its caller's rights.
    describe = (
        "autoscaling:DescribeAutoScalingGroups",
        "autoscaling:DescribeInstanceRefreshes",
        "cloudwatch:DescribeAlarms",
        "ec2:DescribeLaunchTemplateVersions",
    )
    to_machines = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}
    with_them = {"StringEquals": {"ec2:CreateAction": "RunInstances"}}
    rights = [
        statement(["autoscaling:StartInstanceRefresh"], names),
        statement(["ec2:CreateLaunchTemplateVersion"], templates, ours),
        statement(describe),
        # A refresh to a new template version checks that its caller may start such a machine: by a template, and only
        # by one of this service. https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html
        statement(["ec2:RunInstances"], templates, ours),
        iam.PolicyStatement(
            actions=["ec2:RunInstances"],
            not_resources=[template.replace(account, "*") for template in templates],
            conditions={"ArnLike": {"ec2:LaunchTemplate": templates}},
        ),
        statement(["ec2:CreateTags"], [f"arn:aws:ec2:*:{account}:*/*"], with_them),
        statement(["iam:PassRole"], [site.roles(service)], to_machines),
    ]
    specification = buildspec.for_refresh(
        group, site.app.region_names, preferences.refresh_preferences(service, alarms)
    )
    return _project(site, f"{service.name}-rollout", specification, rights, privileged=False)


def _project(
    site: Site, name: str, specification: str, rights: list[iam.PolicyStatement], *, privileged: bool
) -> codebuild.CfnProject:
    """A CodeBuild project with its log and role. Docker needs `privileged`."""
    made = codebuild.CfnProject
    group = site.log_group(name, f"/flyball/{site.app.name}/pipeline/{name.lower()}")
    role = site.role(logical(name, "Role"), "codebuild")
    artifacts = f"arn:aws:s3:::{site.bucket_name('artifacts')}/*"
    allow(role, ["logs:CreateLogStream", "logs:PutLogEvents"], [group.attr_arn])
    allow(role, ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"], [artifacts])
    for right in rights:
        role.add_to_policy(right)
    kind, image = ON["x86_64" if site.on_fargate else architecture(site.aws.machine)]
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
            type=kind,
            image=image,
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
