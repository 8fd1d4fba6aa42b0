"""Which account it is, and the clients for it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flyball.core.errors import Failed

Clients = Callable[[str, str], Any]
"""(service, region) -> a boto3 client."""

NO_CREDENTIALS = (
    "no AWS credentials: sign in with `aws sso login` or `aws configure`, or set AWS_PROFILE; nothing was changed"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account that answered, and the clients for it."""

    number: str
    principal: str
    clients: Clients


def boto3_clients(service: str, region: str) -> Any:
    """A boto3 client. Raises Failed when the extra is missing."""
    try:
        boto3 = importlib.import_module("boto3")
    except ModuleNotFoundError as missing:
        raise Failed("AWS needs the extra: uv pip install 'flyball[aws]', or the same with pip") from missing
    return boto3.client(service, region_name=region)


@contextmanager
def answering() -> Iterator[None]:
    """Turns refusals by AWS into one sentence: a missing right, an expired token, no connection."""
    exceptions = importlib.import_module("botocore.exceptions")
    try:
        yield
    except exceptions.ClientError as refused:
        raise Failed(f"AWS refuses {refused.operation_name}: {refused.response['Error']['Message']}") from refused
    except exceptions.BotoCoreError as unreachable:
        raise Failed(f"AWS cannot be reached: {unreachable}") from unreachable


def make_service_role(account: Account, region: str) -> None:
    """The role by which ECS works in an account that never had it: its first service may come before the role does.

    https://docs.aws.amazon.com/AmazonECS/latest/developerguide/using-service-linked-roles-for-clusters.html
    """
    iam = account.clients("iam", region)
    try:
        iam.get_role(RoleName="AWSServiceRoleForECS")
    except iam.exceptions.NoSuchEntityException:
        iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")


def identify(clients: Clients) -> Account:
    """Ask AWS who we are. Raises Failed for missing or rejected credentials."""
    exceptions = importlib.import_module("botocore.exceptions")
    try:
        caller = clients("sts", "us-east-1").get_caller_identity()
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError, exceptions.ProfileNotFound) as absent:
        raise Failed(NO_CREDENTIALS) from absent
    except exceptions.ClientError as refused:
        raise Failed(f"AWS rejects these credentials: {refused.response['Error']['Message']}") from refused
    return Account(number=caller["Account"], principal=caller["Arn"], clients=clients)
