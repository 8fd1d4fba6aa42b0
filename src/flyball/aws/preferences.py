"""How an instance refresh replaces the machines of a service. Needs no CDK: a rollback from here uses it too.

It has the percentages, alarms, bake time and rollback of the file, but does not count failures.
https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_RefreshPreferences.html
"""

from __future__ import annotations

from flyball.core.model import Service


def refresh_preferences(service: Service, alarms: list[str]) -> dict[str, object]:
    """The preferences of the instance refresh that the pipeline starts.

    EC2 Auto Scaling allows at most 100 points between the two percentages.
    """
    deployment = service.deployment
    low, high = deployment.minimum_healthy_percent, deployment.maximum_percent
    preferences: dict[str, object] = {
        "AutoRollback": deployment.rollback,
        "MinHealthyPercentage": max(low, high - 100) if high > 100 else low,
        "MaxHealthyPercentage": max(100, high),
        "SkipMatching": False,
        "ScaleInProtectedInstances": "Refresh",
        "StandbyInstances": "Terminate",
    }
    if deployment.bake_s > 0:
        preferences["BakeTime"] = round(deployment.bake_s)
    if alarms:
        preferences["AlarmSpecification"] = {"Alarms": alarms}
    return preferences
