"""Change sets: propose, show, execute or withdraw."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from flyball.core.errors import Failed

from . import stacks, templates
from .account import Account
from .stacks import PAUSE, POLL_S, SAY, StackPlan

NOTHING = ("didn't contain changes", "No updates are to be performed")
STORES = frozenset(
    (
        "AWS::DynamoDB::GlobalTable",
        "AWS::DynamoDB::Table",
        "AWS::ElastiCache::ReplicationGroup",
        "AWS::S3::Bucket",
    )
)
FATES = {
    "ReplaceAndDelete": "  (replaced: the old one is deleted)",
    "ReplaceAndRetain": "  (replaced: the old one stays, outside the stack)",
    "ReplaceAndSnapshot": "  (replaced: the old one is deleted after a final snapshot)",
    "Retain": "  (stays, outside the stack)",
    "Snapshot": "  (deleted after a final snapshot)",
}
SIGNS = {"Add": "+", "Modify": "~", "Remove": "-", "Import": "<", "Dynamic": "?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One resource that would be added, changed or removed. `fate` is AWS's word for what happens to the old one."""

    action: str
    name: str
    kind: str
    replaces: bool
    fate: str = ""

    @property
    def loses_data(self) -> bool:
        """Whether a store would be replaced by an empty one."""
        return self.replaces and self.kind in STORES

    def __str__(self) -> str:
        """One line: a sign, the resource, and what happens to the old one."""
        fate = FATES.get(self.fate, FATES["ReplaceAndDelete"] if self.replaces else "")
        return f"{SIGNS.get(self.action, self.action)} {self.name} {self.kind}{fate}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A pending change set, and what it would do."""

    name: str
    changes: tuple[Change, ...]


def propose(
    account: Account, plan: StackPlan, values: Mapping[str, str], *, new: bool, pause: PAUSE = time.sleep
) -> Proposal:
    """Create a change set and wait for AWS to compute it. Raises Failed when AWS cannot."""
    cloudformation = account.clients("cloudformation", plan.region)
    name = f"flyball-{uuid4().hex[:12]}"
    with templates.sent(account, plan) as template:
        cloudformation.create_change_set(
            StackName=plan.name,
            ChangeSetName=name,
            ChangeSetType="CREATE" if new else "UPDATE",
            Capabilities=["CAPABILITY_IAM"],
            ImportExistingResources=True,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in sorted(values.items())],
            **template,
        )
        return _computed(cloudformation, plan, name, pause)


def _computed(cloudformation: Any, plan: StackPlan, name: str, pause: PAUSE) -> Proposal:
    while True:
        found = cloudformation.describe_change_set(StackName=plan.name, ChangeSetName=name)
        if found["Status"] == "CREATE_COMPLETE":
            return Proposal(name=name, changes=_changes(cloudformation, plan, name))
        if found["Status"] == "FAILED":
            reason = found.get("StatusReason", "AWS gives no reason")
            if any(words in reason for words in NOTHING):
                return Proposal(name=name, changes=())
            raise Failed(f"{plan.name}: {reason}")
        pause(POLL_S)


def _changes(cloudformation: Any, plan: StackPlan, name: str) -> tuple[Change, ...]:
    pages = cloudformation.get_paginator("describe_change_set").paginate(StackName=plan.name, ChangeSetName=name)
    found = [each["ResourceChange"] for page in pages for each in page["Changes"]]
    return tuple(
        Change(
            action=each["Action"],
            name=each["LogicalResourceId"],
            kind=each["ResourceType"],
            replaces=each.get("Replacement") == "True",
            fate=each.get("PolicyAction", ""),
        )
        for each in sorted(found, key=lambda each: (each["Action"], each["LogicalResourceId"]))
    )


def withdraw(account: Account, plan: StackPlan, proposal: Proposal, *, new: bool) -> None:
    """Delete a proposal, and the empty stack that a proposal for a new stack leaves."""
    cloudformation = account.clients("cloudformation", plan.region)
    cloudformation.delete_change_set(StackName=plan.name, ChangeSetName=proposal.name)
    if new and stacks.status(account, plan) == "REVIEW_IN_PROGRESS":
        cloudformation.delete_stack(StackName=plan.name)


def execute(account: Account, plan: StackPlan, proposal: Proposal, *, say: SAY, pause: PAUSE) -> None:
    """Execute a proposal, reporting events as they come. Raises Failed with the first cause."""
    cloudformation = account.clients("cloudformation", plan.region)
    seen = {event["EventId"] for event in _events(cloudformation, plan)}
    cloudformation.execute_change_set(StackName=plan.name, ChangeSetName=proposal.name)
    now, failures = _follow(account, plan, seen, say=say, pause=pause)
    if now not in {"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"}:
        raise Failed(f"{plan.name} is {now}: {failures[0] if failures else 'AWS gives no reason'}")


def join(account: Account, plan: StackPlan, *, say: SAY, pause: PAUSE) -> None:
    """Follow what an interrupted `deploy` has begun to its end; how it ended is the stack's status."""
    now = stacks.status(account, plan)
    if now is None or not now.endswith("_IN_PROGRESS") or now in {"REVIEW_IN_PROGRESS", "DELETE_IN_PROGRESS"}:
        return
    say(f"{plan.name} is {now}: following the deployment that has begun")
    now, failures = _follow(account, plan, set(), say=say, pause=pause)
    say(f"{plan.name} is {now}{''.join(f': {reason}' for reason in failures[:1])}")


def _follow(account: Account, plan: StackPlan, seen: set[str], *, say: SAY, pause: PAUSE) -> tuple[str, list[str]]:
    """Report events until the stack rests; its status then, and every failure on the way."""
    cloudformation = account.clients("cloudformation", plan.region)
    failures: list[str] = []
    while True:
        # The status is read before the events, so the last event is never missed.
        now = stacks.status(account, plan) or "DELETE_COMPLETE"
        for event in reversed(_events(cloudformation, plan)):
            if event["EventId"] in seen:
                continue
            seen.add(event["EventId"])
            _tell(event, say, failures)
        if now.endswith("_IN_PROGRESS") and now != "REVIEW_IN_PROGRESS":
            pause(POLL_S)
            continue
        return now, failures


def _events(cloudformation: Any, plan: StackPlan) -> list[Mapping[str, Any]]:
    """The stack's newest hundred events, newest first: enough when polled every few seconds."""
    events: list[Mapping[str, Any]] = cloudformation.describe_stack_events(StackName=plan.name)["StackEvents"]
    return events


def _tell(event: Mapping[str, Any], say: SAY, failures: list[str]) -> None:
    status, reason = event["ResourceStatus"], event.get("ResourceStatusReason", "")
    what = f"{event['LogicalResourceId']} ({event['ResourceType']})"
    if status.endswith("_FAILED") and "cancelled" not in reason:
        failures.append(f"{what}: {reason}")
    if status.endswith(("_COMPLETE", "_FAILED")):
        say(f"  {status.lower().replace('_', ' '):<24} {what} {reason}".rstrip())
