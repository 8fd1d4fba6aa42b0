"""Seed 000's picture, box by box: the Visitor Board behind a balancer, 1 to 10 machines, one table."""

from __future__ import annotations

import pytest

from aws.template import Stack, text

pytestmark = pytest.mark.synth


def test_internet_reaches_alb_on_port_80_at_one_name(visitor_board: Stack):
    assert visitor_board.one("ElasticLoadBalancingV2::LoadBalancer")["Scheme"] == "internet-facing"
    listener = visitor_board.one("ElasticLoadBalancingV2::Listener")
    assert (listener["Port"], listener["Protocol"]) == (80, "HTTP")
    assert text(visitor_board.template["Outputs"]["Url"]["Value"]) == "http://<Balancer.DNSName>"


def test_alb_sends_everything_to_the_target_group(visitor_board: Stack):
    rule = visitor_board.one("ElasticLoadBalancingV2::ListenerRule")
    assert rule["Conditions"] == [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}]
    assert rule["Actions"][0]["ForwardConfig"]["TargetGroups"] == [
        {"TargetGroupArn": {"Ref": "WebTargetGroup"}, "Weight": 1}
    ]


def test_asg_min_1_max_10(visitor_board: Stack):
    group = visitor_board.one("AutoScaling::AutoScalingGroup")
    assert (group["MinSize"], group["MaxSize"]) == ("1", "10")
    assert group["DesiredCapacity"] == {"Fn::If": ["IsFirstDeploy", "1", {"Ref": "AWS::NoValue"}]}


def test_asg_registers_instances_in_the_target_group(visitor_board: Stack):
    group = visitor_board.one("AutoScaling::AutoScalingGroup")
    assert group["TargetGroupARNs"] == [{"Ref": "WebTargetGroup"}]
    assert group["HealthCheckType"] == "ELB"
    assert visitor_board.named("WebTargetGroup")["TargetType"] == "instance"


def test_health_checks_ask_health(visitor_board: Stack):
    group = visitor_board.named("WebTargetGroup")
    assert group["HealthCheckPath"] == "/health"
    assert (group["HealthCheckIntervalSeconds"], group["HealthCheckTimeoutSeconds"]) == (5, 4)
    assert (group["HealthyThresholdCount"], group["UnhealthyThresholdCount"]) == (2, 2)


def test_ec2_is_a_t3_micro(visitor_board: Stack):
    data = visitor_board.named("WebLaunchTemplate")["LaunchTemplateData"]
    assert data["InstanceType"] == "t3.micro"
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["Monitoring"] == {"Enabled": True}
    assert data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True


def test_launch_template_installs_git_fetches_and_runs(visitor_board: Stack):
    script = text(visitor_board.named("WebLaunchTemplate")["LaunchTemplateData"]["UserData"])
    steps = [
        "dnf install --assumeyes --quiet git",
        "pip install --quiet uv==",
        "aws s3 cp",
        "uv venv",
        "systemctl enable",
    ]
    assert [step for step in steps if step in script] == steps
    assert sorted(script.index(step) for step in steps) == [script.index(step) for step in steps]
    assert 'exec granian --interface wsgi --port "$PORT" ' in script


def test_base_ami_is_amazon_linux(visitor_board: Stack):
    image = visitor_board.template["Parameters"]["MachineImage"]
    assert "al2023-ami-kernel-default-x86_64" in image["Default"]


def test_scaling_policy_cpu_50(visitor_board: Stack):
    policy = visitor_board.one("AutoScaling::ScalingPolicy")
    assert policy["PolicyType"] == "TargetTrackingScaling"
    tracking = policy["TargetTrackingConfiguration"]
    assert tracking["TargetValue"] == 50
    assert tracking["PredefinedMetricSpecification"] == {"PredefinedMetricType": "ASGAverageCPUUtilization"}
    assert tracking["DisableScaleIn"] is False
    assert policy["EstimatedInstanceWarmup"] == 300


def test_dynamodb_messages(visitor_board: Stack):
    table = visitor_board.one("DynamoDB::Table")
    assert table["TableName"] == "visitor-board-messages"
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["KeySchema"] == [
        {"AttributeName": "board", "KeyType": "HASH"},
        {"AttributeName": "posted", "KeyType": "RANGE"},
    ]
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert table["SSESpecification"]["SSEEnabled"] is True
    assert visitor_board.resources["MessagesTable"]["DeletionPolicy"] == "Retain"


def test_instances_reach_dynamodb_by_role_and_url(visitor_board: Stack):
    script = text(visitor_board.named("WebLaunchTemplate")["LaunchTemplateData"]["UserData"])
    assert 'MESSAGES_URL="dynamodb://visitor-board-messages?region=eu-north-1&key=board:string,posted:string"' in script
    assert visitor_board.allowed("WebInstanceRole", "dynamodb:PutItem") == [
        "arn:aws:dynamodb:eu-north-1:<AWS::AccountId>:table/visitor-board-messages"
    ]
    assert visitor_board.allowed("WebInstanceRole", "dynamodb:DeleteTable") == []


def test_security_group_http_from_world_to_the_balancer_only(visitor_board: Stack):
    rules = visitor_board.named("BalancerGroup")["SecurityGroupIngress"]
    assert [(rule["CidrIp"], rule["FromPort"], rule["ToPort"]) for rule in rules] == [("0.0.0.0/0", 80, 80)]
    inside = visitor_board.named("WebSecurityGroup")["SecurityGroupIngress"]
    assert [(text(rule["SourceSecurityGroupId"]), rule["FromPort"]) for rule in inside] == [
        ("<BalancerGroup.GroupId>", 80)
    ]


def test_machines_start_when_all_ways_out_are_open(visitor_board: Stack):
    waits = set(visitor_board.resources["WebScalingGroup"]["DependsOn"])
    routes = {f"Private{zone}{part}" for zone in "AB" for part in ("DefaultRoute", "Association")}
    assert routes | {"PublicDefaultRoute", "S3Endpoint", "DynamodbEndpoint"} <= waits


def test_no_ssh_anywhere(visitor_board: Stack):
    ports = [
        rule["FromPort"]
        for group in visitor_board.all("EC2::SecurityGroup").values()
        for rule in group["SecurityGroupIngress"]
    ]
    assert 22 not in ports


def test_same_environment_as_here(visitor_board: Stack):
    script = text(visitor_board.named("WebLaunchTemplate")["LaunchTemplateData"]["UserData"])
    for line in (
        'PORT="80"',
        'HOST="0.0.0.0"',
        'FLYBALL_SERVICE="web"',
        'FLYBALL_APPLICATION="visitor-board"',
        'FLYBALL_URL="http://<Balancer.DNSName>"',
    ):
        assert f"\n{line}\n" in script
    assert "FLYBALL_RELEASE=%s" in script
