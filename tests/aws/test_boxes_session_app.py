"""Seed 003's pictures, box by box: production architecture, scaling flow, multi-region, dashboard, cost, security."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from aws import applications
from aws.conftest import Synth
from aws.template import Stack, text
from flyball.core.model import CoreRules

pytestmark = pytest.mark.synth


# Production architecture


def test_route_53_leads_to_the_alb(two_regions: dict[str, Stack]):
    record = two_regions["session-app-us-east-1"].one("Route53::RecordSet")
    assert (record["Name"], record["Type"]) == ("session.example.com", "A")
    assert text(record["AliasTarget"]["DNSName"]) == "<Balancer.DNSName>"


def test_alb_health_checks_health(session_app: Stack):
    assert session_app.named("AppTargetGroup")["HealthCheckPath"] == "/health"


def test_alb_distributes_over_two_zones(session_app: Stack):
    balancer = session_app.one("ElasticLoadBalancingV2::LoadBalancer")
    assert [text(subnet) for subnet in balancer["Subnets"]] == ["<PublicASubnet>", "<PublicBSubnet>"]
    assert session_app.attributes("AppTargetGroup", "TargetGroupAttributes")["load_balancing.algorithm.type"] == (
        "round_robin"
    )


def test_alb_terminates_tls_and_redirects_http(two_regions: dict[str, Stack]):
    stack = two_regions["session-app-us-east-1"]
    secure = stack.named("HttpsListener")
    assert (secure["Port"], secure["Protocol"]) == (443, "HTTPS")
    assert secure["SslPolicy"].startswith("ELBSecurityPolicy-TLS13-")
    assert secure["Certificates"] == [{"CertificateArn": {"Ref": "Certificate"}}]
    redirect = stack.named("HttpListener")["DefaultActions"][0]["RedirectConfig"]
    assert (redirect["Protocol"], redirect["Port"], redirect["StatusCode"]) == ("HTTPS", "443", "HTTP_301")


def test_ec2_instances_1_to_n(session_app: Stack):
    assert session_app.named("AppLaunchTemplate")["LaunchTemplateData"]["InstanceType"] == "t3.small"


def test_elasticache_redis_multi_az_auto_failover(session_app: Stack):
    redis = session_app.one("ElastiCache::ReplicationGroup")
    assert (redis["Engine"], redis["NumCacheClusters"]) == ("redis", 2)
    assert redis["MultiAZEnabled"] is True
    assert redis["AutomaticFailoverEnabled"] is True
    assert session_app.resources["SessionsRedis"]["DeletionPolicy"] == "Snapshot"


def test_s3_holds_uploads(session_app: Stack):
    bucket = session_app.named(_bucket(session_app, "UploadsBucket"))
    assert text(bucket["BucketName"]) == "session-app-uploads-<AWS::AccountId>-us-east-1"
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}


# Auto Scaling group flow


def test_asg_min_2_desired_2_max_10(session_app: Stack):
    group = session_app.one("AutoScaling::AutoScalingGroup")
    assert (group["MinSize"], group["MaxSize"]) == ("2", "10")
    assert group["DesiredCapacity"]["Fn::If"][:2] == ["IsFirstDeploy", "2"]


def test_cpu_above_50_for_2_minutes_adds_one(session_app: Stack):
    alarm, policy = session_app.named("AppStep1Alarm"), session_app.named("AppStep1Policy")
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (50, "GreaterThanThreshold")
    assert (alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"], alarm["Period"]) == (2, 2, 60)
    assert alarm["MetricName"] == "CPUUtilization"
    assert alarm["AlarmActions"] == [{"Ref": "AppStep1Policy"}]
    assert policy["PolicyType"] == "StepScaling"
    assert policy["StepAdjustments"] == [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]


def test_cpu_below_30_for_5_minutes_removes_one(session_app: Stack):
    alarm, policy = session_app.named("AppStep2Alarm"), session_app.named("AppStep2Policy")
    assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (30, "LessThanThreshold")
    assert (alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"], alarm["Period"]) == (5, 5, 60)
    assert policy["StepAdjustments"] == [{"MetricIntervalUpperBound": 0, "ScalingAdjustment": -1}]


def test_alarms_look_at_the_group_each_minute(session_app: Stack):
    assert session_app.named("AppStep1Alarm")["Dimensions"] == [
        {"Name": "AutoScalingGroupName", "Value": {"Ref": "AppScalingGroup"}}
    ]
    assert session_app.named("AppLaunchTemplate")["LaunchTemplateData"]["Monitoring"] == {"Enabled": True}


def test_new_instance_runs_user_data_then_waits_for_health(session_app: Stack):
    hook = session_app.one("AutoScaling::AutoScalingGroup")["LifecycleHookSpecificationList"][0]
    assert hook["LifecycleTransition"] == "autoscaling:EC2_INSTANCE_LAUNCHING"
    script = text(session_app.named("AppLaunchTemplate")["LaunchTemplateData"]["UserData"])
    *_, wait = script.split("for _ in ")
    assert wait.index("/health") < wait.index("join CONTINUE") < wait.index("signal SUCCESS")
    resource = session_app.resources["AppScalingGroup"]
    assert resource["CreationPolicy"]["ResourceSignal"] == {"Count": 2, "Timeout": "PT30M"}
    rolling = resource["UpdatePolicy"]["AutoScalingRollingUpdate"]
    assert rolling["WaitOnResourceSignals"] is True
    assert rolling["MinInstancesInService"] == {"Ref": "AppInService"}
    assert "/var/log/cloud-init-output.log" in script
    assert session_app.allowed("AppInstanceRole", "ssmmessages:OpenDataChannel") == ["*"]


def test_scale_in_drains_before_it_terminates(session_app: Stack):
    attributes = session_app.attributes("AppTargetGroup", "TargetGroupAttributes")
    assert attributes["deregistration_delay.timeout_seconds"] == "30"


# Multi-region: of the file that is shipped


def test_route_53_latency_records_with_health_checks(shipped: dict[str, Stack]):
    for region in ("us-east-1", "eu-west-1"):
        record = shipped[f"session-app-{region}"].one("Route53::RecordSet")
        assert (record["SetIdentifier"], record["Region"]) == (region, region)
        assert record["HealthCheckId"] == {"Fn::GetAtt": ["RegionCheck", "HealthCheckId"]}
        assert record["AliasTarget"]["EvaluateTargetHealth"] is True


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_each_region_has_alb_asg_and_elasticache(shipped: dict[str, Stack], region: str):
    stack = shipped[f"session-app-{region}"]
    stack.one("ElasticLoadBalancingV2::LoadBalancer")
    stack.one("ElastiCache::ReplicationGroup")
    group = stack.one("AutoScaling::AutoScalingGroup")
    assert (group["MinSize"], group["MaxSize"]) == ("2", "10")


def test_global_s3_replicates_both_ways_once_both_exist(shipped: dict[str, Stack]):
    for region, other in (("us-east-1", "eu-west-1"), ("eu-west-1", "us-east-1")):
        stack = shipped[f"session-app-{region}"]
        bucket = stack.named(_bucket(stack, "UploadsBucket"))
        condition, first, later = bucket["ReplicationConfiguration"]["Fn::If"]
        assert (condition, first) == ("IsFirstDeploy", {"Ref": "AWS::NoValue"})
        rule = later["Rules"][0]
        assert text(rule["Destination"]["Bucket"]) == f"arn:aws:s3:::session-app-uploads-<AWS::AccountId>-{other}"
        assert rule["Status"] == "Enabled"
        assert rule["Destination"]["Metrics"] == {"Status": "Enabled"}


def test_pipeline_and_trail_exist_once(two_regions: dict[str, Stack]):
    for kind, names in (("CodePipeline::Pipeline", {"Pipeline", "UploadPipeline"}), ("CloudTrail::Trail", {"Trail"})):
        assert two_regions["session-app-us-east-1"].all(kind).keys() == names
        assert two_regions["session-app-eu-west-1"].all(kind) == {}


# Data flows


def test_any_instance_reads_sessions_from_redis(session_app: Stack):
    url = text(session_app.named("SessionsUrl")["SecretString"])
    assert url == (
        "rediss://:{{resolve:secretsmanager:<SessionsPassword>:SecretString}}"
        "@<SessionsRedis.PrimaryEndPoint.Address>:6379/0"
    )
    script = text(session_app.named("AppLaunchTemplate")["LaunchTemplateData"]["UserData"])
    assert "SESSIONS_URL=%s" in script
    assert "--secret-id <SessionsUrl>" in script
    assert "resolve:secretsmanager" not in script


def test_any_instance_streams_uploads_to_s3(session_app: Stack):
    script = text(session_app.named("AppLaunchTemplate")["LaunchTemplateData"]["UserData"])
    assert 'UPLOADS_URL="s3://session-app-uploads-<AWS::AccountId>-us-east-1?region=us-east-1"' in script
    objects = "arn:aws:s3:::session-app-uploads-<AWS::AccountId>-us-east-1/*"
    assert objects in session_app.allowed("AppInstanceRole", "s3:PutObject")
    assert objects in session_app.allowed("AppInstanceRole", "s3:GetObject")


# Dashboard


@pytest.mark.parametrize(
    "tile",
    [
        "Active instances",
        "Request count per minute",
        "CPU utilization (%)",
        "Request latency (s)",
        "Health check status",
        "Scaling activity",
        "Memory and network",
        "Activities",
    ],
)
def test_dashboard_tile(session_app: Stack, tile: str):
    body = json.loads(text(session_app.one("CloudWatch::Dashboard")["DashboardBody"]))
    found = {widget["properties"]["title"]: widget["properties"] for widget in body["widgets"]}
    if tile == "Activities":
        group = session_app.named("ActivityLogGroup")["LogGroupName"]
        assert f"SOURCE '{group}'" in found[tile]["query"]
        rule = session_app.named("Activities")
        assert rule["EventPattern"]["detail"] == {"AutoScalingGroupName": ["session-app-app"]}
        assert text(rule["Targets"][0]["Arn"]).endswith(f":log-group:{group}")
        return
    assert found[tile]["metrics"]
    if tile == "Request latency (s)":
        assert [line[-1]["stat"] for line in found[tile]["metrics"]] == ["p50", "p95", "p99"]
    if tile == "Scaling activity":
        assert [line[:2] for line in found[tile]["metrics"]] == [
            ["AWS/AutoScaling", name] for name in ("GroupDesiredCapacity", "GroupInServiceInstances")
        ]
    if tile == "Memory and network":
        assert [line[:2] for line in found[tile]["metrics"]] == [["AWS/EC2", "NetworkIn"], ["AWS/EC2", "NetworkOut"]]


# Cost


def test_spot_for_what_is_above_the_minimum(two_regions: dict[str, Stack]):
    group = two_regions["session-app-us-east-1"].one("AutoScaling::AutoScalingGroup")
    shares = group["MixedInstancesPolicy"]["InstancesDistribution"]
    assert (shares["OnDemandBaseCapacity"], shares["OnDemandPercentageAboveBaseCapacity"]) == (2, 50)
    assert group["CapacityRebalance"] is True


def test_s3_lifecycle_moves_old_files_to_glacier(session_app: Stack):
    bucket = session_app.named(_bucket(session_app, "UploadsBucket"))
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["archive"]["Transitions"] == [{"StorageClass": "GLACIER_IR", "TransitionInDays": 90}]


def test_budget_alarm(two_regions: dict[str, Stack]):
    budget = two_regions["session-app-budget"].one("Budgets::Budget")
    assert budget["Budget"]["BudgetLimit"] == {"Amount": 200, "Unit": "USD"}
    kinds = [each["Notification"]["NotificationType"] for each in budget["NotificationsWithSubscribers"]]
    assert kinds == ["ACTUAL", "FORECASTED"]


# Security


def test_waf_managed_rules_and_rate_limit(two_regions: dict[str, Stack]):
    stack = two_regions["session-app-us-east-1"]
    rules = stack.one("WAFv2::WebACL")["Rules"]
    assert rules[0]["Statement"]["RateBasedStatement"] == {
        "AggregateKeyType": "IP",
        "EvaluationWindowSec": 60,
        "Limit": 600,
    }
    assert groups(stack) == [
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesCommonRuleSet",
    ]
    assert stack.one("WAFv2::WebACLAssociation")["ResourceArn"] == {"Ref": "Balancer"}


def groups(stack: Stack) -> list[str]:
    statements = [rule["Statement"] for rule in stack.one("WAFv2::WebACL")["Rules"]]
    return [one["ManagedRuleGroupStatement"]["Name"] for one in statements if "ManagedRuleGroupStatement" in one]


def counted(stack: Stack, group: str) -> list[str]:
    """The rules of a managed group that only count."""
    rules = {rule["Name"]: rule["Statement"] for rule in stack.one("WAFv2::WebACL")["Rules"]}
    overrides = rules[group]["ManagedRuleGroupStatement"].get("RuleActionOverrides", [])
    assert all(one["ActionToUse"] == {"Count": {}} for one in overrides)
    return [one["Name"] for one in overrides]


BODIES = [
    f"{name}_BODY" for name in ("CrossSiteScripting", "EC2MetaDataSSRF", "GenericLFI", "GenericRFI", "SizeRestrictions")
]


def with_firewall(synth: Synth, **changes: object) -> Stack:
    app = applications.session_app()
    firewall = replace(app.listener.firewall, **changes)
    return synth(replace(app, listener=replace(app.listener, firewall=firewall)))["session-app-us-east-1"]


def test_waf_lets_uploads_through_where_no_path_is_named(synth: Synth):
    stack = with_firewall(synth, uploads=None)
    assert counted(stack, "AWSManagedRulesCommonRuleSet") == BODIES
    assert stack.one("WAFv2::WebACL")["Rules"][-1]["Name"] == "AWSManagedRulesCommonRuleSet"


def test_waf_judges_bodies_but_not_where_files_are_taken(shipped: dict[str, Stack]):
    stack = shipped["session-app-us-east-1"]
    assert counted(stack, "AWSManagedRulesCommonRuleSet") == BODIES
    rule = stack.one("WAFv2::WebACL")["Rules"][-1]
    assert (rule["Name"], rule["Action"]) == ("bodies", {"Block": {}})
    found, elsewhere = rule["Statement"]["AndStatement"]["Statements"]
    labels = [one["LabelMatchStatement"] for one in found["OrStatement"]["Statements"]]
    assert [(one["Scope"], one["Key"]) for one in labels] == [
        ("LABEL", f"awswaf:managed:aws:core-rule-set:{name.replace('_BODY', '_Body')}") for name in BODIES
    ]
    path = elsewhere["NotStatement"]["Statement"]["RegexMatchStatement"]
    assert path["FieldToMatch"] == {"UriPath": {}}
    assert path["TextTransformations"] == [{"Priority": 0, "Type": "NORMALIZE_PATH"}]  # /upload/../login is no upload
    taken = [
        one for one in ("/upload", "/upload/a.png", "/uploads", "/", "/x/upload") if re.match(path["RegexString"], one)
    ]
    assert taken == ["/upload", "/upload/a.png"]


def test_waf_judges_every_body_where_no_path_takes_files(synth: Synth):
    stack = with_firewall(synth, uploads=())
    assert counted(stack, "AWSManagedRulesCommonRuleSet") == []
    assert stack.one("WAFv2::WebACL")["Rules"][-1]["Name"] == "AWSManagedRulesCommonRuleSet"


def test_owasp_core_rules_are_managed_rule_groups_there(synth: Synth):
    stack = with_firewall(synth, managed=False, core_rules=CoreRules(), uploads=("/upload", "/avatars"))
    assert groups(stack) == [
        "AWSManagedRulesKnownBadInputsRuleSet",
        "AWSManagedRulesCommonRuleSet",
        "AWSManagedRulesSQLiRuleSet",
    ]
    assert counted(stack, "AWSManagedRulesSQLiRuleSet") == ["SQLi_BODY", "SQLiExtendedPatterns_BODY"]
    assert counted(stack, "AWSManagedRulesKnownBadInputsRuleSet") == []
    found, _ = stack.one("WAFv2::WebACL")["Rules"][-1]["Statement"]["AndStatement"]["Statements"]
    assert len(found["OrStatement"]["Statements"]) == len(BODIES) + 2
    assert stack.attributes("Balancer", "LoadBalancerAttributes")["waf.fail_open.enabled"] == "false"


def test_alb_security_group_80_and_443_from_the_world(two_regions: dict[str, Stack]):
    rules = two_regions["session-app-us-east-1"].named("BalancerGroup")["SecurityGroupIngress"]
    assert [(rule["CidrIp"], rule["FromPort"]) for rule in rules] == [("0.0.0.0/0", 80), ("0.0.0.0/0", 443)]


def test_ec2_security_group_80_from_the_alb_only(session_app: Stack):
    rules = session_app.named("AppSecurityGroup")["SecurityGroupIngress"]
    assert [(text(rule["SourceSecurityGroupId"]), rule["FromPort"], rule["ToPort"]) for rule in rules] == [
        ("<BalancerGroup.GroupId>", 80, 80)
    ]


def test_redis_security_group_6379_from_ec2_only(session_app: Stack):
    rules = session_app.named("RedisGroup")["SecurityGroupIngress"]
    assert [(text(rule["SourceSecurityGroupId"]), rule["FromPort"]) for rule in rules] == [
        ("<AppSecurityGroup.GroupId>", 6379)
    ]


def test_s3_is_reached_by_role_only_and_over_tls(session_app: Stack):
    bucket = session_app.named(_bucket(session_app, "UploadsBucket"))
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    policies = [
        policy["PolicyDocument"]["Statement"]
        for policy in session_app.all("S3::BucketPolicy").values()
        if policy["Bucket"] == {"Ref": _bucket(session_app, "UploadsBucket")}
    ]
    assert policies[0][0]["Effect"] == "Deny"
    assert policies[0][0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_iam_role_instead_of_keys(session_app: Stack):
    data = session_app.named("AppLaunchTemplate")["LaunchTemplateData"]
    assert text(data["IamInstanceProfile"]["Arn"]) == "<AppInstanceProfile.Arn>"
    assert "AWS_SECRET" not in text(data["UserData"])


def test_encryption_in_transit_and_at_rest(session_app: Stack):
    redis = session_app.one("ElastiCache::ReplicationGroup")
    assert redis["TransitEncryptionEnabled"] is True
    assert redis["AtRestEncryptionEnabled"] is True
    for name, bucket in session_app.all("S3::Bucket").items():
        assert bucket["BucketEncryption"], name


def test_redis_and_ec2_in_private_subnets(session_app: Stack):
    private = [{"Ref": "PrivateASubnet"}, {"Ref": "PrivateBSubnet"}]
    assert session_app.one("AutoScaling::AutoScalingGroup")["VPCZoneIdentifier"] == private
    assert session_app.one("ElastiCache::SubnetGroup")["SubnetIds"] == private


def _bucket(stack: Stack, name: str) -> str:
    return next(each for each in stack.all("S3::Bucket") if each.startswith(name))
