"""Created in moto through the change sets that `flyball aws deploy` makes, and read back service by service."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aws import applications
from aws.cloud import Cloud, Operator, plan, stores_only
from flyball.aws import deployment, refresh
from flyball.aws.deployment import changes
from flyball.aws.deployment.account import Account, boto3_clients
from flyball.core.errors import Failed
from flyball.core.model import Application, Edge

pytestmark = [
    pytest.mark.synth,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # moto's own calls of older libraries
]


@pytest.fixture(scope="module")
def cloud(empty_account: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    directory = tmp_path_factory.mktemp("deployed")
    for app in (
        applications.visitor_board(),
        applications.forum(),
        applications.session_app_in_two_regions(),
    ):
        operator, wanted = Operator(), plan(app, directory)
        deployment.deploy(app, wanted, operator.desk(), clients=boto3_clients)
        empty_account.operators[app.name] = operator
        empty_account.plans[app.name] = wanted
    return empty_account


# The way of a deployment


def test_changes_are_shown_before_anybody_is_asked(cloud: Cloud):
    operator = cloud.operators["forum"]
    assert "  + Balancer AWS::ElasticLoadBalancingV2::LoadBalancer" in operator.lines
    assert operator.questions == ["create forum-us-east-1?"]
    assert operator.lines[0].startswith("account 123456789012 as arn:aws:")


def test_the_stack_is_complete_with_every_resource(cloud: Cloud):
    for name, wanted in cloud.plans.items():
        for each in wanted:
            client = cloud.client("cloudformation", each.region)
            assert client.describe_stacks(StackName=each.name)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE", name
            found = client.list_stack_resources(StackName=each.name)["StackResourceSummaries"]
            assert len(found) == len(json.loads(each.template)["Resources"])


class Watched:
    """The account's clients; every call to S3 is noted before it is made."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def clients(self, service: str, region: str) -> Any:
        client = boto3_clients(service, region)
        if service == "s3":
            client.meta.events.register("provide-client-params.s3", self._note)
        return client

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        self.calls.append((model.name, dict(params)))


def test_a_large_template_goes_through_a_bucket_that_nobody_can_foresee(cloud: Cloud):
    wanted = next(each for each in cloud.plans["forum"] if len(each.template.encode()) > 51_200)
    watched = [Watched(), Watched()]
    for each in watched:
        deployment.diff(applications.forum(), (wanted,), clients=each.clients)
        first, *others = each.calls
        assert first[0] == "CreateBucket"
        assert [name for name, _ in others] == ["PutPublicAccessBlock", "PutObject", "DeleteObject", "DeleteBucket"]
        assert {call["ExpectedBucketOwner"] for _, call in others} == {"123456789012"}
        assert set(others[0][1]["PublicAccessBlockConfiguration"].values()) == {True}
    assert watched[0].calls[0][1]["Bucket"] != watched[1].calls[0][1]["Bucket"]
    assert not any(each["Name"].startswith("flyball-") for each in cloud.client("s3").list_buckets()["Buckets"])


def test_the_other_regions_come_before_the_first(cloud: Cloud):
    assert [each.name for each in cloud.plans["session-app"]] == [
        "session-app-budget",
        "session-app-eu-west-1",
        "session-app-us-east-1",
    ]
    assert "second pass: what needs the other regions" in cloud.operators["session-app"].lines


def test_there_is_a_pause_between_two_regions(cloud: Cloud, tmp_path: Path):
    pauses: list[float] = []
    app = applications.session_app_in_two_regions()
    slower = replace(app.services[0], scaling=replace(app.services[0].scaling, warmup_s=200.0))
    later = replace(app, services=(slower,), edge=Edge(pause_s=90.0))
    desk = replace(Operator().desk(), pause=pauses.append)
    deployment.deploy(later, plan(later, tmp_path), desk, clients=boto3_clients)
    assert pauses.count(90.0) == 1  # the budget stays as it is, and nothing follows the first region


def test_the_same_again_changes_nothing(cloud: Cloud):
    operator = Operator()
    deployment.deploy(applications.forum(), cloud.plans["forum"], operator.desk(), clients=boto3_clients)
    assert operator.lines[1:] == ["forum-us-east-1: nothing to change"]
    assert operator.questions == []


def test_diff_shows_a_change_and_changes_nothing(cloud: Cloud, tmp_path: Path):
    app = applications.visitor_board()
    assert deployment.diff(app, cloud.plans["visitor-board"], clients=boto3_clients) == {"visitor-board-eu-north-1": ()}
    larger = replace(app, services=(replace(app.services[0], capacity=replace(app.services[0].capacity, max=12)),))
    found = deployment.diff(larger, plan(larger, tmp_path), clients=boto3_clients)["visitor-board-eu-north-1"]
    assert [(change.action, change.name) for change in found] == [("Modify", "WebScalingGroup")]
    group = cloud.client("autoscaling", "eu-north-1").describe_auto_scaling_groups()["AutoScalingGroups"][0]
    assert group["MaxSize"] == 10


def test_without_a_yes_nothing_is_made(empty_account: Cloud, tmp_path: Path):
    app = replace(applications.visitor_board(), name="unwanted")
    with pytest.raises(Failed, match="not confirmed; nothing was changed"):
        deployment.deploy(app, plan(app, tmp_path), Operator(agrees=False).desk(), clients=boto3_clients)
    names = [
        each["StackName"] for each in empty_account.client("cloudformation", "eu-north-1").describe_stacks()["Stacks"]
    ]
    assert "unwanted-eu-north-1" not in names


def test_without_credentials_a_clear_sentence():
    from botocore.exceptions import NoCredentialsError

    class Nobody:
        def get_caller_identity(self) -> None:
            raise NoCredentialsError

    with pytest.raises(Failed, match="no AWS credentials: sign in with"):
        deployment.deploy(applications.forum(), (), Operator().desk(), clients=lambda service, region: Nobody())


def test_the_domains_zone_is_found_by_its_longest_name(cloud: Cloud):
    record = cloud.client("cloudformation").describe_stacks(StackName="session-app-us-east-1")["Stacks"][0]
    zone = next(each["ParameterValue"] for each in record["Parameters"] if each["ParameterKey"] == "HostedZone")
    assert cloud.client("route53").get_hosted_zone(Id=zone)["HostedZone"]["Name"] == "example.com."


def test_a_domain_of_nobodys_zone_is_refused(empty_account: Cloud, tmp_path: Path):
    app = applications.session_app_in_two_regions()
    assert app.aws is not None
    lost = replace(app, name="lost", aws=replace(app.aws, domain="x.example.org", monthly_budget_usd=None))
    with pytest.raises(Failed, match=r"this account has no public hosted zone for x\.example\.org"):
        deployment.deploy(lost, plan(lost, tmp_path), Operator().desk(), clients=boto3_clients)


def test_destroy_asks_and_keeps_the_stores(empty_account: Cloud, tmp_path: Path):
    app = replace(applications.visitor_board(), name="short-lived")
    wanted, operator = stores_only(app, tmp_path), Operator()
    deployment.deploy(app, wanted, operator.desk(), clients=boto3_clients)
    with pytest.raises(Failed, match="nothing was deleted"):
        deployment.destroy(wanted, Operator(agrees=False).desk(), clients=boto3_clients)
    deployment.destroy(wanted, operator.desk(), clients=boto3_clients)
    assert operator.questions[-1] == "delete short-lived-eu-north-1 (tables, buckets, images and source stay)?"
    assert "kept AWS::DynamoDB::Table short-lived-messages" in operator.lines
    assert "short-lived-messages" in empty_account.client("dynamodb", "eu-north-1").list_tables()["TableNames"]
    deployment.destroy(wanted, operator.desk(), clients=boto3_clients)
    assert operator.lines[-1] == "nothing is deployed"


def test_destroy_with_stores_deletes_their_data(empty_account: Cloud, tmp_path: Path):
    app = replace(applications.visitor_board(), name="forgotten")
    wanted, operator = stores_only(app, tmp_path), Operator()
    deployment.deploy(app, wanted, operator.desk(), clients=boto3_clients)
    bucket = "forgotten-releases-123456789012-eu-north-1"
    empty_account.client("s3", "eu-north-1").put_object(Bucket=bucket, Key="web/1.tar.gz", Body=b"1")
    deployment.destroy(wanted, operator.desk(), clients=boto3_clients, with_stores=True)
    assert "AND ALL THEIR DATA" in operator.questions[-1]
    assert "forgotten-messages" not in empty_account.client("dynamodb", "eu-north-1").list_tables()["TableNames"]
    buckets = [each["Name"] for each in empty_account.client("s3").list_buckets()["Buckets"]]
    assert not any(name.startswith("forgotten-") for name in buckets)
    source = empty_account.client("codecommit", "eu-north-1")
    with pytest.raises(source.exceptions.RepositoryDoesNotExistException):
        source.get_repository(repositoryName="forgotten")


def asked_with(app: Application, wanted: tuple[deployment.StackPlan, ...]) -> list[dict[str, str]]:
    """The parameters of every change set that a look at the changes makes."""
    found: list[dict[str, str]] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        found.append({each["ParameterKey"]: each["ParameterValue"] for each in params["Parameters"]})

    def clients(service: str, region: str) -> Any:
        client = boto3_clients(service, region)
        client.meta.events.register("provide-client-params.cloudformation.CreateChangeSet", note)
        return client

    deployment.diff(app, wanted, clients=clients)
    return found


def test_a_release_of_machines_makes_no_deployment_replace_them(empty_account: Cloud, tmp_path: Path):
    app = replace(applications.visitor_board(), name="released")
    wanted = plan(app, tmp_path)
    deployment.deploy(app, wanted, Operator().desk(), clients=boto3_clients)
    scaling, machines = (empty_account.client(name, "eu-north-1") for name in ("autoscaling", "ec2"))
    (group,) = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["released-web"])["AutoScalingGroups"]
    version = refresh.new_version(machines, refresh.template_of(group), "0123456789ab")
    scaling.update_auto_scaling_group(
        AutoScalingGroupName="released-web", DesiredCapacity=8, **refresh.with_version(group, version)
    )
    quiet = asked_with(app, wanted)[0]
    assert {key: quiet[key] for key in ("WebRelease", "WebRunning", "WebInService")} == {
        "WebRelease": "none", "WebRunning": "2", "WebInService": "1"
    }  # fmt: skip
    larger = replace(app, aws=replace(app.aws, machine="t3.large"))
    assert asked_with(larger, plan(larger, tmp_path))[-1].items() >= {
        "WebRelease": "0123456789ab", "WebRunning": "none", "WebInService": "8"
    }.items()  # fmt: skip


def test_a_release_of_tasks_makes_no_deployment_replace_them(cloud: Cloud, tmp_path: Path):
    app, ecs = applications.forum(), cloud.client("ecs")
    before = ecs.describe_services(cluster="forum", services=["posts"])["services"][0]["taskDefinition"]
    known = ecs.describe_task_definition(taskDefinition=before)["taskDefinition"]
    container = {**known["containerDefinitions"][0], "image": "host/forum/posts:0123456789ab"}
    size = {name: known[name] for name in ("cpu", "memory", "networkMode", "requiresCompatibilities")}
    new = ecs.register_task_definition(family=known["family"], containerDefinitions=[container], **size)[
        "taskDefinition"
    ]
    ecs.update_service(cluster="forum", service="posts", taskDefinition=new["taskDefinitionArn"])
    first = asked_with(app, cloud.plans["forum"])[0]
    assert first["PostsRunning"] == new["taskDefinitionArn"]
    assert first["PostsImage"] == known["containerDefinitions"][0]["image"]
    assert first["ThreadsRunning"] == "none"
    *others, posts = app.services
    changed = replace(app, services=(*others, replace(posts, environment=(("MODE", "new"),))))
    last = asked_with(changed, plan(changed, tmp_path))[-1]
    assert (last["PostsImage"], last["PostsRunning"]) == ("host/forum/posts:0123456789ab", "none")
    ecs.update_service(cluster="forum", service="posts", taskDefinition=before)


class Midway:
    """CloudFormation in the middle of a change that somebody else began; it ends as `end` says."""

    def __init__(self, end: str) -> None:
        self.states = ["UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", end, end]

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - AWS's own name
        return {"Stacks": [{"StackName": StackName, "StackStatus": self.states.pop(0)}]}

    def describe_stack_events(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - AWS's own name
        status = "UPDATE_FAILED" if "ROLLBACK" in self.states[-1] else "UPDATE_COMPLETE"
        event = {"EventId": "1", "LogicalResourceId": "Web", "ResourceType": "AWS::ECS::Service"}
        return {"StackEvents": [{**event, "ResourceStatus": status, "ResourceStatusReason": "because"}]}


@pytest.mark.parametrize(
    ("end", "last"),
    [
        ("UPDATE_COMPLETE", "shop is UPDATE_COMPLETE"),
        ("UPDATE_ROLLBACK_COMPLETE", "shop is UPDATE_ROLLBACK_COMPLETE: Web (AWS::ECS::Service): because"),
    ],
)
def test_an_interrupted_deployment_is_followed_to_its_end(end: str, last: str):
    midway, lines = Midway(end), []
    account = Account(number="1", principal="me", clients=lambda service, region: midway)
    wanted = deployment.StackPlan(name="shop", region="eu-north-1", template="{}")
    changes.join(account, wanted, say=lines.append, pause=lambda seconds: None)
    assert lines[0] == "shop is UPDATE_IN_PROGRESS: following the deployment that has begun"
    assert lines[-1] == last
    assert any("Web (AWS::ECS::Service)" in line for line in lines[1:-1])
    changes.join(account, wanted, say=lines.append, pause=lambda seconds: None)
    assert lines[-1] == last


# Read back


def test_ecs_has_its_role_before_its_first_service(cloud: Cloud):
    found = cloud.client("iam").list_roles(PathPrefix="/aws-service-role/ecs.amazonaws.com/", MaxItems=1000)["Roles"]
    assert len(found) == 1


def test_balancer_listeners_and_rules(cloud: Cloud):
    elb = cloud.client("elbv2")
    balancer = next(
        each
        for each in elb.describe_load_balancers()["LoadBalancers"]
        if each["LoadBalancerName"].startswith("forum") and each["Scheme"] == "internet-facing"
    )
    assert (balancer["Scheme"], len(balancer["AvailabilityZones"])) == ("internet-facing", 2)
    attributes = elb.describe_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"])["Attributes"]
    assert {"Key": "idle_timeout.timeout_seconds", "Value": "60"} in attributes
    listener = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"][0]
    rules = elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    paths = [
        rule["Conditions"][0]["PathPatternConfig"]["Values"]
        if "PathPatternConfig" in rule["Conditions"][0]
        else rule["Conditions"][0]["Values"]
        for rule in sorted(rules[:-1], key=lambda rule: int(rule["Priority"]))
    ]
    assert paths == [*([f"/api/{name}", f"/api/{name}/*"] for name in ("threads", "users", "posts")), ["/*"]]


def test_tls_listeners(cloud: Cloud):
    elb = cloud.client("elbv2")
    balancer = next(
        each
        for each in elb.describe_load_balancers()["LoadBalancers"]
        if each["LoadBalancerName"].startswith("session")
    )
    listeners = {
        each["Port"]: each for each in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    }
    assert listeners[80]["DefaultActions"][0]["Type"] == "redirect"
    assert listeners[443]["SslPolicy"].startswith("ELBSecurityPolicy-TLS13-")


def test_target_groups(cloud: Cloud):
    elb = cloud.client("elbv2")
    groups = [
        each for each in elb.describe_target_groups()["TargetGroups"] if each["TargetGroupName"].startswith("forum")
    ]
    assert len(groups) == 6
    for group in groups:
        assert (group["TargetType"], group["Port"], group["HealthCheckPath"]) == ("ip", 3000, "/health")
        assert (group["HealthCheckIntervalSeconds"], group["HealthCheckTimeoutSeconds"]) == (30, 4)
        attributes = elb.describe_target_group_attributes(TargetGroupArn=group["TargetGroupArn"])["Attributes"]
        assert {"Key": "deregistration_delay.timeout_seconds", "Value": "30"} in attributes


def test_ecs_services_and_tasks(cloud: Cloud):
    ecs = cloud.client("ecs")
    names = ["posts", "threads", "users"]
    for service in ecs.describe_services(cluster="forum", services=names)["services"]:
        assert service["desiredCount"] == 2
        assert service["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "DISABLED"
        assert service["loadBalancers"][0]["containerPort"] == 3000
        task = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
        assert (task["cpu"], task["memory"], task["networkMode"]) == ("256", "512", "awsvpc")
        assert task["containerDefinitions"][0]["readonlyRootFilesystem"] is True


def test_scaling_of_tasks(cloud: Cloud):
    scaling = cloud.client("application-autoscaling")
    targets = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    bounds = {target["ResourceId"]: (target["MinCapacity"], target["MaxCapacity"]) for target in targets}
    assert bounds == {f"service/forum/{name}": (2, 10) for name in ("posts", "threads", "users")}
    policies = scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    numbers = sorted(
        (policy["PolicyName"], policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"]) for policy in policies
    )
    assert numbers == sorted(
        (f"{name}-{metric}-target", value)
        for name in ("posts", "threads", "users")
        for metric, value in (("cpu", 70.0), ("memory", 80.0))
    )


def test_group_and_its_steps(cloud: Cloud):
    scaling = cloud.client("autoscaling")
    group = scaling.describe_auto_scaling_groups(AutoScalingGroupNames=["session-app-app"])["AutoScalingGroups"][0]
    assert (group["MinSize"], group["MaxSize"], group["DesiredCapacity"]) == (2, 10, 2)
    assert group["HealthCheckType"] == "ELB"
    policies = scaling.describe_policies(AutoScalingGroupName="session-app-app")["ScalingPolicies"]
    assert sorted(policy["StepAdjustments"][0]["ScalingAdjustment"] for policy in policies) == [-1, 1]
    hooks = scaling.describe_lifecycle_hooks(AutoScalingGroupName="session-app-app")["LifecycleHooks"]
    assert [(hook["LifecycleHookName"], hook["DefaultResult"]) for hook in hooks] == [("ready", "ABANDON")]


def test_target_tracking_of_the_group(cloud: Cloud):
    scaling = cloud.client("autoscaling", "eu-north-1")
    policy = scaling.describe_policies(AutoScalingGroupName="visitor-board-web")["ScalingPolicies"][0]
    assert policy["TargetTrackingConfiguration"]["TargetValue"] == 50.0


def test_alarms(cloud: Cloud):
    alarms = cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]
    steps = {
        (alarm["Threshold"], alarm["ComparisonOperator"], alarm["EvaluationPeriods"], alarm["Period"])
        for alarm in alarms
        if "Step" in alarm["AlarmName"]
    }
    assert steps == {(50.0, "GreaterThanThreshold", 2, 60), (30.0, "LessThanThreshold", 5, 60)}


def test_launch_template(cloud: Cloud):
    ec2 = cloud.client("ec2", "eu-north-1")
    template = ec2.describe_launch_templates()["LaunchTemplates"][0]
    data = ec2.describe_launch_template_versions(LaunchTemplateId=template["LaunchTemplateId"])[
        "LaunchTemplateVersions"
    ][0]["LaunchTemplateData"]
    assert (data["InstanceType"], data["MetadataOptions"]["HttpTokens"]) == ("t3.micro", "required")
    tags = {tag["Key"]: tag["Value"] for tag in data["TagSpecifications"][0]["Tags"]}
    assert tags["flyball-release"] == "none"


def test_table(cloud: Cloud):
    dynamodb = cloud.client("dynamodb", "eu-north-1")
    table = dynamodb.describe_table(TableName="visitor-board-messages")["Table"]
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert [each["AttributeName"] for each in table["KeySchema"]] == ["board", "posted"]
    backups = dynamodb.describe_continuous_backups(TableName="visitor-board-messages")
    points = backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    assert points["PointInTimeRecoveryStatus"] == "ENABLED"


def test_redis(cloud: Cloud):
    group = cloud.client("elasticache").describe_replication_groups()["ReplicationGroups"][0]
    assert group["MultiAZ"] == "enabled"
    assert group["AutomaticFailover"] in {"enabled", "enabling"}
    assert group["TransitEncryptionEnabled"] is True


def test_bucket(cloud: Cloud):
    s3 = cloud.client("s3")
    name = "session-app-uploads-123456789012-us-east-1"
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    rules = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert [each["StorageClass"] for rule in rules for each in rule.get("Transitions", ())] == ["GLACIER_IR"]
    assert set(s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"].values()) == {True}


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_each_region_has_all_of_the_seeds_picture(cloud: Cloud, region: str):
    balancers = cloud.client("elbv2", region).describe_load_balancers()["LoadBalancers"]
    assert any(each["LoadBalancerName"].startswith("session-app-") for each in balancers)
    groups = cloud.client("autoscaling", region).describe_auto_scaling_groups(AutoScalingGroupNames=["session-app-app"])
    assert [(each["MinSize"], each["MaxSize"]) for each in groups["AutoScalingGroups"]] == [(2, 10)]
    assert len(cloud.client("elasticache", region).describe_replication_groups()["ReplicationGroups"]) == 1
    bucket = f"session-app-uploads-123456789012-{region}"
    assert cloud.client("s3", region).get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"


def test_roles(cloud: Cloud):
    iam = cloud.client("iam")
    role = next(role for role in iam.list_roles(MaxItems=1000)["Roles"] if "PostsTaskRole" in role["RoleName"])
    name = iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"][0]
    statement = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=name)["PolicyDocument"]["Statement"][0]
    assert statement["Resource"] == "arn:aws:dynamodb:us-east-1:123456789012:table/forum-forum"


def test_dashboard(cloud: Cloud):
    body = cloud.client("cloudwatch").get_dashboard(DashboardName="forum-us-east-1")["DashboardBody"]
    assert len(json.loads(body)["widgets"]) == 8


def test_pipeline(cloud: Cloud):
    found = cloud.client("codepipeline").get_pipeline(name="forum")["pipeline"]
    assert [stage["name"] for stage in found["stages"]] == ["Source", "Build", "Deploy"]
    project = cloud.client("codebuild").batch_get_projects(names=["forum-build"])["projects"][0]
    assert project["environment"]["privilegedMode"] is True
    assert cloud.client("codecommit").get_repository(repositoryName="forum")["repositoryMetadata"]


def test_image_repositories(cloud: Cloud):
    found = {each["repositoryName"]: each for each in cloud.client("ecr").describe_repositories()["repositories"]}
    assert found.keys() == {"forum/posts", "forum/threads", "forum/users"}
    assert {each["imageTagMutability"] for each in found.values()} == {"IMMUTABLE"}


def test_firewall_and_trail(cloud: Cloud):
    waf = cloud.client("wafv2")
    acls = waf.list_web_acls(Scope="REGIONAL")["WebACLs"]
    assert len([each for each in acls if each["Name"].startswith("session-app")]) == 1
    assert cloud.client("cloudtrail").get_trail_status(Name="forum-trail")["IsLogging"] is True


def test_records(cloud: Cloud):
    route53 = cloud.client("route53")
    zone = next(each["Id"] for each in route53.list_hosted_zones()["HostedZones"] if each["Name"] == "example.com.")
    records = [
        record
        for record in route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        if record["Name"].startswith("session")
    ]
    assert {(record["SetIdentifier"], record["Region"]) for record in records} == {
        ("us-east-1", "us-east-1"),
        ("eu-west-1", "eu-west-1"),
    }


def test_network(cloud: Cloud):
    ec2 = cloud.client("ec2")
    vpc = next(
        each for each in ec2.describe_vpcs()["Vpcs"] if any(tag["Value"] == "forum-vpc" for tag in each.get("Tags", ()))
    )
    inside = [{"Name": "vpc-id", "Values": [vpc["VpcId"]]}]
    ranges = sorted(each["CidrBlock"] for each in ec2.describe_subnets(Filters=inside)["Subnets"])
    assert ranges == ["10.0.0.0/24", "10.0.1.0/24", "10.0.100.0/24", "10.0.101.0/24"]
    assert len(ec2.describe_nat_gateways(Filters=inside)["NatGateways"]) == 2
    services = sorted(
        each["ServiceName"].split(".", 3)[-1] for each in ec2.describe_vpc_endpoints(Filters=inside)["VpcEndpoints"]
    )
    assert services == ["dynamodb", "ecr.api", "ecr.dkr", "logs", "s3"]


def test_security_groups(cloud: Cloud):
    groups = {
        each["Description"]: each
        for each in cloud.client("ec2").describe_security_groups()["SecurityGroups"]
        if each["Description"].startswith("forum: ")
    }
    balancer = groups["forum: the balancer, open to the world"]
    posts = groups["forum: instances of posts, reachable from the balancer only"]
    assert [rule["IpRanges"][0]["CidrIp"] for rule in balancer["IpPermissions"]] == ["0.0.0.0/0"]
    inside = groups["forum: the balancer inside, reachable from instances only"]
    assert {pair["GroupId"] for pair in posts["IpPermissions"][0]["UserIdGroupPairs"]} == {
        balancer["GroupId"],
        inside["GroupId"],
    }


def test_budget(cloud: Cloud):
    found = cloud.client("budgets").describe_budgets(AccountId="123456789012")["Budgets"][0]
    assert float(found["BudgetLimit"]["Amount"]) == 200.0
