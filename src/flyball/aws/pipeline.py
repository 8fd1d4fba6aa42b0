"""From `git push` to running instances: source, build and test, then the rollout.

CodeCommit (or a connection to GitHub, GitLab or Bitbucket) -> CodeBuild -> images in ECR and an ECS deployment, or
archives in S3 and an instance refresh. It runs in the first region and rolls out to all regions.
https://docs.aws.amazon.com/codepipeline/latest/userguide/welcome.html
"""

from __future__ import annotations

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_codecommit as codecommit
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk.aws_codepipeline import CfnPipeline

from flyball.core.model import Service

from . import projects
from .names import SOURCE_PARAMETER, UPLOADED, upload_pipeline
from .site import Site, allow, bucket_name, logical, statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The source of the code: the pipeline's first action, and the ARN of a CodeCommit repository."""

    action: CfnPipeline.ActionDeclarationProperty
    repository: str | None
    right: iam.PolicyStatement


def artifact_bucket(site: Site, purpose: str, logs_bucket: s3.Bucket) -> s3.Bucket:
    """A bucket in this region for the pipeline's artifacts, or for the releases that machines fetch."""
    expire = s3.LifecycleRule(
        id="expire",
        enabled=True,
        expiration=cdk.Duration.days(30) if purpose == "artifacts" else None,
        noncurrent_version_expiration=cdk.Duration.days(30),
        abort_incomplete_multipart_upload_after=cdk.Duration.days(7),
    )
    return site.bucket(purpose, [expire], logs_bucket=logs_bucket)


def build(site: Site, *, alarms: dict[str, list[str]]) -> None:
    """The pipeline, in the first region only. `alarms`: names of the rollout alarms by service."""
    if not site.primary:
        return
    role = site.role("PipelineRole", "codepipeline")
    source = _source(site)
    project = projects.build_project(site)
    builds = [project]
    if site.on_fargate:
        deploys = [action for service in site.app.services for action in _ecs_actions(site, service, role)]
    else:
        builds += [projects.refresh_project(site, each, alarms[each.name]) for each in site.app.services]
        deploys = [
            _build_action(site, service.name, each.ref, takes="built", gives=None)
            for service, each in zip(site.app.services, builds[1:], strict=True)
        ]
    role.add_to_policy(source.right)
    buckets = _artifact_buckets(site)
    allow(role, ["s3:GetBucketVersioning", "s3:GetBucketLocation"], buckets)
    allow(role, ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"], [f"{bucket}/*" for bucket in buckets])
    allow(role, ["codebuild:BatchGetBuilds", "codebuild:StartBuild"], [each.attr_arn for each in builds])
    stages = [
        CfnPipeline.StageDeclarationProperty(
            name="Build", actions=[_build_action(site, "build-and-test", project.ref, takes="source", gives="built")]
        ),
        CfnPipeline.StageDeclarationProperty(name="Deploy", actions=deploys),
    ]
    pipeline = _pipeline(site, "Pipeline", site.name(), role, [_from(source.action), *stages])
    _pipeline(site, "UploadPipeline", upload_pipeline(site.app.name), role, [_from(_uploaded(site)), *stages])
    if source.repository is not None:
        _start_on_push(site, source.repository, pipeline)


def _from(action: CfnPipeline.ActionDeclarationProperty) -> CfnPipeline.StageDeclarationProperty:
    return CfnPipeline.StageDeclarationProperty(name="Source", actions=[action])


def _pipeline(
    site: Site, identity: str, name: str, role: iam.Role, stages: list[CfnPipeline.StageDeclarationProperty]
) -> CfnPipeline:
    """A pipeline; those of pushes and of uploads differ in their source only."""
    pipeline = CfnPipeline(
        site.stack,
        identity,
        name=name,
        pipeline_type="V2",
        execution_mode="SUPERSEDED",
        restart_execution_on_update=False,
        role_arn=role.role_arn,
        stages=stages,
        artifact_stores=[
            CfnPipeline.ArtifactStoreMapProperty(
                region=region,
                artifact_store=CfnPipeline.ArtifactStoreProperty(
                    type="S3", location=bucket_name(site.app, "artifacts", region)
                ),
            )
            for region in site.app.region_names
        ],
    )
    pipeline.node.add_dependency(role.node.find_child("DefaultPolicy"), site.stack.node.find_child("ArtifactsBucket"))
    return pipeline


def _uploaded(site: Site) -> CfnPipeline.ActionDeclarationProperty:
    """The working copy that `flyball aws release` has sent; nothing starts by itself."""
    return _action(
        "upload",
        category="Source",
        provider="S3",
        configuration={
            "PollForSourceChanges": False,
            "S3Bucket": site.bucket_name("artifacts"),
            "S3ObjectKey": UPLOADED,
        },
        gives="source",
    )


def _source(site: Site) -> Source:
    wanted = site.app.pipeline
    if wanted.connection_arn is not None:
        assert wanted.repository is not None, "rules.refusals refuses a connection without a repository"
        action = _action(
            "push",
            category="Source",
            provider="CodeStarSourceConnection",
            configuration={
                "BranchName": wanted.branch,
                "ConnectionArn": wanted.connection_arn,
                "DetectChanges": True,
                "FullRepositoryId": wanted.repository,
                "OutputArtifactFormat": "CODE_ZIP",
            },
            gives="source",
        )
        # The service has two names; the connection's ARN shows under which one it was made.
        use = f"{wanted.connection_arn.split(':')[2]}:UseConnection"
        return Source(action=action, repository=None, right=statement([use], [wanted.connection_arn]))
    name, arn = wanted.repository or site.name(), _repository(site)
    action = _action(
        "push",
        category="Source",
        provider="CodeCommit",
        configuration={
            "BranchName": wanted.branch,
            "OutputArtifactFormat": "CODE_ZIP",
            "PollForSourceChanges": False,
            "RepositoryName": name,
        },
        gives="source",
    )
    verbs = ("CancelUploadArchive", "GetBranch", "GetCommit", "GetUploadArchiveStatus", "UploadArchive")
    return Source(action=action, repository=arn, right=statement([f"codecommit:{verb}" for verb in verbs], [arn]))


def _repository(site: Site) -> str:
    """The CodeCommit repository, unless it is there from an earlier stack; its ARN.

    CloudFormation knows repositories by their id, so it cannot import one by its name, as it does tables and buckets.
    """
    wanted = site.app.pipeline
    there = cdk.CfnParameter(
        site.stack,
        SOURCE_PARAMETER,
        type="String",
        default="no",
        allowed_values=["yes", "no"],
        description="yes if the repository outlived an earlier stack and does not belong to this one",
    )
    missing = cdk.Fn.condition_equals(there.value_as_string, "no")
    name = wanted.repository or site.name()
    repository = codecommit.CfnRepository(
        site.stack,
        "Repository",
        repository_name=name,
        repository_description=f"source of {site.app.name}; a push to {wanted.branch} deploys it",
    )
    repository.cfn_options.condition = cdk.CfnCondition(site.stack, "MakesSource", expression=missing)
    # Otherwise the repository of a failed creation would be in the way of the next one.
    repository.apply_removal_policy(cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
    cdk.CfnOutput(
        site.stack,
        "PushTo",
        value=f"https://git-codecommit.{site.region}.amazonaws.com/v1/repos/{name}",
        description=f"git push here, branch {wanted.branch}, to deploy a release",
    )
    return f"arn:aws:codecommit:{site.region}:{cdk.Aws.ACCOUNT_ID}:{name}"


def _action(
    name: str,
    *,
    category: str,
    provider: str,
    configuration: dict[str, object],
    takes: str | None = None,
    gives: str | None = None,
    region: str | None = None,
    role: str | None = None,
    order: int = 1,
) -> CfnPipeline.ActionDeclarationProperty:
    return CfnPipeline.ActionDeclarationProperty(
        name=name,
        action_type_id=CfnPipeline.ActionTypeIdProperty(category=category, owner="AWS", provider=provider, version="1"),
        configuration=configuration,
        input_artifacts=[CfnPipeline.InputArtifactProperty(name=takes)] if takes else [],
        output_artifacts=[CfnPipeline.OutputArtifactProperty(name=gives)] if gives else [],
        region=region,
        role_arn=role,
        run_order=order,
    )


def _build_action(
    site: Site, name: str, project: str, *, takes: str, gives: str | None
) -> CfnPipeline.ActionDeclarationProperty:
    return _action(
        name,
        category="Build",
        provider="CodeBuild",
        configuration={"ProjectName": project},
        takes=takes,
        gives=gives,
        region=site.region,
    )


def _ecs_actions(site: Site, service: Service, role: iam.Role) -> list[CfnPipeline.ActionDeclarationProperty]:
    """A service's deployment in one region after another, none after the first that fails.

    Each is guarded by ECS's circuit breaker and alarms, with rights to this service alone.
    """
    own = _ecs_role(site, service, role)
    return [
        _action(
            f"{service.name}-{region}",
            category="Deploy",
            provider="ECS",
            configuration={
                "ClusterName": site.name(),
                "DeploymentTimeout": "60",
                "FileName": f"images-{service.name}-{region}.json",
                "ServiceName": service.name,
            },
            takes="built",
            region=region,
            role=own.role_arn,
            order=index,
        )
        for index, region in enumerate(site.app.region_names, 1)
    ]


def _ecs_role(site: Site, service: Service, role: iam.Role) -> iam.Role:
    """What the pipeline takes on to roll out one service.

    https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-ECS.html
    """
    own = iam.Role(
        site.stack,
        logical(service.name, "RolloutRole"),
        assumed_by=iam.ArnPrincipal(role.role_arn),
        description=f"what the pipeline may do to {service.name}",
    )
    ecs = [f"arn:aws:ecs:{region}:{cdk.Aws.ACCOUNT_ID}" for region in site.app.region_names]
    families = [f"{each}:task-definition/{site.name(service.name)}:*" for each in ecs]
    for actions, resources in (
        (["s3:GetObject", "s3:GetObjectVersion"], [f"{bucket}/*" for bucket in _artifact_buckets(site)]),
        (
            ["ecs:DescribeServices", "ecs:UpdateService"],
            [f"{each}:service/{site.name()}/{service.name}" for each in ecs],
        ),
        (["ecs:TagResource"], families),
        (["ecs:DescribeTasks"], [f"{each}:task/{site.name()}/*" for each in ecs]),
        # AWS allows these only on "*"; a task definition is of use only with a role to pass.
        (["ecs:DescribeTaskDefinition", "ecs:ListTasks", "ecs:RegisterTaskDefinition"], ["*"]),
    ):
        allow(own, actions, resources)
    to_tasks = {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}
    allow(own, ["iam:PassRole"], [site.roles(service)], to_tasks)
    allow(role, ["sts:AssumeRole"], [own.role_arn])
    return own


def _artifact_buckets(site: Site) -> list[str]:
    return [f"arn:aws:s3:::{bucket_name(site.app, 'artifacts', region)}" for region in site.app.region_names]


def _start_on_push(site: Site, repository: str, pipeline: CfnPipeline) -> None:
    """The seed's "trigger event": a push to the branch starts the pipeline at once, without polling."""
    arn = f"arn:aws:codepipeline:{site.region}:{cdk.Aws.ACCOUNT_ID}:{pipeline.ref}"
    role = site.role("TriggerRole", "events")
    allow(role, ["codepipeline:StartPipelineExecution"], [arn])
    events.CfnRule(
        site.stack,
        "Trigger",
        description=f"a push to {site.app.pipeline.branch} starts the pipeline",
        state="ENABLED",
        event_pattern={
            "source": ["aws.codecommit"],
            "detail-type": ["CodeCommit Repository State Change"],
            "resources": [repository],
            "detail": {
                "event": ["referenceCreated", "referenceUpdated"],
                "referenceType": ["branch"],
                "referenceName": [site.app.pipeline.branch],
            },
        },
        targets=[events.CfnRule.TargetProperty(arn=arn, id="pipeline", role_arn=role.role_arn)],
    )
