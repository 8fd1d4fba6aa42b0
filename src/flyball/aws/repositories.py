"""The image repositories of the services whose releases are images, and the right to pull from one."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_iam as iam

from flyball.core.model import Service

from .site import Site, allow, logical


def uri(site: Site, service: Service, region: str) -> str:
    """Where the images of a service are in a region, without their tag."""
    return f"{cdk.Aws.ACCOUNT_ID}.dkr.ecr.{region}.amazonaws.com/{site.app.name}/{service.name}"


def arn(site: Site, service: Service, region: str) -> str:
    """The repository's ARN."""
    return f"arn:aws:ecr:{region}:{cdk.Aws.ACCOUNT_ID}:repository/{site.app.name}/{service.name}"


def build(site: Site, service: Service) -> ecr.CfnRepository:
    """The service's image repository: immutable tags, a scan on every push, the last thirty images kept."""
    made = ecr.CfnRepository
    policy = {
        "rules": [
            {
                "rulePriority": 1,
                "description": "keep the last thirty images",
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 30},
                "action": {"type": "expire"},
            }
        ]
    }
    repository = made(
        site.stack,
        logical(service.name, "Repository"),
        repository_name=f"{site.app.name}/{service.name}",
        image_tag_mutability="IMMUTABLE",
        image_scanning_configuration=made.ImageScanningConfigurationProperty(scan_on_push=True),
        encryption_configuration=made.EncryptionConfigurationProperty(encryption_type="KMS"),
        lifecycle_policy=made.LifecyclePolicyProperty(lifecycle_policy_text=site.stack.to_json_string(policy)),
    )
    # Else the repository of a creation that failed would be in the way of the next one.
    repository.apply_removal_policy(cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)
    return repository


def may_pull(role: iam.Role, repository: ecr.CfnRepository) -> None:
    """Lets a role pull the images."""
    actions = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    allow(role, actions, [repository.attr_arn])
    allow(role, ["ecr:GetAuthorizationToken"])
