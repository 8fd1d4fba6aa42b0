"""One test over all fields: what `flyball config` shows is what stands in the template.

The application sets every field to something that is no default; `readers` takes AWS's values out of the template.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from aws import applications
from aws.conftest import Synth
from aws.readers import COMMON, ON_EC2, ON_FARGATE, Reader
from aws.template import text
from flyball import parity
from flyball.core.manifest import resolved
from flyball.core.model import Application
from flyball.parity.row import PARTS

pytestmark = pytest.mark.synth
LOOKED_AT_ELSEWHERE = {
    "Aws.monthly_budget_usd": "a stack of its own: test_boxes_session_app.test_budget_alarm",
    "Application.boundary": "always closed there: test_boxes_forum, its security groups",
    "Application.region": "the stack's: test_boxes_session_app.test_each_region_has_alb_asg_and_elasticache",
    "Aws.region": "the first stack: test_boxes_session_app.test_pipeline_and_trail_exist_once",
    "Aws.health_interval_s": "instead of the services': test_boxes_forum.test_target_group_of_each_service",
    "Aws.package": "test_aws_machine.test_an_image_is_pulled_and_started_by_docker_with_the_same_variables",
    "Listener.standby": "nodes in every zone: test_boxes_forum.test_alb_in_public_subnets_multi_az",
    "Network.endpoints": "test_aws_network.test_one_nat_gateway_serves_every_zone",
    "Network.nat": "test_aws_network",
    "Service.dockerfile": "the build's own tests: test_aws_commands, test_aws_runtimes",
    "Service.runtime": "the build's own tests: test_aws_commands, test_aws_runtimes",
    "Deployment.alarms": "its parts, RolloutAlarm",
    "Deployment.bake_s": "the refresh's preferences: test_refresh_has_the_files_numbers",
    "Deployment.rollback": "the refresh's preferences: test_refresh_has_the_files_numbers",
    "FixedResponse.priority": "no number in the file: the order of the rules, test_rules_without_a_number",
    "PredictiveScaling.metric": "a pair of metrics: test_boxes of scaling",
    "Edge.pause_s": "between two stacks: test_aws_deployment.test_there_is_a_pause_between_two_regions",
    "Region.name": "one stack each: test_boxes_session_app.test_each_region_has_alb_asg_and_elasticache",
    "Region.serves": "only by geolocation: test_aws_regions.test_each_continent_has_a_record",
    "Region.services": "its parts",
    "Region.weight": "only by share: test_aws_regions.test_a_share_is_a_weight",
    "Region.zones": "test_aws_regions.test_a_region_has_its_own_zones_and_bounds",
    "RegionService.capacity": "test_aws_regions.test_a_region_has_its_own_zones_and_bounds",
    "RegionService.name": "test_aws_regions.test_a_region_has_its_own_zones_and_bounds",
    "RegionService.size": "test_aws_regions.test_a_region_has_its_own_zones_and_bounds",
    "Store.replicate": "test_boxes_session_app.test_global_s3_replicates_both_ways_once_both_exist",
    "Redirect.priority": "no number in the file: the order of the rules, test_rules_without_a_number",
    "ScheduledAction.at": "another notation: test_a_moment_is_the_same_moment",
    "ScheduledAction.desired": "sets the group's: test_a_moment_is_the_same_moment",
    "Scaling.predictive": "its parts",
    "Scaling.schedule": "its parts",
    "Scaling.steps": "its parts",
    "Scaling.target_tracking": "its parts",
    "Service.build": "the build's own tests: test_aws_commands",
    "Service.source": "the build's own tests: test_aws_commands",
    "Store.key": "its parts, KeyField",
    "StepScaling.steps": "its parts, StepAdjustment",
}


def shown(config: dict[str, Any], path: str) -> Any:
    """The value at a path of `config`, numbers without their words."""
    found: Any = config
    for step in path.split("."):
        found = found[int(step)] if isinstance(found, list) else found[step]
    if isinstance(found, dict) and found.keys() == {"value", "text"}:
        return found["value"]
    return found


def readers(world: parity.World) -> dict[str, tuple[str, Reader]]:
    return {**COMMON, **(ON_EC2 if world is parity.World.EC2 else ON_FARGATE)}


CASES = [(world, name) for world in (parity.World.EC2, parity.World.FARGATE) for name in sorted(readers(world))]


def application(world: parity.World) -> Application:
    return applications.everything_on_machines() if world is parity.World.EC2 else applications.everything_on_fargate()


@pytest.mark.parametrize(("world", "name"), CASES, ids=str)
def test_the_template_has_what_config_shows(synth: Synth, world: parity.World, name: str):
    app = application(world)
    path, read = readers(world)[name]
    assert read(synth(app)["everything-eu-north-1"]) == shown(resolved(app), path)


@pytest.mark.parametrize("world", [parity.World.EC2, parity.World.FARGATE])
def test_every_honoured_field_is_looked_at(world: parity.World):
    honoured = {
        f"{row.model}.{row.field}"
        for row in parity.ROWS
        if isinstance(verdict := row.verdicts[world], parity.Honoured) and verdict != PARTS
    }
    assert honoured - readers(world).keys() - LOOKED_AT_ELSEWHERE.keys() == set()


def test_refresh_has_the_files_numbers(synth: Synth):
    stack = synth(applications.everything_on_machines())["everything-eu-north-1"]
    whole = text(stack.named("FrontRolloutProject")["Source"]["BuildSpec"])
    line = next(line for line in whole.splitlines() if "refresh.py everything-front eu-north-1" in line)
    preferences = json.loads(line.split("'")[1].replace("<FrontRolloutAlarm1>", "").replace("<FrontRolloutAlarm2>", ""))
    assert (preferences["MinHealthyPercentage"], preferences["MaxHealthyPercentage"]) == (50, 150)
    assert preferences["AutoRollback"] is True
    assert len(preferences["AlarmSpecification"]["Alarms"]) == 2


def test_the_rows_of_the_forum_end_by_the_attribute_that_it_writes(synth: Synth):
    table = synth(applications.forum())["forum-us-east-1"].named("ForumTable")
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}


def test_rules_without_a_number(synth: Synth):
    stack = synth(applications.everything_on_machines())["everything-eu-north-1"]
    found = {
        each["Conditions"][0]["PathPatternConfig"]["Values"][0]: each["Priority"]
        for each in stack.all("ElasticLoadBalancingV2::ListenerRule").values()
    }
    assert found == {"/shop": 40, "/teapot": 100, "/old": 200, "/*": 300}


def test_a_moment_is_the_same_moment(synth: Synth):
    machines = synth(applications.everything_on_machines())["everything-eu-north-1"].named("FrontSchedule2")
    tasks = synth(applications.everything_on_fargate())["everything-eu-north-1"].named("FrontScalableTarget")
    assert machines["StartTime"] == "2030-03-17T17:46:40Z"
    assert tasks["ScheduledActions"][1]["Schedule"] == "at(2030-03-17T17:46:40)"
