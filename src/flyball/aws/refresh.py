"""Roll out a release to a service's machines: the pipeline's last step, which runs alone in CodeBuild.

This file needs only boto3, because it travels inside the build specification. It creates a launch template version
with the new release's tag, starts an instance refresh and waits for it to end.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/asg-instance-refresh.html
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

TAG = "flyball-release"
GOOD = frozenset({"Successful"})
BAD = frozenset({"Failed", "Cancelled", "RollbackSuccessful", "RollbackFailed"})
POLL_S = 15.0


def roll_out(
    scaling: Any,
    machines: Any,
    *,
    group: str,
    release: str,
    preferences: Mapping[str, object],
    pause: Callable[[float], None],
) -> str:
    """Refresh `group` to `release` and wait; returns the final status and its reason as one line."""
    found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=[group])["AutoScalingGroups"][0]
    version = new_version(machines, template_of(found), release)
    return to_version(scaling, found, version, group=group, preferences=preferences, pause=pause, say=print)


def to_version(
    scaling: Any,
    found: Mapping[str, Any],
    version: str,
    *,
    group: str,
    preferences: Mapping[str, object],
    pause: Callable[[float], None],
    say: Callable[[str], None],
) -> str:
    """The same to a version of the launch template that is there; `found` is what AWS says of the group."""
    started = scaling.start_instance_refresh(
        AutoScalingGroupName=group,
        Strategy="Rolling",
        Preferences=preferences,
        DesiredConfiguration=with_version(found, version),
    )
    while True:
        refresh = scaling.describe_instance_refreshes(
            AutoScalingGroupName=group, InstanceRefreshIds=[started["InstanceRefreshId"]]
        )["InstanceRefreshes"][0]
        line = (
            f"{refresh['Status']} {refresh.get('PercentageComplete', 0)} % {refresh.get('StatusReason', '')}".rstrip()
        )
        say(f"{group}: {line}")
        if refresh["Status"] in GOOD | BAD:
            return line
        pause(POLL_S)


def template_of(group: Mapping[str, Any]) -> dict[str, str]:
    """The launch template and version that a group runs, with or without a mixed instances policy."""
    mixed = group.get("MixedInstancesPolicy")
    found = mixed["LaunchTemplate"]["LaunchTemplateSpecification"] if mixed else group["LaunchTemplate"]
    return {"LaunchTemplateId": found["LaunchTemplateId"], "Version": found["Version"]}


def with_version(group: Mapping[str, Any], version: str) -> dict[str, Any]:
    """The desired configuration: the template at `version`. A mixed policy is kept, or spot would be lost."""
    wanted = {**template_of(group), "Version": version}
    mixed = group.get("MixedInstancesPolicy")
    if not mixed:
        return {"LaunchTemplate": wanted}
    template = {**mixed["LaunchTemplate"], "LaunchTemplateSpecification": wanted}
    return {"MixedInstancesPolicy": {**mixed, "LaunchTemplate": template}}


def new_version(machines: Any, which: dict[str, str], release: str) -> str:
    """A new template version like `which`, with another release tag."""
    current = machines.describe_launch_template_versions(
        LaunchTemplateId=which["LaunchTemplateId"], Versions=[which["Version"]]
    )["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    tags = [
        {
            "ResourceType": each["ResourceType"],
            "Tags": [{**tag, "Value": release} if tag["Key"] == TAG else tag for tag in each["Tags"]],
        }
        for each in current["TagSpecifications"]
    ]
    made = machines.create_launch_template_version(
        LaunchTemplateId=which["LaunchTemplateId"],
        SourceVersion=which["Version"],
        VersionDescription=f"release {release}",
        LaunchTemplateData={"TagSpecifications": tags},
    )
    return str(made["LaunchTemplateVersion"]["VersionNumber"])


def main(arguments: list[str]) -> int:
    """`refresh.py GROUP REGION RELEASE PREFERENCES`: exit code 1 when the rollout failed."""
    import boto3  # noqa: PLC0415 - the functions above are tested without it

    group, region, release, preferences = arguments
    line = roll_out(
        boto3.client("autoscaling", region_name=region),
        boto3.client("ec2", region_name=region),
        group=group,
        release=release,
        preferences=json.loads(preferences),
        pause=time.sleep,
    )
    return 0 if line.split()[0] in GOOD else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
