"""An application's stacks in an account: which exist, their status, and what outlives them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flyball.core.errors import Failed
from flyball.core.model import Application

from .account import Account

BUDGET_REGION = "us-east-1"
POLL_S = 5.0
HINDRANCES = {
    "UPDATE_ROLLBACK_FAILED": "CloudFormation could not undo an update; continue the rollback in its console first",
    "DELETE_FAILED": "it is half deleted; `flyball aws destroy` finishes that",
    "CREATE_FAILED": "its creation failed; `flyball aws destroy` removes it",
    "ROLLBACK_COMPLETE": "its creation failed; `flyball aws deploy` removes it and starts over",
    "ROLLBACK_FAILED": "its creation failed; `flyball aws deploy` removes it and starts over",
}
"""States in which AWS refuses a change set, and what to do."""
SAY = Callable[[str], None]
PAUSE = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPlan:
    """One wanted stack: its name, region and template."""

    name: str
    region: str
    template: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A resource that outlives its stack."""

    kind: str
    physical: str
    region: str


def plans(app: Application, directory: Path) -> tuple[StackPlan, ...]:
    """The stacks in the order of deployment: the budget, the other regions, the first region last.

    The first region's pipeline rolls out to the others, so they must exist. Templates are written without blanks: one
    that fits into 51,200 bytes needs no bucket.
    """
    assert app.aws is not None, "synthesis came first"
    first, *others = app.region_names
    named = [(f"{app.name}-{region}", region) for region in (*others, first)]
    if app.aws.monthly_budget_usd is not None:
        named.insert(0, (f"{app.name}-budget", BUDGET_REGION))
    return tuple(StackPlan(name=name, region=region, template=_compact(directory, name)) for name, region in named)


def _compact(directory: Path, name: str) -> str:
    template = json.loads((directory / f"{name}.template.json").read_text(encoding="utf-8"))
    return json.dumps(template, separators=(",", ":"))


def status(account: Account, plan: StackPlan) -> str | None:
    """The stack's status, or None when it does not exist."""
    found = _described(account, plan)
    return None if found is None else str(found["StackStatus"])


def _described(account: Account, plan: StackPlan) -> Mapping[str, Any] | None:
    cloudformation = account.clients("cloudformation", plan.region)
    try:
        found: Mapping[str, Any] = cloudformation.describe_stacks(StackName=plan.name)["Stacks"][0]
    except cloudformation.exceptions.ClientError as unknown:
        if "does not exist" in str(unknown):
            return None
        raise Failed(f"{plan.name}: {unknown}") from unknown
    return found


def is_new(account: Account, plan: StackPlan) -> bool:
    """Whether the stack was never created; one with only a proposal counts as not created."""
    return status(account, plan) in {None, "REVIEW_IN_PROGRESS"}


def check_changeable(account: Account, plan: StackPlan) -> None:
    """Raises Failed when AWS would refuse any change set in the stack's current state."""
    now = status(account, plan)
    if now is None or now == "REVIEW_IN_PROGRESS":
        return
    if now.endswith("_IN_PROGRESS"):
        raise Failed(f"{plan.name} is {now}: another change is in progress; try again when it has ended")
    if now in HINDRANCES:
        raise Failed(f"{plan.name} is {now}: {HINDRANCES[now]}")


def outputs(account: Account, plan: StackPlan) -> dict[str, str]:
    """The stack's outputs by name."""
    found = _described(account, plan) or {}
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())}


def parameters(account: Account, plan: StackPlan) -> dict[str, str]:
    """The deployed stack's parameters by name."""
    found = _described(account, plan) or {}
    return {each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", ())}


def elsewhere(app: Application, account: Account) -> tuple[str, ...]:
    """Regions with a stack of the application that its file no longer names.

    The list of buckets is one for all regions, and the bucket of logs says where the application ever was.
    """
    start, s3 = f"{app.name}-logs-{account.number}-", account.clients("s3", app.region_names[0])
    try:
        names = [str(each["Name"]) for each in s3.list_buckets()["Buckets"]]
    except s3.exceptions.ClientError:  # a deployment can do without this right
        return ()
    regions = {name.removeprefix(start) for name in names if name.startswith(start)} - {*app.region_names}
    left = [StackPlan(name=f"{app.name}-{region}", region=region, template="") for region in sorted(regions)]
    return tuple(plan.region for plan in left if _is_seen(account, plan))


def _is_seen(account: Account, plan: StackPlan) -> bool:
    """Whether the stack is there; not where nobody may look, such as in a region that was switched off since."""
    try:
        return not is_new(account, plan)
    except Failed:
        return False


def clear_failed_creation(account: Account, plan: StackPlan, *, say: SAY, pause: PAUSE) -> None:
    """Delete a stack whose creation failed, as AWS allows nothing else, or that an interrupted deploy only proposed."""
    now = status(account, plan)
    if now in {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "REVIEW_IN_PROGRESS"}:
        failed = now.startswith("ROLLBACK")
        say(f"{plan.name}: deleting the remains of {'a failed creation' if failed else 'an interrupted deploy'}")
        delete(account, plan, say=say, pause=pause)


def delete(account: Account, plan: StackPlan, *, say: SAY, pause: PAUSE) -> None:
    """Delete a stack and wait. Raises Failed with the first cause when AWS cannot."""
    cloudformation = account.clients("cloudformation", plan.region)
    found = _described(account, plan)
    if found is None:
        return
    cloudformation.delete_stack(StackName=plan.name)
    while True:
        # A deleted stack is found only by its id.
        now = cloudformation.describe_stacks(StackName=found["StackId"])["Stacks"][0]["StackStatus"]
        if now == "DELETE_COMPLETE":
            say(f"{plan.name}: deleted")
            return
        if now == "DELETE_FAILED":
            raise Failed(f"{plan.name}: {first_failure(account, found['StackId'], plan.region)}")
        pause(POLL_S)


def first_failure(account: Account, stack: str, region: str) -> str:
    """The first failure in the stack's last change; later ones only follow from it."""
    pages = account.clients("cloudformation", region).get_paginator("describe_stack_events").paginate(StackName=stack)
    failures = []
    for event in (event for page in pages for event in page["StackEvents"]):
        reason = event.get("ResourceStatusReason", "")
        if reason.startswith("User Initiated"):
            break
        if event["ResourceStatus"].endswith("_FAILED") and "cancelled" not in reason:
            failures.append(f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason}")
    return failures[-1] if failures else "AWS gives no reason"


def template_of(account: Account, plan: StackPlan) -> Mapping[str, Any]:
    """The template of a deployed stack."""
    body = account.clients("cloudformation", plan.region).get_template(StackName=plan.name)["TemplateBody"]
    template: Mapping[str, Any] = body if isinstance(body, dict) else json.loads(body)
    return template


def kept(account: Account, plan: StackPlan) -> tuple[Kept, ...]:
    """The resources that outlive the stack."""
    cloudformation = account.clients("cloudformation", plan.region)
    resources = template_of(account, plan)["Resources"]
    staying = {
        name: resource
        for name, resource in resources.items()
        if str(resource.get("DeletionPolicy")).startswith("Retain")
    }
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=plan.name)
    made = {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for page in pages
        for each in page["StackResourceSummaries"]
    }
    # A repository of an earlier stack does not belong to this one, but is kept too. CodeCommit knows it by its name.
    made |= {
        name: each["Properties"]["RepositoryName"]
        for name, each in staying.items()
        if "RepositoryName" in each["Properties"]
    }
    return tuple(
        Kept(kind=each["Type"], physical=str(made[name]), region=plan.region)
        for name, each in staying.items()
        if name in made
    )


def erase(account: Account, resource: Kept) -> None:
    """Delete a store with all its data."""
    region = resource.region
    match resource.kind:
        case "AWS::DynamoDB::Table" | "AWS::DynamoDB::GlobalTable":
            _erase_table(account, resource)
        case "AWS::ECR::Repository":
            account.clients("ecr", region).delete_repository(repositoryName=resource.physical, force=True)
        case "AWS::S3::Bucket":
            _erase_bucket(account.clients("s3", region), resource.physical)
        case "AWS::CodeCommit::Repository":
            account.clients("codecommit", region).delete_repository(repositoryName=resource.physical)
        case "AWS::KMS::Key":
            account.clients("kms", region).schedule_key_deletion(KeyId=resource.physical)
        case _:
            raise Failed(f"{resource.kind} {resource.physical}: delete it by hand")


def _erase_table(account: Account, resource: Kept) -> None:
    """Delete a table, and the replicas of a global one first, which are tables of other regions.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2globaltables.tutorial.html
    """
    own = account.clients("dynamodb", resource.region)
    for replica in own.describe_table(TableName=resource.physical)["Table"].get("Replicas", ()):
        if replica["RegionName"] != resource.region:
            other = account.clients("dynamodb", replica["RegionName"])
            other.delete_table(TableName=resource.physical)
            other.get_waiter("table_not_exists").wait(TableName=resource.physical)
    own.delete_table(TableName=resource.physical)


def _erase_bucket(s3: Any, name: str) -> None:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=name):
        every = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        keys = [{"Key": each["Key"], "VersionId": each["VersionId"]} for each in every]
        if keys:
            s3.delete_objects(Bucket=name, Delete={"Objects": keys, "Quiet": True})
    s3.delete_bucket(Bucket=name)
