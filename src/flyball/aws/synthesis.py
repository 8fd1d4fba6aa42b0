"""From the model to files: one stack per region, Dockerfiles and the build specification.

Parts are built in the order in which they refer to each other: network, groups, balancer, stores, services, scaling,
monitoring. There are no lookups and no assets, so synthesis needs no network, account or bootstrap bucket.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import aws_cdk as cdk

from flyball.core.errors import FileError
from flyball.core.model import Application, Aws, Service
from flyball.core.model.edge import in_region

from . import (
    balancer,
    budget,
    buildspec,
    ec2,
    fargate,
    firewall,
    image,
    network,
    observe,
    pipeline,
    regions,
    rules,
    runtimes,
    security,
    stores,
)
from .metrics import Watched
from .scaling import ecs as ecs_scaling
from .scaling import group as group_scaling
from .site import Site, open_site

FLAGS = {
    "@aws-cdk/aws-iam:minimizePolicies": True,
    "@aws-cdk/aws-s3:createDefaultLoggingPolicy": True,
    "@aws-cdk/aws-s3:publicAccessBlockedByDefault": True,
    "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True,
    "@aws-cdk/core:enablePartitionLiterals": True,
    "@aws-cdk/core:explicitStackTags": True,
    "@aws-cdk/core:target-partitions": ["aws"],
    "@aws-cdk/core:validateAgainstDefaultRules": True,
}
"""The CDK's newer behaviours for what is used of it; a template must not depend on the CDK's release."""


def write(app: Application, out: Path, *, source: Path) -> tuple[Path, ...]:
    """Synthesize into `out`. Raises FileError with every reason AWS would refuse the application."""
    refusals = [*rules.refusals(app), *_missing_sources(app, source), *runtimes.refusals(app, source)]
    if refusals:
        raise FileError("AWS would refuse this:\n" + "\n".join(f"  {refusal}" for refusal in refusals))
    app = runtimes.settled(app, source)
    try:
        templates = synthesize(app, file=buildspec.digest(source))
    except RuntimeError as refused:  # from the CDK: too many resources for a stack, or two things with one name
        raise FileError(f"AWS would refuse this:\n  {str(refused).splitlines()[0]}") from refused
    files = {f"{name}.template.json": text for name, text in templates.items()}
    files |= {f"Dockerfile.{service.name}": image.dockerfile(service) for service in _images_of_ours(app)}
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in sorted(files.items()):
        path = out / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return tuple(written)


def _missing_sources(app: Application, source: Path) -> list[str]:
    return [
        f"services.{service.name}.source: {service.source!r} does not exist; the build would fail"
        for service in app.services
        if not (source / service.source).is_dir()
    ]


def _images_of_ours(app: Application) -> list[Service]:
    """The services whose images have no Dockerfile of their own."""
    assert app.aws is not None
    return [each for each in app.services if runtimes.as_image(app.aws, each) and each.dockerfile is None]


def synthesize(app: Application, *, file: str | None = None) -> dict[str, str]:
    """The templates by stack name. `file`: the digest of flyball.toml, which a push must not change.

    Raises for an error of the CDK's own validator.
    """
    assert app.aws is not None, "rules.refusals refuses an application without [aws]"
    with TemporaryDirectory(prefix="flyball-cdk-") as directory:
        scope = application(app, app.aws, directory, file=file)
        assembly = scope.synth()
        return {
            stack.stack_name: json.dumps(stack.template, indent=1, sort_keys=True) + "\n" for stack in assembly.stacks
        }


def application(app: Application, aws: Aws, directory: str, *, file: str | None = None) -> cdk.App:
    """The CDK app with a stack for each region, not yet synthesized."""
    scope = cdk.App(
        analytics_reporting=False,
        context=FLAGS,
        outdir=directory,
        tree_metadata=False,
    )
    for region in app.region_names:
        fill(open_site(scope, in_region(app, region) if app.regions else app, aws, region, file=file))
    budget.build(scope, app, aws)
    return scope


def fill(site: Site) -> None:
    """Builds everything in one region."""
    net = network.build(site)
    groups = security.groups(site, net)
    net = network.with_endpoints(site, net, group=groups.endpoints)
    logs = balancer.logs_bucket(site)
    inside = None if groups.inside is None else balancer.build_inside(site, net, group=groups.inside, logs=logs)
    entry = balancer.build(site, net, group=groups.balancer, logs=logs, inside=inside)
    there = stores.build(site, net, redis_group=groups.redis, logs_bucket=logs)
    pipeline.artifact_bucket(site, "artifacts", logs)
    if not site.on_fargate:
        pipeline.artifact_bucket(site, "releases", logs)
    watched = _services(site, net, groups, entry, there)
    notify = observe.topic(site)
    for each in watched:
        observe.alarms(site, each, notify)
    observe.dashboard(site, watched)
    firewall.firewall(site, balancer=entry.arn)
    security.trail(site, logs_bucket=logs)
    regions.build(site, entry)
    pipeline.build(site, alarms=_alarm_names(site, watched))
    cdk.CfnOutput(site.stack, "Url", value=entry.url, description="where the application answers")


def _watched(
    site: Site,
    entry: balancer.Balancer,
    name: str,
    *,
    cluster: str | None = None,
    ecs_service: str | None = None,
    group: str | None = None,
) -> Watched:
    return Watched(
        service=site.app.service(name),
        cluster=cluster,
        ecs_service=ecs_service,
        group=group,
        target_group=entry.target_groups[name].attr_target_group_full_name,
        standby_group=entry.standby_groups[name].attr_target_group_full_name if name in entry.standby_groups else None,
        balancer=entry.full_name,
    )


def _services(
    site: Site,
    net: network.Network,
    groups: security.Groups,
    entry: balancer.Balancer,
    there: dict[str, stores.StoreThere],
) -> list[Watched]:
    """Every service and its scaling. Tasks need the names of their rollout alarms, which need only the service's."""
    cluster = fargate.cluster(site) if site.on_fargate else None
    watched = []
    for service in site.app.services:
        group = groups.services[service.name]
        if cluster is None:
            made = ec2.build(site, net, service, group=group, balancer=entry, stores=there)
            seen = _watched(site, entry, service.name, group=made)
            group_scaling.build(site, seen)
        else:
            planned = _watched(site, entry, service.name, cluster=site.name(), ecs_service=service.name)
            alarms = observe.rollout_alarms(site, planned)
            made = fargate.build(
                site, net, service, inside=cluster, group=group, balancer=entry, stores=there, alarm_names=alarms
            )
            seen = replace(planned, cluster=cluster.ref, ecs_service=made)
            ecs_scaling.build(site, seen)
        watched.append(seen)
    return watched


def _alarm_names(site: Site, watched: list[Watched]) -> dict[str, list[str]]:
    """The rollout alarms of machines; tasks have theirs in their services."""
    if site.on_fargate:
        return {each.service.name: [] for each in watched}
    return {each.service.name: observe.rollout_alarms(site, each) for each in watched}
