"""Seed 004's pictures, box by box: high-level, network, pipeline, security, auto-scaling."""

from __future__ import annotations

import json

import pytest

from aws.template import Stack, listed, text

pytestmark = pytest.mark.synth
SERVICES = ("posts", "threads", "users")


# High-level architecture


def test_alb_in_public_subnets_multi_az(forum: Stack):
    balancer = forum.named("Balancer")
    assert balancer["Scheme"] == "internet-facing"
    assert balancer["Subnets"] == [{"Ref": "PublicASubnet"}, {"Ref": "PublicBSubnet"}]
    attributes = forum.attributes("Balancer", "LoadBalancerAttributes")
    assert attributes["access_logs.s3.enabled"] == "true"
    assert attributes["idle_timeout.timeout_seconds"] == "60"


def test_ssl_termination(forum_https: Stack):
    secure = forum_https.named("HttpsListener")
    assert secure["Certificates"][0]["CertificateArn"].startswith("arn:aws:acm:us-east-1:")
    assert forum_https.named("HttpListener")["DefaultActions"][0]["Type"] == "redirect"


@pytest.mark.parametrize(("service", "priority"), [("threads", 100), ("users", 200), ("posts", 300)])
def test_path_based_routing(forum: Stack, service: str, priority: int):
    rules = {
        tuple(rule["Conditions"][0]["PathPatternConfig"]["Values"]): rule
        for rule in forum.all("ElasticLoadBalancingV2::ListenerRule").values()
        if rule["ListenerArn"] == {"Ref": "HttpListener"}
    }
    rule = rules[f"/api/{service}", f"/api/{service}/*"]
    group = rule["Actions"][0]["ForwardConfig"]["TargetGroups"][0]["TargetGroupArn"]["Ref"]
    assert group == f"{service.capitalize()}TargetGroup"
    assert rule["Priority"] == priority


@pytest.mark.parametrize("service", SERVICES)
def test_tasks_start_when_all_ways_out_are_open(forum: Stack, service: str):
    waits = set(forum.resources[f"{service.capitalize()}Service"]["DependsOn"])
    routes = {f"Private{zone}{part}" for zone in "AB" for part in ("DefaultRoute", "Association")}
    endpoints = {f"{name}Endpoint" for name in ("S3", "Dynamodb", "EcrApi", "EcrDkr", "Logs")}
    assert routes | endpoints | {"PublicDefaultRoute", "CapacityProviders"} <= waits


def test_services_call_each_other_inside_the_network(forum: Stack, forum_https: Stack):
    for stack in (forum, forum_https):
        balancer = stack.named("InsideBalancer")
        assert balancer["Scheme"] == "internal"
        assert balancer["Subnets"] == [{"Ref": "PrivateASubnet"}, {"Ref": "PrivateBSubnet"}]
        variables = stack.named("PostsTask")["ContainerDefinitions"][0]["Environment"]
        (url,) = (text(each["Value"]) for each in variables if each["Name"] == "FLYBALL_URL")
        assert url == "http://<InsideBalancer.DNSName>"
        assert stack.named("InsideHttpListener")["DefaultActions"][0]["Type"] == "fixed-response"
        inside = [
            (rule["Priority"], rule["Conditions"])
            for rule in stack.all("ElasticLoadBalancingV2::ListenerRule").values()
            if rule["ListenerArn"] == {"Ref": "InsideHttpListener"}
        ]
        every = stack.all("ElasticLoadBalancingV2::ListenerRule").values()
        assert len(inside) * 2 == len(every)
        assert all((rule["Priority"], rule["Conditions"]) in inside for rule in every)
        out = {(rule["FromPort"], rule["CidrIp"]) for rule in stack.named("PostsSecurityGroup")["SecurityGroupEgress"]}
        assert out == {(443, "0.0.0.0/0"), (80, "10.0.100.0/24"), (80, "10.0.101.0/24")}
        assert len(stack.all("WAFv2::WebACLAssociation")) == 1


def test_unknown_path_is_404(forum: Stack):
    answer = forum.named("HttpListener")["DefaultActions"][0]["FixedResponseConfig"]
    assert answer["StatusCode"] == "404"


@pytest.mark.parametrize("service", SERVICES)
def test_target_group_of_each_service(forum: Stack, service: str):
    group = forum.named(f"{service.capitalize()}TargetGroup")
    assert (group["TargetType"], group["Port"]) == ("ip", 3000)
    assert (group["HealthCheckPath"], group["HealthCheckIntervalSeconds"]) == ("/health", 30)


@pytest.mark.parametrize("service", SERVICES)
def test_ecs_service_2_to_10_tasks(forum: Stack, service: str):
    target = forum.named(f"{service.capitalize()}ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 10)
    made = forum.named(f"{service.capitalize()}Service")
    assert "LaunchType" not in made  # so that `spot` can be turned off again without a new service
    assert made["CapacityProviderStrategy"] == [{"Base": 2, "CapacityProvider": "FARGATE", "Weight": 100}]
    assert made["DesiredCount"] == {"Fn::If": ["IsFirstDeploy", 2, {"Ref": "AWS::NoValue"}]}


@pytest.mark.parametrize("service", SERVICES)
def test_tasks_in_private_subnets_behind_their_group(forum: Stack, service: str):
    made = forum.named(f"{service.capitalize()}Service")
    network = made["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"
    assert network["Subnets"] == [{"Ref": "PrivateASubnet"}, {"Ref": "PrivateBSubnet"}]
    assert made["LoadBalancers"] == [
        {
            "ContainerName": service,
            "ContainerPort": 3000,
            "TargetGroupArn": {"Ref": f"{service.capitalize()}TargetGroup{where}"},
        }
        for where in ("", "Inside")
    ]


@pytest.mark.parametrize("service", SERVICES)
def test_task_quarter_vcpu_512_mb(forum: Stack, service: str):
    task = forum.named(f"{service.capitalize()}Task")
    assert (task["Cpu"], task["Memory"]) == ("256", "512")
    assert task["RequiresCompatibilities"] == ["FARGATE"]


@pytest.mark.parametrize("service", SERVICES)
def test_ecr_repository_pulled_by_the_task(forum: Stack, service: str):
    repository = forum.named(f"{service.capitalize()}Repository")
    assert repository["RepositoryName"] == f"forum/{service}"
    assert forum.allowed(f"{service.capitalize()}ExecutionRole", "ecr:BatchGetImage") == [
        f"<{service.capitalize()}Repository.Arn>"
    ]
    container = forum.named(f"{service.capitalize()}Task")["ContainerDefinitions"][0]
    assert container["Image"] == {"Ref": f"{service.capitalize()}Image"}


# Network architecture


def test_vpc_10_0_0_0_16(forum: Stack):
    assert forum.named("Vpc")["CidrBlock"] == "10.0.0.0/16"


@pytest.mark.parametrize(
    ("name", "cidr", "zone"),
    [
        ("PublicASubnet", "10.0.0.0/24", 0),
        ("PublicBSubnet", "10.0.1.0/24", 1),
        ("PrivateASubnet", "10.0.100.0/24", 0),
        ("PrivateBSubnet", "10.0.101.0/24", 1),
    ],
)
def test_subnet(forum: Stack, name: str, cidr: str, zone: int):
    subnet = forum.named(name)
    assert subnet["CidrBlock"] == cidr
    assert subnet["AvailabilityZone"] == {"Fn::Select": [zone, {"Fn::GetAZs": ""}]}
    assert subnet["MapPublicIpOnLaunch"] is False


def test_internet_gateway_for_public_subnets(forum: Stack):
    assert forum.named("PublicDefaultRoute")["GatewayId"] == {"Ref": "InternetGateway"}
    assert len(forum.all("EC2::InternetGateway")) == 1


@pytest.mark.parametrize("zone", ["A", "B"])
def test_nat_gateway_in_each_zone(forum: Stack, zone: str):
    assert forum.named(f"Nat{zone}")["SubnetId"] == {"Ref": f"Public{zone}Subnet"}
    route = forum.named(f"Private{zone}DefaultRoute")
    assert route["NatGatewayId"] == {"Ref": f"Nat{zone}"}
    association = forum.named(f"Private{zone}Association")
    assert association["SubnetId"] == {"Ref": f"Private{zone}Subnet"}


@pytest.mark.parametrize("service", ["ecr.api", "ecr.dkr", "logs"])
def test_interface_endpoint(forum: Stack, service: str):
    found = {endpoint["ServiceName"]: endpoint for endpoint in forum.all("EC2::VPCEndpoint").values()}
    endpoint = found[f"com.amazonaws.us-east-1.{service}"]
    assert endpoint["VpcEndpointType"] == "Interface"
    assert endpoint["PrivateDnsEnabled"] is True
    assert endpoint["SubnetIds"] == [{"Ref": "PrivateASubnet"}, {"Ref": "PrivateBSubnet"}]


@pytest.mark.parametrize("service", ["s3", "dynamodb"])
def test_gateway_endpoint(forum: Stack, service: str):
    found = {endpoint["ServiceName"]: endpoint for endpoint in forum.all("EC2::VPCEndpoint").values()}
    endpoint = found[f"com.amazonaws.us-east-1.{service}"]
    assert endpoint["VpcEndpointType"] == "Gateway"
    assert endpoint["RouteTableIds"] == [{"Ref": "PrivateARoutes"}, {"Ref": "PrivateBRoutes"}]


# Pipeline


def test_codecommit_repository(forum: Stack):
    assert forum.one("CodeCommit::Repository")["RepositoryName"] == "forum"


def test_push_triggers_the_pipeline(forum: Stack):
    rule = forum.named("Trigger")
    assert rule["EventPattern"]["source"] == ["aws.codecommit"]
    assert rule["EventPattern"]["detail"]["referenceName"] == ["main"]
    assert text(rule["Targets"][0]["Arn"]).endswith(":<Pipeline>")


def test_codepipeline_source_build_deploy(forum: Stack):
    stages = forum.named("Pipeline")["Stages"]
    assert [stage["Name"] for stage in stages] == ["Source", "Build", "Deploy"]
    assert stages[0]["Actions"][0]["ActionTypeId"]["Provider"] == "CodeCommit"
    assert stages[1]["Actions"][0]["ActionTypeId"]["Provider"] == "CodeBuild"
    deploys = stages[2]["Actions"]
    assert [action["ActionTypeId"]["Provider"] for action in deploys] == ["ECS"] * 3
    assert [action["Configuration"]["ServiceName"] for action in deploys] == ["users", "threads", "posts"]


def test_codebuild_builds_tests_packages_and_pushes_to_ecr(forum: Stack):
    project = forum.one("CodeBuild::Project")
    specification = text(project["Source"]["BuildSpec"])
    assert project["Environment"]["PrivilegedMode"] is True
    for service in SERVICES:
        uri = f"<AWS::AccountId>.dkr.ecr.us-east-1.amazonaws.com/forum/{service}"
        assert f'docker push "{uri}:$RELEASE"' in specification
        assert f"images-{service}-us-east-1.json" in specification


@pytest.mark.parametrize("service", SERVICES)
def test_rolling_deployment(forum: Stack, service: str):
    rules = forum.named(f"{service.capitalize()}Service")["DeploymentConfiguration"]
    assert (rules["MinimumHealthyPercent"], rules["MaximumPercent"]) == (100, 200)
    assert rules["Strategy"] == "ROLLING"


@pytest.mark.parametrize("service", SERVICES)
def test_auto_rollback_by_circuit_breaker(forum: Stack, service: str):
    rules = forum.named(f"{service.capitalize()}Service")["DeploymentConfiguration"]
    assert rules["DeploymentCircuitBreaker"] == {
        "Enable": True,
        "ResetOnHealthyTask": False,
        "Rollback": True,
        "ThresholdConfiguration": {"Type": "BOUNDED_PERCENT", "Value": 50},
    }


def test_connection_draining_30_seconds(forum: Stack):
    for service in SERVICES:
        attributes = forum.attributes(f"{service.capitalize()}TargetGroup", "TargetGroupAttributes")
        assert attributes["deregistration_delay.timeout_seconds"] == "30"


# Security architecture


def test_tasks_group_3000_from_the_alb_only(forum: Stack):
    for service in SERVICES:
        rules = forum.named(f"{service.capitalize()}SecurityGroup")["SecurityGroupIngress"]
        assert [(text(rule["SourceSecurityGroupId"]), rule["FromPort"], rule["ToPort"]) for rule in rules] == [
            ("<BalancerGroup.GroupId>", 3000, 3000),
            ("<InsideBalancerGroup.GroupId>", 3000, 3000),
        ]


def test_endpoints_group_443_from_the_vpc(forum: Stack):
    rules = forum.named("EndpointGroup")["SecurityGroupIngress"]
    assert [(rule["CidrIp"], rule["FromPort"]) for rule in rules] == [("10.0.0.0/16", 443)]


def test_execution_role_pulls_images_and_writes_logs(forum: Stack):
    assert forum.allowed("PostsExecutionRole", "logs:PutLogEvents") == ["<PostsInstanceLogGroup.Arn>"]
    assert forum.allowed("PostsExecutionRole", "ecr:GetAuthorizationToken") == ["*"]
    assert forum.allowed("PostsExecutionRole", "dynamodb:PutItem") == []


def test_task_role_has_the_applications_own_permissions(forum: Stack):
    table = "arn:aws:dynamodb:us-east-1:<AWS::AccountId>:table/forum-forum"
    assert forum.allowed("PostsTaskRole", "dynamodb:Query") == [table]
    assert forum.allowed("PostsTaskRole", "ecr:BatchGetImage") == []


def test_codepipeline_role_artifacts_builds_and_deployments(forum: Stack):
    for service in SERVICES:
        updated = forum.allowed(f"{service.title()}RolloutRole", "ecs:UpdateService")
        assert updated == [f"arn:aws:ecs:us-east-1:<AWS::AccountId>:service/forum/{service}"]
    assert forum.allowed("PipelineRole", "codebuild:StartBuild") == ["<BuildProject.Arn>"]
    assert forum.allowed("PipelineRole", "s3:GetObject") == [
        "arn:aws:s3:::forum-artifacts-<AWS::AccountId>-us-east-1/*"
    ]


def test_codebuild_role_pushes_images_and_writes_logs(forum: Stack):
    pushed = forum.allowed("BuildRole", "ecr:PutImage")
    assert pushed == [f"arn:aws:ecr:us-east-1:<AWS::AccountId>:repository/forum/{service}" for service in SERVICES]
    assert forum.allowed("BuildRole", "logs:PutLogEvents") == ["<BuildLogGroup.Arn>"]


def test_no_role_may_do_everything(forum: Stack):
    for policy in forum.all("IAM::Policy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            assert "*" not in listed(statement["Action"])


def test_container_non_root_read_only(forum: Stack):
    container = forum.named("PostsTask")["ContainerDefinitions"][0]
    assert container["User"] == "10001:10001"
    assert container["ReadonlyRootFilesystem"] is True
    assert container["LinuxParameters"]["Capabilities"] == {"Drop": ["ALL"]}
    assert container["MountPoints"] == [
        {"ContainerPath": "/tmp", "ReadOnly": False, "SourceVolume": "tmp"},
        {"ContainerPath": "/var/lib/amazon", "ReadOnly": False, "SourceVolume": "agent"},
        {"ContainerPath": "/var/log/amazon", "ReadOnly": False, "SourceVolume": "agent-log"},
    ]


def test_image_scanning_and_immutable_encrypted_repositories(forum: Stack):
    for repository in forum.all("ECR::Repository").values():
        assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert repository["ImageTagMutability"] == "IMMUTABLE"
        assert repository["EncryptionConfiguration"] == {"EncryptionType": "KMS"}
        assert len(json.loads(repository["LifecyclePolicy"]["LifecyclePolicyText"])["rules"]) == 1


def test_cloudwatch_logs_with_retention(forum: Stack):
    groups = forum.all("Logs::LogGroup")
    assert {"PostsInstanceLogGroup", "ThreadsInstanceLogGroup", "UsersInstanceLogGroup"} <= groups.keys()
    assert {group["RetentionInDays"] for group in groups.values()} == {30}


def test_container_insights(forum: Stack):
    assert forum.one("ECS::Cluster")["ClusterSettings"] == [{"Name": "containerInsights", "Value": "enabled"}]


def test_cloudwatch_alarms(forum: Stack):
    for service in SERVICES:
        alarm = forum.named(f"{service.capitalize()}UnhealthyAlarm")
        assert alarm["AlarmActions"] == [{"Ref": "Alarms"}]
        assert forum.named(f"{service.capitalize()}ErrorsAlarm")["Threshold"] == 5


def test_cloudtrail(forum: Stack):
    trail = forum.one("CloudTrail::Trail")
    assert trail["IsLogging"] is True
    assert trail["EnableLogFileValidation"] is True
    assert trail["IsMultiRegionTrail"] is True


# Auto-scaling architecture


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize(
    ("metric", "predefined", "target"),
    [("Cpu", "ECSServiceAverageCPUUtilization", 70), ("Memory", "ECSServiceAverageMemoryUtilization", 80)],
)
def test_target_tracking(forum: Stack, service: str, metric: str, predefined: str, target: int):
    policy = forum.named(f"{service.capitalize()}{metric}TargetPolicy")
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["PredefinedMetricSpecification"] == {"PredefinedMetricType": predefined}
    assert tracking["TargetValue"] == target
    assert (tracking["ScaleOutCooldown"], tracking["ScaleInCooldown"]) == (300, 300)
    assert policy["ScalingTargetId"] == {"Ref": f"{service.capitalize()}ScalableTarget"}


def test_six_to_thirty_tasks_in_all(forum: Stack):
    targets = forum.all("ApplicationAutoScaling::ScalableTarget").values()
    assert sum(target["MinCapacity"] for target in targets) == 6
    assert sum(target["MaxCapacity"] for target in targets) == 30


def test_same_environment_as_here(forum: Stack):
    container = forum.named("PostsTask")["ContainerDefinitions"][0]
    environment = {pair["Name"]: text(pair["Value"]) for pair in container["Environment"]}
    assert environment == {
        "FLYBALL_APPLICATION": "forum",
        "FLYBALL_HEALTH": "/health",
        "FLYBALL_SERVICE": "posts",
        "FLYBALL_URL": "http://<InsideBalancer.DNSName>",
        "FORUM_URL": "dynamodb://forum-forum?region=us-east-1&key=pk:string,sk:string",
        "GRANIAN_HOST": "0.0.0.0",
        "HOST": "0.0.0.0",
        "PORT": "3000",
        "PYTHONUNBUFFERED": "1",
        "UVICORN_HOST": "0.0.0.0",
    }
