"""Makes moto's CloudFormation create what it cannot, or creates wrong: each type by the API call that moto has.

Test-only. moto keeps all properties behind its service APIs, but its CloudFormation lacks some types and drops
properties of others (task definitions lose cpu, tables lose backups). So a type is created here through boto3, with the
template's properties brought into the shape that the API's own model asks for. Updates are done of `bridged.CHANGES`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
from moto.cloudformation import parsing
from moto.core.common_models import CloudFormationModel

Call = Callable[["Request"], tuple[str, dict[str, str]]]
"""Creates the resource; its physical id and attributes."""


class Request:
    """What CloudFormation asks for: a name, properties, a place."""

    def __init__(self, name: str, properties: dict[str, Any], account: str, region: str) -> None:
        self.name = name
        self.properties = properties
        self.account = account
        self.region = region

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=self.region)

    def call(self, service: str, operation: str, **more: Any) -> dict[str, Any]:
        """The operation with all properties that its model knows, and `more`."""
        client = self.client(service)
        shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).input_shape
        arguments = {**shaped(self.properties, shape), **more}
        result: dict[str, Any] = getattr(client, operation)(**arguments)
        return result


def shaped(value: Any, shape: Any) -> Any:
    """A template's value in the form of an API's input: its case, its numbers, its truth."""
    match shape.type_name:
        case "structure":
            members = {name.lower(): name for name in shape.members}
            return {
                members[key.lower()]: shaped(each, shape.members[members[key.lower()]])
                for key, each in value.items()
                if key.lower() in members
            }
        case "list":
            return [shaped(each, shape.member) for each in value]
        case "map":
            if isinstance(value, list):  # tags: a list in templates, a map in some APIs
                value = {pair["Key"]: pair["Value"] for pair in value}
            return {key: shaped(each, shape.value) for key, each in value.items()}
        case "boolean":
            return value if isinstance(value, bool) else str(value).lower() == "true"
        case "integer" | "long":
            return int(float(value))
        case "float" | "double":
            return float(value)
        case "string":
            if isinstance(value, bool):
                return str(value).lower()
            return json.dumps(value) if isinstance(value, dict | list) else str(value)
    return value


def register(kind: str, call: Call, change: Call | None = None) -> None:
    """Teach moto a type, and how it changes one in place. What is defined last wins."""

    def create(
        cls: type, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> Any:
        request = Request(resource_name, cloudformation_json["Properties"], account_id, region_name)
        made = cls()
        made.named = request.name
        made.identity, made.attributes = call(request)
        return made

    def update(
        cls: type, original_resource: Any, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> Any:
        assert change is not None
        change(Request(original_resource.named, cloudformation_json["Properties"], account_id, region_name))
        return original_resource

    changeable = {} if change is None else {"update_from_cloudformation_json": classmethod(update)}
    type(
        kind.replace("::", ""),
        (CloudFormationModel,),
        {
            "__module__": "moto.cloudformation.bridge",
            "cloudformation_name_type": staticmethod(lambda: NAMES.get(kind)),
            "cloudformation_type": staticmethod(lambda: f"AWS::{kind}"),
            "create_from_cloudformation_json": classmethod(create),
            "delete_from_cloudformation_json": classmethod(lambda cls, *a, **k: None),
            **changeable,
            "has_cfn_attr": classmethod(lambda cls, attribute: True),
            "get_cfn_attribute": lambda self, attribute: self.attributes[attribute],
            "physical_resource_id": property(lambda self: self.identity),
        },
    )


NAMES = {
    "AutoScaling::AutoScalingGroup": "AutoScalingGroupName",
    "CloudTrail::Trail": "TrailName",
    "CloudWatch::Alarm": "AlarmName",
    "CodeBuild::Project": "Name",
    "CodePipeline::Pipeline": "Name",
    "DynamoDB::GlobalTable": "TableName",
    "DynamoDB::Table": "TableName",
    "ECR::Repository": "RepositoryName",
    "ElastiCache::ReplicationGroup": "ReplicationGroupId",
    "ElasticLoadBalancingV2::LoadBalancer": "Name",
    "ElasticLoadBalancingV2::TargetGroup": "Name",
    "S3::Bucket": "BucketName",
}


def install() -> None:
    """Teach moto all types of `bridged`. Harmless when done twice."""
    from aws import bridged

    if "AWS::WAFv2::WebACL" in parsing.get_model_map():
        return
    for kind, call in bridged.CALLS.items():
        register(kind, call, bridged.CHANGES.get(kind))
    for known in (parsing.get_model_list, parsing.get_model_map, parsing.get_name_type_map):
        known.cache_clear()
