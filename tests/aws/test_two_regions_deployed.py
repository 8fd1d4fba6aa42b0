"""The Session app's own file with two regions, box by box of seed 003: created in moto, changed, read back, destroyed.

What moto leaves out: it compares templates, not parameters, so the second pass, which connects the two buckets, changes
nothing there. test_boxes_session_app.py has that from the template.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aws import applications
from aws.cloud import Cloud, Operator, plan, stores_only
from flyball.aws import deployment
from flyball.aws.deployment.account import boto3_clients

pytestmark = [pytest.mark.synth, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
APP = applications.session_app_of_the_shipped_file()
REGIONS = ("us-east-1", "eu-west-1")
each_region = pytest.mark.parametrize("region", REGIONS)


@pytest.fixture(scope="module")
def cloud(empty_account: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    operator, wanted = Operator(), plan(APP, tmp_path_factory.mktemp("deployed"))
    deployment.deploy(APP, wanted, operator.desk(), clients=boto3_clients)
    empty_account.operators[APP.name], empty_account.plans[APP.name] = operator, wanted
    return empty_account


def group_of(cloud: Cloud, region: str) -> dict[str, Any]:
    scaling = cloud.client("autoscaling", region)
    found = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["session-app-app"])["AutoScalingGroups"]
    assert len(found) == 1
    return dict(found[0])


def steps_of(cloud: Cloud, region: str) -> set[tuple[str, float, int, int]]:
    """What the alarms of the policies compare: operator, threshold, datapoints, period."""
    alarms = cloud.client("cloudwatch", region).describe_alarms()["MetricAlarms"]
    return {
        (each["ComparisonOperator"], each["Threshold"], each["EvaluationPeriods"], each["Period"])
        for each in alarms
        if "Step" in each["AlarmName"]
    }


# The picture: Route 53 before two regions


def test_route_53_leads_each_visitor_to_the_nearest_healthy_region(cloud: Cloud):
    route53 = cloud.client("route53")
    zone = next(each["Id"] for each in route53.list_hosted_zones()["HostedZones"] if each["Name"] == "example.com.")
    told = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    records = {each["Region"]: each for each in told if each["Name"].startswith("session.")}
    assert records.keys() == {*REGIONS}
    checks = {each["Id"]: each["HealthCheckConfig"] for each in route53.list_health_checks()["HealthChecks"]}
    for region, record in records.items():
        balancers = cloud.client("elbv2", region).describe_load_balancers()["LoadBalancers"]
        (outside,) = (each for each in balancers if each["Scheme"] == "internet-facing")
        assert record["AliasTarget"]["DNSName"].rstrip(".") == outside["DNSName"]
        check = checks[record["HealthCheckId"]]
        assert (check["ResourcePath"], check["FullyQualifiedDomainName"]) == ("/health", outside["DNSName"])


@each_region
def test_alb_checks_health_and_spreads_over_zones(cloud: Cloud, region: str):
    elb = cloud.client("elbv2", region)
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    assert len(balancer["AvailabilityZones"]) == 2
    (group,) = elb.describe_target_groups()["TargetGroups"]
    assert (group["HealthCheckPath"], group["Port"], group["TargetType"]) == ("/health", 80, "instance")


@each_region
def test_asg_of_2_to_10_with_the_seeds_two_rules(cloud: Cloud, region: str):
    group = group_of(cloud, region)
    assert (group["MinSize"], group["MaxSize"], group["DesiredCapacity"]) == (2, 10, 2)
    assert (group["HealthCheckType"], len(group["TargetGroupARNs"])) == ("ELB", 1)
    policies = cloud.client("autoscaling", region).describe_policies(AutoScalingGroupName="session-app-app")
    changes = [each["StepAdjustments"][0]["ScalingAdjustment"] for each in policies["ScalingPolicies"]]
    assert sorted(changes) == [-1, 1]
    assert steps_of(cloud, region) == {
        ("GreaterThanThreshold", 50.0, 2, 60),
        ("LessThanThreshold", 30.0, 5, 60),
    }


@each_region
def test_redis_fails_over_between_zones_and_stays_in_its_region(cloud: Cloud, region: str):
    (cache,) = cloud.client("elasticache", region).describe_replication_groups()["ReplicationGroups"]
    assert (cache["ReplicationGroupId"], cache["MultiAZ"]) == ("session-app-sessions", "enabled")
    assert cache["TransitEncryptionEnabled"] is True


@each_region
def test_s3_is_private_versioned_and_archived(cloud: Cloud, region: str):
    s3, name = cloud.client("s3", region), f"session-app-uploads-123456789012-{region}"
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    rules = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert [each["Days"] for rule in rules for each in rule.get("Transitions", ())] == [90]
    assert set(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values()) == {True}


@each_region
def test_the_security_picture(cloud: Cloud, region: str):
    told = cloud.client("ec2", region).describe_security_groups()["SecurityGroups"]
    groups = {each["Description"].removeprefix("session-app: "): each for each in told}
    balancer = groups["the balancer, open to the world"]
    app = groups["instances of app, reachable from the balancer only"]
    redis = groups["Redis, reachable from the services that use it only"]
    assert [rule["FromPort"] for rule in balancer["IpPermissions"]] == [80]
    for inner, port, outer in ((app, 80, balancer), (redis, 6379, app)):
        (rule,) = inner["IpPermissions"]
        assert (rule["FromPort"], rule["IpRanges"]) == (port, [])
        assert [pair["GroupId"] for pair in rule["UserIdGroupPairs"]] == [outer["GroupId"]]
    (firewall,) = cloud.client("wafv2", region).list_web_acls(Scope="REGIONAL")["WebACLs"]
    assert firewall["Name"].startswith("session-app")


@each_region
def test_a_dashboard_of_its_own(cloud: Cloud, region: str):
    assert cloud.client("cloudwatch", region).get_dashboard(DashboardName=f"session-app-{region}")["DashboardBody"]


def test_one_pipeline_rolls_out_to_both(cloud: Cloud):
    assert cloud.client("codepipeline").get_pipeline(name="session-app")["pipeline"]["stages"]
    assert cloud.client("codepipeline", "eu-west-1").list_pipelines()["pipelines"] == []
    operator = cloud.operators["session-app"]
    assert operator.questions == ["create session-app-eu-west-1?", "create session-app-us-east-1?"]


# Changed, and destroyed


def test_a_change_reaches_both_regions(cloud: Cloud, tmp_path: Path):
    service = APP.services[0]
    out, inward = service.scaling.steps
    scaling = replace(service.scaling, steps=(replace(out, threshold=60.0), inward))
    larger = replace(service, capacity=replace(service.capacity, max=12), scaling=scaling)
    later, operator = replace(APP, services=(larger,)), Operator()
    deployment.deploy(later, plan(later, tmp_path), operator.desk(), clients=boto3_clients)
    assert operator.questions == ["update session-app-eu-west-1?", "update session-app-us-east-1?"]
    for region in REGIONS:
        group = group_of(cloud, region)
        assert (group["MinSize"], group["MaxSize"], group["DesiredCapacity"]) == (2, 12, 2)
        assert ("GreaterThanThreshold", 60.0, 2, 60) in steps_of(cloud, region)


def test_destroy_keeps_the_files_of_both_regions(empty_account: Cloud, tmp_path: Path):
    app, operator = replace(APP, name="gone"), Operator()
    wanted = stores_only(app, tmp_path)
    deployment.deploy(app, wanted, operator.desk(), clients=boto3_clients)
    deployment.destroy(wanted, operator.desk(), clients=boto3_clients)
    assert operator.questions[-1].startswith("delete gone-us-east-1, gone-eu-west-1 (tables, buckets")
    for region in REGIONS:
        assert f"kept AWS::S3::Bucket gone-uploads-123456789012-{region}" in operator.lines
