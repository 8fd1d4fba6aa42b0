"""Names in templates. Needs no CDK: deployment uses the same names."""

from __future__ import annotations

import hashlib
import re

from flyball.core.model import Condition, Service


def logical(*names: str) -> str:
    """A logical id from names as in the file: ("my-web", "TargetGroup") -> "MyWebTargetGroup"."""
    words = (word for name in names for word in name.split("-"))
    return "".join(word[:1].upper() + word[1:] for word in words)


def rule_name(condition: Condition) -> str:
    """The logical id of a listener rule; it depends on the condition only, not on the rule's position."""
    words = re.findall(r"[A-Za-z0-9]+", f"{condition.host or ''} {condition.path}")
    digest = hashlib.sha256(repr((condition.path, condition.host, condition.headers)).encode()).hexdigest()
    return f"{logical('Rule', *words)[:80]}{digest[:6]}"


def image_parameter(service: str) -> str:
    """The stack parameter that holds the image of a service on Fargate."""
    return logical(service, "Image")


UPLOADED = "uploads/source.zip"
"""Where in the bucket of artifacts `flyball aws release` puts the working copy."""
SHELL_ACTIONS = tuple(f"ssmmessages:{verb}{kind}Channel" for verb in ("Create", "Open") for kind in ("Control", "Data"))
"""What a shell in an instance needs, without a port or a key.
https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html
"""
FARGATE_PORT = 3000
"""A task's port, from the seed: "allow 3000 from the balancer only"."""
EC2_PORT = 80
"""A machine's port, from the seed: "allow 80 from the balancer only"."""
SOURCE_PARAMETER = "SourceIsThere"
"""The stack parameter that says whether the CodeCommit repository outlived an earlier stack."""
NOTHING = "none"
"""The value of a parameter that names nothing: no release yet, or no rollout since the stack's own change."""


def running_parameter(service: str) -> str:
    """The stack parameter that names what the pipeline has rolled out: a template's version, or a task definition."""
    return logical(service, "Running")


def capacity_parameter(service: str) -> str:
    """The stack parameter that holds how many machines a replacement of machines must leave in service."""
    return logical(service, "InService")


def release_parameter(service: str) -> str:
    """The stack parameter that holds the release of a service on EC2."""
    return logical(service, "Release")


def in_service(service: Service, desired: int) -> int:
    """How many of `desired` machines a replacement must leave in service; AWS wants it below the maximum."""
    return max(0, min(service.deployment.fewest(desired), service.capacity.max - 1))


def bucket(application: str, purpose: str, account: str, region: str) -> str:
    """The name of a bucket: globally unique."""
    return f"{application}-{purpose}-{account}-{region}"


def upload_pipeline(application: str) -> str:
    """The pipeline whose source is what was uploaded; that of the pushes has the application's own name."""
    return f"{application}-upload"
