"""Deploy the synthesized templates to an account, through CloudFormation change sets.

A change set is created, shown and executed only after the user agrees. Events are reported as they come; a failure
reports the first cause, not what followed from it. Credentials are the ones boto3 finds; nothing is stored.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-changesets.html
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from flyball.aws.names import upload_pipeline
from flyball.core.errors import Failed
from flyball.core.model import Application

from . import changes, parameters, priorities, stacks
from .account import Account, Clients, answering, identify, make_service_role
from .changes import Change
from .stacks import PAUSE, StackPlan, plans

__all__ = ["Change", "Clients", "Desk", "StackPlan", "deploy", "destroy", "diff", "plans"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The user's side: `say` prints a line, `agree` asks a question, `pause` waits between two polls."""

    say: Callable[[str], None]
    agree: Callable[[str], bool]
    pause: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a deployment did to a stack: created it, or changed some of its resources."""

    new: bool
    changed: frozenset[str] = frozenset()


@answering()
def deploy(app: Application, wanted: Sequence[StackPlan], desk: Desk, *, clients: Clients) -> dict[str, str]:
    """Create or update every stack, secondary regions first; returns the outputs of the first region's stack.

    Between two regions that change it waits as long as the file's edge says; the first that fails ends it. Raises
    Failed without credentials or agreement, when a store would be emptied, or with a failure's first cause.
    """
    account = identify(clients)
    desk.say(f"account {account.number} as {account.principal}")
    for region in stacks.elsewhere(app, account):
        desk.say(
            f"{app.name}-{region} is still there and costs money, though the file no longer names {region}; delete it "
            f"with: aws cloudformation delete-stack --region {region} --stack-name {app.name}-{region}"
        )
    applied: list[Applied] = []
    for index, plan in enumerate(wanted):
        applied.append(_apply(app, plan, account, desk))
        if (applied[-1].new or applied[-1].changed) and wanted[index + 1 :] and app.edge.pause_s > 0:
            desk.say(f"{plan.name} is done; the next region follows in {app.edge.pause_s:g} s")
            desk.pause(app.edge.pause_s)
    if any(each.new for each in applied) and len(wanted) > 1:
        desk.say("second pass: what needs the other regions")
        for plan in wanted:
            _apply(app, plan, account, desk, agreed=True)
    if not applied[-1].new and "BuildProject" in applied[-1].changed:
        _build_again(app, account, wanted[-1], desk)
    return stacks.outputs(account, wanted[-1])


@answering()
def diff(app: Application, wanted: Sequence[StackPlan], *, clients: Clients) -> dict[str, tuple[Change, ...]]:
    """What a deployment would change, by stack; nothing is changed."""
    account = identify(clients)
    found: dict[str, tuple[Change, ...]] = {}
    for asked in wanted:
        stacks.check_changeable(account, asked)
        new = stacks.is_new(account, asked)
        plan = _settled(account, asked, new=new)
        proposal = _proposed(app, plan, account, new=new, pause=time.sleep)
        found[plan.name] = proposal.changes
        changes.withdraw(account, plan, proposal, new=new)
    return found


@answering()
def destroy(wanted: Sequence[StackPlan], desk: Desk, *, clients: Clients, with_stores: bool = False) -> None:
    """Delete every stack. Unless `with_stores`, stores stay and a later deployment takes them over."""
    account = identify(clients)
    there = [plan for plan in reversed(wanted) if not stacks.is_new(account, plan)]
    if not there:
        desk.say("nothing is deployed")
        return
    names = ", ".join(plan.name for plan in there)
    stay = "AND ALL THEIR DATA" if with_stores else "(tables, buckets, images and source stay)"
    if not desk.agree(f"delete {names} {stay}?"):
        raise Failed("nothing was deleted")
    kept = [resource for plan in there for resource in stacks.kept(account, plan)]
    for plan in there:
        stacks.delete(account, plan, say=desk.say, pause=desk.pause)
    for resource in kept:
        if with_stores:
            stacks.erase(account, resource)
        desk.say(f"{'deleted' if with_stores else 'kept'} {resource.kind} {resource.physical}")


def _settled(account: Account, plan: StackPlan, *, new: bool) -> StackPlan:
    """The plan with rule priorities that do not collide with the deployed stack's."""
    if new:
        return plan
    template = priorities.settle(json.loads(plan.template), stacks.template_of(account, plan))
    return replace(plan, template=json.dumps(template, separators=(",", ":")))


def _proposed(app: Application, plan: StackPlan, account: Account, *, new: bool, pause: PAUSE) -> changes.Proposal:
    """What the plan would change; asked again with the values of now where it changes anything."""
    given = parameters.values(app, plan, account, new=new)
    proposal = changes.propose(account, plan, given, new=new, pause=pause)
    now = parameters.values(app, plan, account, new=new, changed={change.name for change in proposal.changes})
    if now == given:
        return proposal
    changes.withdraw(account, plan, proposal, new=new)
    return changes.propose(account, plan, now, new=new, pause=pause)


def _build_again(app: Application, account: Account, plan: StackPlan, desk: Desk) -> None:
    """Start the pipeline that released last: a new or renamed service waits for no push."""
    pipelines = account.clients("codepipeline", plan.region)
    newest = {
        name: max((str(each["startTime"]) for each in told if each["status"] == "Succeeded"), default="")
        for name in (app.name, upload_pipeline(app.name))
        if (told := pipelines.list_pipeline_executions(pipelineName=name)["pipelineExecutionSummaries"])
    }
    last = max(newest, key=newest.__getitem__, default="")
    if newest.get(last):
        pipelines.start_pipeline_execution(name=last)
        desk.say(f"the file has changed: the pipeline {last} builds the last source again")


def _apply(app: Application, plan: StackPlan, account: Account, desk: Desk, *, agreed: bool = False) -> Applied:
    """Bring one stack up to its plan."""
    changes.join(account, plan, say=desk.say, pause=desk.pause)
    stacks.clear_failed_creation(account, plan, say=desk.say, pause=desk.pause)
    stacks.check_changeable(account, plan)
    new = stacks.is_new(account, plan)
    plan = _settled(account, plan, new=new)
    proposal = _proposed(app, plan, account, new=new, pause=desk.pause)
    if not proposal.changes:
        changes.withdraw(account, plan, proposal, new=new)
        desk.say(f"{plan.name}: nothing to change")
        return Applied(new=False)
    desk.say(f"{plan.name} in {plan.region}: {len(proposal.changes)} changes")
    for change in proposal.changes:
        desk.say(f"  {change}")
    lost = [change.name for change in proposal.changes if change.loses_data]
    if lost:
        changes.withdraw(account, plan, proposal, new=new)
        raise Failed(
            f"{plan.name}: {', '.join(lost)} would be replaced by an empty one; nothing was changed. A store's key and "
            "kind cannot change: add a new store to the file and move the data"
        )
    if not agreed and not desk.agree(f"{'create' if new else 'update'} {plan.name}?"):
        changes.withdraw(account, plan, proposal, new=new)
        raise Failed(f"{plan.name}: not confirmed; nothing was changed")
    if new and '"AWS::ECS::Service"' in plan.template:
        make_service_role(account, plan.region)
    changes.execute(account, plan, proposal, say=desk.say, pause=desk.pause)
    return Applied(new=new, changed=frozenset(each.name for each in proposal.changes))
