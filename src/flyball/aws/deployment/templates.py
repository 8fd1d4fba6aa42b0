"""How a template is sent: in the call itself, or through a bucket when it is over 51,200 bytes.

Nobody can foresee the bucket's name, so nobody can hold it before us and exchange the template, which makes roles. It
lasts until CloudFormation has its own copy; every call names the account that must own it.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from .account import Account
from .stacks import StackPlan

LARGEST_BODY = 51_200
KEY = "template.json"


@contextmanager
def sent(account: Account, plan: StackPlan) -> Iterator[dict[str, str]]:
    """TemplateBody, or TemplateURL while the template is in a bucket of its own."""
    body = plan.template.encode()
    if len(body) <= LARGEST_BODY:
        yield {"TemplateBody": plan.template}
        return
    s3, bucket = account.clients("s3", plan.region), f"flyball-{uuid4().hex}"
    ours = {"Bucket": bucket, "ExpectedBucketOwner": account.number}
    where = {} if plan.region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": plan.region}}
    s3.create_bucket(Bucket=bucket, **where)
    try:
        blocked = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
        s3.put_public_access_block(PublicAccessBlockConfiguration=dict.fromkeys(blocked, True), **ours)
        s3.put_object(Key=KEY, Body=body, ContentType="application/json", ServerSideEncryption="AES256", **ours)
        yield {"TemplateURL": f"https://{bucket}.s3.{plan.region}.amazonaws.com/{KEY}"}
    finally:
        s3.delete_object(Key=KEY, **ours)
        s3.delete_bucket(**ours)
