"""How a template is sent: in the call itself, or through a bucket when it is over 51,200 bytes."""

from __future__ import annotations

import hashlib

from .account import Account
from .stacks import StackPlan

LARGEST_BODY = 51_200


def argument(account: Account, plan: StackPlan) -> dict[str, str]:
    """TemplateBody, or TemplateURL after an upload."""
    body = plan.template.encode()
    if len(body) <= LARGEST_BODY:
        return {"TemplateBody": plan.template}
    bucket, key = _bucket(account, plan), _key(plan)
    s3 = account.clients("s3", plan.region)
    _make_bucket(account, plan, bucket)
    s3.put_object(Bucket=bucket, Key=key, Body=body, ContentType="application/json", ServerSideEncryption="AES256")
    return {"TemplateURL": f"https://{bucket}.s3.{plan.region}.amazonaws.com/{key}"}


def tidy(account: Account, plan: StackPlan) -> None:
    """Remove the uploaded template; CloudFormation keeps its own copy."""
    if len(plan.template.encode()) > LARGEST_BODY:
        account.clients("s3", plan.region).delete_object(Bucket=_bucket(account, plan), Key=_key(plan))


def _bucket(account: Account, plan: StackPlan) -> str:
    return f"flyball-templates-{account.number}-{plan.region}"


def _key(plan: StackPlan) -> str:
    return f"{plan.name}/{hashlib.sha256(plan.template.encode()).hexdigest()[:16]}.json"


def _make_bucket(account: Account, plan: StackPlan, bucket: str) -> None:
    """One private bucket per account and region, empty between deployments."""
    s3 = account.clients("s3", plan.region)
    try:
        s3.head_bucket(Bucket=bucket)
    except s3.exceptions.ClientError:
        where = {} if plan.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": plan.region}}
        s3.create_bucket(Bucket=bucket, **where)
        blocked = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=dict.fromkeys(blocked, True))
