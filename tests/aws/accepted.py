"""What the security scanners still say of the templates, and why it stays so.

The same sentences stand in docs/explanation/aws.md; a test compares them. A finding that is not here fails.
"""

from __future__ import annotations

import re

CHECKOV = {
    "CKV_AWS_260": "port 80 of the balancer is the way in; with TLS it only redirects to 443",
    "CKV_AWS_2": "the file asks for no TLS; with `tls` the listener is HTTPS",
    "CKV_AWS_103": "the file asks for no TLS; with `tls` the listener has a TLS 1.3 policy",
    "CKV_AWS_18": "the bucket that takes the access logs cannot log into itself",
    "CKV_AWS_119": "tables are encrypted with AWS's managed key; an own key would cost each request and guard no more",
    "CKV_AWS_192": "the file turns AWS's own rules off (`managed = false`); they are on by default",
    "CKV_AWS_111": "what Session Manager's agent asks for has no resource on AWS; it opens no way to data",
}
CDK_NAG = {
    "AwsSolutions-VPC7": "a log of all connections (VPC flow log) costs by the byte; `flow_log = true` asks for one",
    "AwsSolutions-EC23": "the balancer is open to the world: that is its work",
    "AwsSolutions-AS3": "the dashboard and the alarms tell of scaling; a mail for each machine would be read by nobody",
    "AwsSolutions-CB4": "what CodeBuild hands on lies in a bucket that is encrypted already",
    "AwsSolutions-EC26": "the rule cannot read a mixed instances policy; the launch template encrypts its volume",
    "AwsSolutions-SMG4": "a new password has to reach Redis and the instances together; it changes by a deployment",
    "AwsSolutions-AEC4": "the file asks for no replica",
    "AwsSolutions-AEC5": "6379 is the usual port of Redis; only named security groups reach it",
    "AwsSolutions-ECS2": "names and addresses stand in the environment, secrets come from Secrets Manager",
}
WILDCARDS = (
    (r"^\*$", "the call has no resource on AWS, or only a condition can narrow it; each stands beside a comment"),
    (r"arn:aws:s3:::.*/\*$|^<\w+\.Arn>/\*$", "all objects of the application's own bucket"),
    (r":autoScalingGroup:\*:autoScalingGroupName/", "the group's id is not known before it exists; its name is"),
    (r":launch-template/\*$", "narrowed by a condition to the application's own tag, or to these templates"),
    (r":ec2:\*:.*:\*/\*$", "tags of what RunInstances makes, by a condition"),
    (r":role/[\w-]+/[\w-]+/\*$", "the service's own roles, handed to one named service of AWS by a condition"),
    (r":task-definition/[\w-]+:\*$", "every revision of the service's own family"),
    (r":task/[\w-]+/\*$", "tasks of the application's own cluster"),
)


def reason(rule: str) -> str | None:
    """Why a finding of cdk-nag is accepted, or None."""
    wildcard = re.fullmatch(r"AwsSolutions-IAM5\[Resource::(.*)\]", rule)
    if wildcard is None:
        return CDK_NAG.get(rule)
    return next((why for pattern, why in WILDCARDS if re.search(pattern, wildcard.group(1))), None)


def all_reasons() -> tuple[str, ...]:
    """Every sentence."""
    return (*CHECKOV.values(), *CDK_NAG.values(), *(why for _, why in WILDCARDS))
