"""What scaling and rollouts did, as a log: the dashboard's list of activities reads it.

ECS and Auto Scaling tell EventBridge, which writes it down. Of a service's tasks it is told when scaling has reached
the maximum; every other change of its desired count is in `flyball aws events`.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/automating-ec2-auto-scaling-with-eventbridge.html
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_service_events.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_events as events
from aws_cdk import aws_logs as logs

from .site import Site

LISTED = 25


def build(site: Site) -> str:
    """The rule and the log; the log's name."""
    name = f"/aws/events/{site.name('activities')}"
    group = site.log_group("Activity", name)
    arn = f"arn:aws:logs:{site.region}:{cdk.Aws.ACCOUNT_ID}:log-group:{name}"
    allowed = logs.CfnResourcePolicy(
        site.stack,
        "ActivitiesPolicy",
        policy_name=site.name("activities"),
        policy_document=site.stack.to_json_string(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
                        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                        "Resource": f"{arn}:*",
                    }
                ],
            }
        ),
    )
    rule = events.CfnRule(
        site.stack,
        "Activities",
        description=f"what scaling and rollouts of {site.app.name} did",
        state="ENABLED",
        event_pattern=_pattern(site),
        targets=[events.CfnRule.TargetProperty(arn=arn, id="log")],
    )
    rule.node.add_dependency(group, allowed)
    return name


def _pattern(site: Site) -> Mapping[str, Any]:
    if not site.on_fargate:
        groups = [site.name(service.name) for service in site.app.services]
        return {"source": ["aws.autoscaling"], "detail": {"AutoScalingGroupName": groups}}
    services = [f"{site.name()}/{service.name}" for service in site.app.services]
    arn = f"arn:aws:ecs:{site.region}:{cdk.Aws.ACCOUNT_ID}:service"
    return {
        "source": ["aws.ecs", "aws.application-autoscaling"],
        "detail-type": [
            "ECS Deployment State Change",
            "ECS Service Action",
            "Application Auto Scaling Scaling Activity State Change",
        ],
        "$or": [
            {"resources": [f"{arn}/{service}" for service in services]},
            {"detail": {"resourceId": [f"service/{service}" for service in services]}},
        ],
    }


def tile(site: Site, name: str, *, y: int) -> dict[str, object]:
    """The dashboard's list, newest first."""
    query = (
        f"SOURCE '{name}' | fields @timestamp, `detail-type`, "
        "coalesce(detail.Description, detail.reason, detail.eventName) as what, "
        "coalesce(detail.AutoScalingGroupName, resources.0, detail.resourceId) as of "
        f"| sort @timestamp desc | limit {LISTED}"
    )
    properties = {"title": "Activities", "view": "table", "region": site.region, "query": query}
    return {"type": "log", "x": 0, "y": y, "width": 24, "height": 6, "properties": properties}
