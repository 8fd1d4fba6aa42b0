"""The types that the bridge creates, each by the calls that AWS's own CloudFormation makes."""

from __future__ import annotations

import base64
import json
from typing import Any

from aws.bridge import Call, Request

Made = tuple[str, dict[str, str]]


def key(request: Request) -> Made:
    wanted = request.properties
    made = request.client("kms").create_key(Description=wanted["Description"], Policy=json.dumps(wanted["KeyPolicy"]))
    request.client("kms").enable_key_rotation(KeyId=made["KeyMetadata"]["KeyId"])
    return made["KeyMetadata"]["KeyId"], {"Arn": made["KeyMetadata"]["Arn"]}


def scalable_target(request: Request) -> Made:
    request.call("application-autoscaling", "register_scalable_target")
    wanted = request.properties
    place = {key: wanted[key] for key in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
    for action in wanted.get("ScheduledActions", ()):
        request.client("application-autoscaling").put_scheduled_action(**place, **action)
    return "|".join((wanted["ResourceId"], wanted["ScalableDimension"], wanted["ServiceNamespace"])), {}


def ecs_scaling_policy(request: Request) -> Made:
    resource, dimension, namespace = request.properties["ScalingTargetId"].split("|")
    if request.properties["PolicyType"] == "PredictiveScaling":
        return f"{resource}/predictive", {}  # moto has no predictive scaling of ECS
    made = request.call(
        "application-autoscaling",
        "put_scaling_policy",
        ResourceId=resource,
        ScalableDimension=dimension,
        ServiceNamespace=namespace,
    )
    return made["PolicyARN"], {"Arn": made["PolicyARN"]}


def group_scaling_policy(request: Request) -> Made:
    request.call("autoscaling", "put_scaling_policy", PolicyName=request.name)
    found = request.client("autoscaling").describe_policies(PolicyNames=[request.name])["ScalingPolicies"][0]
    return found["PolicyARN"], {"Arn": found["PolicyARN"]}


def budget(request: Request) -> Made:
    request.call("budgets", "create_budget", AccountId=request.account)
    return request.properties["Budget"]["BudgetName"], {}


def certificate(request: Request) -> Made:
    made = request.client("acm").request_certificate(
        DomainName=request.properties["DomainName"], ValidationMethod="DNS"
    )
    return made["CertificateArn"], {}


def trail(request: Request) -> Made:
    wanted = request.properties
    client = request.client("cloudtrail")
    made = client.create_trail(
        Name=request.name,
        S3BucketName=wanted["S3BucketName"],
        S3KeyPrefix=wanted["S3KeyPrefix"],
        IncludeGlobalServiceEvents=wanted["IncludeGlobalServiceEvents"],
        IsMultiRegionTrail=wanted["IsMultiRegionTrail"],
        EnableLogFileValidation=wanted["EnableLogFileValidation"],
        CloudWatchLogsLogGroupArn=wanted["CloudWatchLogsLogGroupArn"],
        CloudWatchLogsRoleArn=wanted["CloudWatchLogsRoleArn"],
    )
    client.start_logging(Name=request.name)
    return request.name, {"Arn": made["TrailARN"]}


def alarm(request: Request) -> Made:
    request.call("cloudwatch", "put_metric_alarm", AlarmName=request.name)
    return request.name, {"Arn": f"arn:aws:cloudwatch:{request.region}:{request.account}:alarm:{request.name}"}


def build_project(request: Request) -> Made:
    # moto wants a location even of what the pipeline hands over and takes back
    wanted = request.properties
    located = {end: {**wanted[end], "Location": "pipeline"} for end in ("Source", "Artifacts")}
    request.properties = {**wanted, **located}
    made = request.call("codebuild", "create_project")
    return request.name, {"Arn": made["project"]["arn"]}


def source_repository(request: Request) -> Made:
    made = request.client("codecommit").create_repository(
        repositoryName=request.properties["RepositoryName"],
        repositoryDescription=request.properties["RepositoryDescription"],
    )["repositoryMetadata"]
    return made["repositoryId"], {
        "Arn": made["Arn"],
        "Name": made["repositoryName"],
        "CloneUrlHttp": made["cloneUrlHttp"],
    }


def pipeline(request: Request) -> Made:
    wanted = request.properties
    client = request.client("codepipeline")
    from aws.bridge import shaped

    shape = client.meta.service_model.operation_model("CreatePipeline").input_shape.members["pipeline"]
    stores = {each["Region"]: each["ArtifactStore"] for each in wanted["ArtifactStores"]}
    first = stores[request.region] if len(stores) == 1 else None
    plain = {key: value for key, value in wanted.items() if key != "ArtifactStores"}
    described = shaped({**plain, **({"ArtifactStore": first} if first else {"ArtifactStores": stores})}, shape)
    client.create_pipeline(pipeline=described)
    return request.name, {}


def table(request: Request) -> Made:
    wanted = request.properties
    client = request.client("dynamodb")
    from aws.bridge import shaped

    shape = client.meta.service_model.operation_model("CreateTable").input_shape
    plain = {
        "SSESpecification": {"Enabled": True, "SSEType": wanted["SSESpecification"]["SSEType"]},
        **{key: value for key, value in wanted.items() if key not in {"SSESpecification", "Tags"}},
    }
    if "StreamSpecification" in plain:
        plain["StreamSpecification"] = {"StreamEnabled": True, **plain["StreamSpecification"]}
    client.create_table(**shaped(plain, shape))
    client.update_continuous_backups(
        TableName=request.name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    arn = f"arn:aws:dynamodb:{request.region}:{request.account}:table/{request.name}"
    return request.name, {"Arn": arn}


def global_table(request: Request) -> Made:
    others = [each["Region"] for each in request.properties["Replicas"] if each["Region"] != request.region]
    made = table(request)
    updates = [{"Create": {"RegionName": region}} for region in others]
    request.client("dynamodb").update_table(TableName=request.name, ReplicaUpdates=updates)
    return made


def capacity_providers(request: Request) -> Made:
    wanted = request.properties
    request.client("ecs").put_cluster_capacity_providers(
        cluster=wanted["Cluster"], capacityProviders=wanted["CapacityProviders"], defaultCapacityProviderStrategy=[]
    )
    return wanted["Cluster"], {}


def task_definition(request: Request) -> Made:
    made = request.call("ecs", "register_task_definition")["taskDefinition"]["taskDefinitionArn"]
    return made, {"TaskDefinitionArn": made}


def ecs_service(request: Request) -> Made:
    made = request.call("ecs", "create_service")["service"]
    return made["serviceArn"], {"Name": made["serviceName"], "ServiceArn": made["serviceArn"]}


def cache_subnets(request: Request) -> Made:
    name = request.name.lower()
    request.client("elasticache").create_cache_subnet_group(
        CacheSubnetGroupName=name,
        CacheSubnetGroupDescription=request.properties["Description"],
        SubnetIds=request.properties["SubnetIds"],
    )
    return name, {}


def cache(request: Request) -> Made:
    wanted = {key: value for key, value in request.properties.items() if key != "AuthToken"}
    request.properties = wanted
    request.call("elasticache", "create_replication_group", MultiAZEnabled=wanted["MultiAZEnabled"])
    return request.name, {"PrimaryEndPoint.Address": f"primary.{request.name}.cache.example.com"}


def bucket(request: Request) -> Made:
    wanted, s3 = request.properties, request.client("s3")
    name = request.name
    where = {} if request.region == "us-east-1" else {"LocationConstraint": request.region}
    s3.create_bucket(Bucket=name, **({"CreateBucketConfiguration": where} if where else {}))
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=wanted["PublicAccessBlockConfiguration"])
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=wanted["VersioningConfiguration"])
    s3.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={
            "Rules": [
                {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
                for rule in wanted["BucketEncryption"]["ServerSideEncryptionConfiguration"]
            ]
        },
    )
    s3.put_bucket_lifecycle_configuration(
        Bucket=name,
        LifecycleConfiguration={"Rules": [_rule(rule) for rule in wanted["LifecycleConfiguration"]["Rules"]]},
    )
    if "ReplicationConfiguration" in wanted:
        s3.put_bucket_replication(Bucket=name, ReplicationConfiguration=wanted["ReplicationConfiguration"])
    return name, {"Arn": f"arn:aws:s3:::{name}"}


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"ID": rule["Id"], "Status": rule["Status"], "Filter": {"Prefix": ""}}
    if "AbortIncompleteMultipartUpload" in rule:
        made["AbortIncompleteMultipartUpload"] = rule["AbortIncompleteMultipartUpload"]
    if "ExpirationInDays" in rule:
        made["Expiration"] = {"Days": rule["ExpirationInDays"]}
    if "NoncurrentVersionExpiration" in rule:
        made["NoncurrentVersionExpiration"] = rule["NoncurrentVersionExpiration"]
    if "Transitions" in rule:
        made["Transitions"] = [
            {"Days": each["TransitionInDays"], "StorageClass": each["StorageClass"]} for each in rule["Transitions"]
        ]
    return made


def bucket_policy(request: Request) -> Made:
    name = request.properties["Bucket"]
    request.client("s3").put_bucket_policy(Bucket=name, Policy=json.dumps(request.properties["PolicyDocument"]))
    return f"{name}-policy", {}


def topic_policy(request: Request) -> Made:
    for topic in request.properties["Topics"]:
        request.client("sns").set_topic_attributes(
            TopicArn=topic, AttributeName="Policy", AttributeValue=json.dumps(request.properties["PolicyDocument"])
        )
    return request.name, {}


def secret(request: Request) -> Made:
    wanted, client = request.properties, request.client("secretsmanager")
    rule = wanted.get("GenerateSecretString")
    content = (
        wanted.get("SecretString")
        or client.get_random_password(
            PasswordLength=rule["PasswordLength"], ExcludePunctuation=rule["ExcludePunctuation"]
        )["RandomPassword"]
    )
    made = client.create_secret(Name=request.name, Description=wanted["Description"], SecretString=content)
    return made["ARN"], {"Id": made["ARN"]}


def web_acl(request: Request) -> Made:
    made = request.call("wafv2", "create_web_acl", Name=request.name)["Summary"]
    return f"{made['Name']}|{made['Id']}|REGIONAL", {"Arn": made["ARN"], "Id": made["Id"]}


def web_acl_association(request: Request) -> Made:
    request.client("wafv2").associate_web_acl(
        WebACLArn=request.properties["WebACLArn"], ResourceArn=request.properties["ResourceArn"]
    )
    return request.name, {}


def web_acl_logging(request: Request) -> Made:
    request.client("wafv2").put_logging_configuration(
        LoggingConfiguration={
            "ResourceArn": request.properties["ResourceArn"],
            "LogDestinationConfigs": request.properties["LogDestinationConfigs"],
        }
    )
    return request.properties["ResourceArn"], {}


def image_repository(request: Request) -> Made:
    wanted, client = request.properties, request.client("ecr")
    made = client.create_repository(
        repositoryName=request.name,
        imageTagMutability=wanted["ImageTagMutability"],
        imageScanningConfiguration={"scanOnPush": wanted["ImageScanningConfiguration"]["ScanOnPush"]},
        encryptionConfiguration={"encryptionType": wanted["EncryptionConfiguration"]["EncryptionType"]},
    )["repository"]
    client.put_lifecycle_policy(
        repositoryName=request.name, lifecyclePolicyText=wanted["LifecyclePolicy"]["LifecyclePolicyText"]
    )
    return request.name, {"Arn": made["repositoryArn"], "RepositoryUri": made["repositoryUri"]}


def load_balancer(request: Request) -> Made:
    wanted = {key: value for key, value in request.properties.items() if key != "LoadBalancerAttributes"}
    attributes = request.properties["LoadBalancerAttributes"]
    request.properties = wanted
    client = request.client("elbv2")
    made = request.call("elbv2", "create_load_balancer", Name=request.name)["LoadBalancers"][0]
    known = [each for each in attributes if each["Key"] in LOAD_BALANCER_ATTRIBUTES]
    client.modify_load_balancer_attributes(LoadBalancerArn=made["LoadBalancerArn"], Attributes=known)
    return made["LoadBalancerArn"], {
        "DNSName": made["DNSName"],
        "CanonicalHostedZoneID": made["CanonicalHostedZoneId"],
        "LoadBalancerFullName": made["LoadBalancerArn"].split(":loadbalancer/")[1],
    }


LOAD_BALANCER_ATTRIBUTES = {
    "access_logs.s3.bucket",
    "access_logs.s3.enabled",
    "access_logs.s3.prefix",
    "client_keep_alive.seconds",
    "deletion_protection.enabled",
    "idle_timeout.timeout_seconds",
    "routing.http.desync_mitigation_mode",
    "routing.http.drop_invalid_header_fields.enabled",
    "routing.http.xff_header_processing.mode",
    "routing.http2.enabled",
}
"""Those that moto knows; it refuses load_balancing.cross_zone.enabled, which AWS has for every balancer."""


def target_group(request: Request) -> Made:
    attributes = request.properties["TargetGroupAttributes"]
    request.properties = {key: value for key, value in request.properties.items() if key != "TargetGroupAttributes"}
    client = request.client("elbv2")
    made = request.call("elbv2", "create_target_group", Name=request.name)["TargetGroups"][0]
    client.modify_target_group_attributes(TargetGroupArn=made["TargetGroupArn"], Attributes=attributes)
    return made["TargetGroupArn"], {"TargetGroupFullName": made["TargetGroupArn"].rsplit(":", 1)[1]}


def health_check(request: Request) -> Made:
    made = request.client("route53").create_health_check(
        CallerReference=request.name, HealthCheckConfig=request.properties["HealthCheckConfig"]
    )["HealthCheck"]
    return made["Id"], {"HealthCheckId": made["Id"]}


def record(request: Request) -> Made:
    wanted = {key: value for key, value in request.properties.items() if key != "HostedZoneId"}
    target = {
        **wanted["AliasTarget"],
        "HostedZoneId": wanted["AliasTarget"]["HostedZoneId"],
        "EvaluateTargetHealth": wanted["AliasTarget"]["EvaluateTargetHealth"],
    }
    request.client("route53").change_resource_record_sets(
        HostedZoneId=request.properties["HostedZoneId"],
        ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": {**wanted, "AliasTarget": target}}]},
    )
    return wanted["Name"], {}


def security_group(request: Request) -> Made:
    wanted, client = request.properties, request.client("ec2")
    made = client.create_security_group(
        GroupName=request.name, Description=wanted["GroupDescription"], VpcId=wanted["VpcId"]
    )["GroupId"]
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    client.revoke_security_group_egress(GroupId=made, IpPermissions=everything)
    client.authorize_security_group_ingress(
        GroupId=made, IpPermissions=[_permission(rule) for rule in wanted["SecurityGroupIngress"]]
    )
    client.authorize_security_group_egress(
        GroupId=made, IpPermissions=[_permission(rule) for rule in wanted["SecurityGroupEgress"]]
    )
    return made, {"GroupId": made}


def _permission(rule: dict[str, Any]) -> dict[str, Any]:
    ends = {"IpProtocol": rule["IpProtocol"], "FromPort": rule["FromPort"], "ToPort": rule["ToPort"]}
    if "CidrIp" in rule:
        return {**ends, "IpRanges": [{"CidrIp": rule["CidrIp"], "Description": rule["Description"]}]}
    group = {"GroupId": rule["SourceSecurityGroupId"], "Description": rule["Description"]}
    return {**ends, "UserIdGroupPairs": [group]}


def scaling_group(request: Request) -> Made:
    wanted = dict(request.properties)
    hooks = wanted.pop("LifecycleHookSpecificationList", [])
    zones = ",".join(wanted.pop("VPCZoneIdentifier"))
    wanted["Tags"] = [
        {**tag, "ResourceId": request.name, "ResourceType": "auto-scaling-group"} for tag in wanted.pop("Tags", [])
    ]
    wanted.pop("MetricsCollection", None)
    request.properties = wanted
    request.call("autoscaling", "create_auto_scaling_group", VPCZoneIdentifier=zones, AutoScalingGroupName=request.name)
    for hook in hooks:
        request.client("autoscaling").put_lifecycle_hook(AutoScalingGroupName=request.name, **hook)
    return request.name, {}


def larger_group(request: Request) -> Made:
    wanted = {key: int(request.properties[key]) for key in ("MinSize", "MaxSize")}
    request.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName=request.name, **wanted)
    return request.name, {}


def launch_template(request: Request) -> Made:
    data = request.properties["LaunchTemplateData"]
    assert base64.b64decode(data["UserData"]).startswith(b"#!/bin/bash")
    request.properties = {"LaunchTemplateData": data}
    made = request.call("ec2", "create_launch_template", LaunchTemplateName=request.name)["LaunchTemplate"]
    return made["LaunchTemplateId"], {"LatestVersionNumber": "1", "DefaultVersionNumber": "1"}


CALLS: dict[str, Call] = {
    "ApplicationAutoScaling::ScalableTarget": scalable_target,
    "ApplicationAutoScaling::ScalingPolicy": ecs_scaling_policy,
    "AutoScaling::AutoScalingGroup": scaling_group,
    "AutoScaling::ScalingPolicy": group_scaling_policy,
    "Budgets::Budget": budget,
    "CertificateManager::Certificate": certificate,
    "CloudTrail::Trail": trail,
    "CloudWatch::Alarm": alarm,
    "CodeBuild::Project": build_project,
    "CodeCommit::Repository": source_repository,
    "CodePipeline::Pipeline": pipeline,
    "DynamoDB::GlobalTable": global_table,
    "DynamoDB::Table": table,
    "EC2::LaunchTemplate": launch_template,
    "EC2::SecurityGroup": security_group,
    "ECR::Repository": image_repository,
    "ECS::ClusterCapacityProviderAssociations": capacity_providers,
    "ECS::Service": ecs_service,
    "ECS::TaskDefinition": task_definition,
    "ElastiCache::ReplicationGroup": cache,
    "ElastiCache::SubnetGroup": cache_subnets,
    "ElasticLoadBalancingV2::LoadBalancer": load_balancer,
    "ElasticLoadBalancingV2::TargetGroup": target_group,
    "KMS::Key": key,
    "Route53::HealthCheck": health_check,
    "Route53::RecordSet": record,
    "S3::Bucket": bucket,
    "S3::BucketPolicy": bucket_policy,
    "SNS::TopicPolicy": topic_policy,
    "SecretsManager::Secret": secret,
    "WAFv2::LoggingConfiguration": web_acl_logging,
    "WAFv2::WebACL": web_acl,
    "WAFv2::WebACLAssociation": web_acl_association,
}

CHANGES: dict[str, Call] = {
    "AutoScaling::AutoScalingGroup": larger_group,
    "AutoScaling::ScalingPolicy": group_scaling_policy,
    "CloudWatch::Alarm": alarm,
}
"""How a type is changed in place."""
