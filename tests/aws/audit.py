"""Mistakes of a template that no public linter finds.

Neither cfn-lint nor CloudFormation's validator nor an emulator reports them: AWS would accept the template and then
fail, or never work. Synthesis must be unable to make them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Properties = Mapping[str, Any]
Resources = Mapping[str, Mapping[str, Any]]
DESCRIPTION = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}")
CACHE_NODE = re.compile(r"cache\.(t3|t4g|m5|m6g|m7g|r5|r6g|r6gd|r7g|c7gn)\.(micro|small|medium|large|\d*xlarge)")


def mistakes(template: Mapping[str, Any]) -> tuple[str, ...]:
    """One sentence per mistake, with the resource and what AWS would do; empty for a sound template."""
    resources: Resources = template.get("Resources", {})
    return tuple(sentence for check in CHECKS for sentence in check(resources))


def of_type(resources: Resources, kind: str) -> Iterator[tuple[str, Properties]]:
    """(logical id, properties) of every resource of one type, in template order."""
    for name, resource in resources.items():
        if resource.get("Type") == kind:
            yield name, resource.get("Properties", {})


def _failover_alone(resources: Resources) -> Iterator[str]:
    for name, cache in of_type(resources, "AWS::ElastiCache::ReplicationGroup"):
        if cache.get("AutomaticFailoverEnabled") and cache.get("NumCacheClusters", 1) < 2:
            yield f"{name}: automatic failover needs two nodes, found one; ElastiCache would refuse the group"
        node = str(cache.get("CacheNodeType", ""))
        if not CACHE_NODE.fullmatch(node):
            yield f"{name}: {node!r} is not a cache node type; ElastiCache would refuse the group"


def _target_type(resources: Resources) -> Iterator[str]:
    awsvpc = {
        name for name, task in of_type(resources, "AWS::ECS::TaskDefinition") if task.get("NetworkMode") == "awsvpc"
    }
    for name, service in of_type(resources, "AWS::ECS::Service"):
        if _referred(service.get("TaskDefinition")) not in awsvpc:
            continue
        for joined in service.get("LoadBalancers", ()):
            group = resources.get(_referred(joined.get("TargetGroupArn")) or "", {}).get("Properties", {})
            if group.get("TargetType", "instance") != "ip":
                yield f"{name}: its target group has type instance, but tasks need type ip; CreateService would fail"


def _container_name(resources: Resources) -> Iterator[str]:
    for name, service in of_type(resources, "AWS::ECS::Service"):
        task = resources.get(_referred(service.get("TaskDefinition")) or "", {}).get("Properties", {})
        known = {
            (container.get("Name"), mapping.get("ContainerPort"))
            for container in task.get("ContainerDefinitions", ())
            for mapping in container.get("PortMappings", ())
        }
        for joined in service.get("LoadBalancers", ()):
            wanted = (joined.get("ContainerName"), joined.get("ContainerPort"))
            if wanted not in known:
                yield f"{name}: no container {wanted[0]} with port {wanted[1]} in its task; CreateService would fail"


def _health_path(resources: Resources) -> Iterator[str]:
    for name, group in of_type(resources, "AWS::ElasticLoadBalancingV2::TargetGroup"):
        path = str(group.get("HealthCheckPath", "/"))
        if not path.startswith("/"):
            yield f"{name}: the health path {path!r} does not start with /; CreateTargetGroup would fail"


def _dashboard(resources: Resources) -> Iterator[str]:
    for name, board in of_type(resources, "AWS::CloudWatch::Dashboard"):
        try:
            json.loads(_flat(board.get("DashboardBody", "")))
        except ValueError:
            yield f"{name}: the dashboard's body is not JSON; PutDashboard would fail"


def _deadlock(resources: Resources) -> Iterator[str]:
    for name, service in of_type(resources, "AWS::ECS::Service"):
        rules = service.get("DeploymentConfiguration", {})
        if rules.get("MinimumHealthyPercent", 100) >= rules.get("MaximumPercent", 200):
            yield f"{name}: minimum healthy equals maximum; ECS could start or stop no task, so rollouts would hang"


def _bounds(resources: Resources) -> Iterator[str]:
    for name, target in of_type(resources, "AWS::ApplicationAutoScaling::ScalableTarget"):
        if target.get("MinCapacity", 0) > target.get("MaxCapacity", 0):
            yield f"{name}: min is above max; RegisterScalableTarget would fail"


def _record_identity(resources: Resources) -> Iterator[str]:
    for name, record in of_type(resources, "AWS::Route53::RecordSet"):
        routed = {"Region", "Failover", "Weight", "GeoLocation"} & record.keys()
        if routed and not record.get("SetIdentifier"):
            yield f"{name}: a routed record needs a SetIdentifier; ChangeResourceRecordSets would fail"


def _log_role(resources: Resources) -> Iterator[str]:
    for name, task in of_type(resources, "AWS::ECS::TaskDefinition"):
        drivers = {
            container.get("LogConfiguration", {}).get("LogDriver") for container in task.get("ContainerDefinitions", ())
        }
        if "awslogs" in drivers and not task.get("ExecutionRoleArn"):
            yield f"{name}: awslogs needs an execution role; no task would start"


def _believes_balancer(resources: Resources) -> Iterator[str]:
    for name, group in of_type(resources, "AWS::AutoScaling::AutoScalingGroup"):
        if group.get("TargetGroupARNs") and group.get("HealthCheckType") != "ELB":
            yield f"{name}: the health check type is not ELB; a machine that stops answering would never be replaced"


def _overlapping_priorities(resources: Resources) -> Iterator[str]:
    seen: dict[tuple[str, Any], str] = {}
    for name, rule in of_type(resources, "AWS::ElasticLoadBalancingV2::ListenerRule"):
        key = (_flat(rule.get("ListenerArn")), rule.get("Priority"))
        if key in seen:
            yield f"{name}: {seen[key]} already has priority {key[1]}; CreateRule would fail with PriorityInUse"
        seen[key] = name


def _descriptions(resources: Resources) -> Iterator[str]:
    for name, group in of_type(resources, "AWS::EC2::SecurityGroup"):
        rules = (*group.get("SecurityGroupIngress", ()), *group.get("SecurityGroupEgress", ()))
        for text in (group.get("GroupDescription", ""), *(rule.get("Description", "") for rule in rules)):
            if not DESCRIPTION.fullmatch(text):
                yield f"{name}: EC2 refuses a character in the description {text!r}; the group would not be created"


def _gateway_first(resources: Resources) -> Iterator[str]:
    attached = {name for name, _ in of_type(resources, "AWS::EC2::VPCGatewayAttachment")}
    needy = [name for kind in ("EIP", "NatGateway") for name, _ in of_type(resources, f"AWS::EC2::{kind}")]
    for name, balancer in of_type(resources, "AWS::ElasticLoadBalancingV2::LoadBalancer"):
        needy += [name] if balancer.get("Scheme") == "internet-facing" else []
    for name in needy:
        if not attached & _waited_for(resources, name):
            yield f"{name}: does not depend on the internet gateway; AWS would find none attached"


def _roles_first(resources: Resources) -> Iterator[str]:
    for name, service in of_type(resources, "AWS::ECS::Service"):
        task = resources.get(_referred(service.get("TaskDefinition")) or "", {}).get("Properties", {})
        roles = {_flat(task.get(key)) for key in ("ExecutionRoleArn", "TaskRoleArn")}
        waited = _waited_for(resources, name)
        for policy, rights in of_type(resources, "AWS::IAM::Policy"):
            given = {_flat({"Fn::GetAtt": [_referred(role), "Arn"]}) for role in rights.get("Roles", ())}
            if given & roles and policy not in waited:
                yield f"{name}: does not depend on {policy}; its first tasks would be denied, the rollout rolled back"


CHECKS: tuple[Callable[[Resources], Iterator[str]], ...] = (
    _failover_alone,
    _target_type,
    _container_name,
    _health_path,
    _dashboard,
    _deadlock,
    _bounds,
    _record_identity,
    _log_role,
    _believes_balancer,
    _overlapping_priorities,
    _descriptions,
    _gateway_first,
    _roles_first,
)


def _waited_for(resources: Resources, name: str) -> set[str]:
    """Everything that `name` depends on through DependsOn, directly or not."""
    found: set[str] = set()
    ahead = [name]
    while ahead:
        named = resources[ahead.pop()].get("DependsOn", ())
        new = set([named] if isinstance(named, str) else named) - found
        found |= new
        ahead += new
    return found


def _referred(value: Any) -> str | None:
    """The logical id in a Ref, also as what else applies; or None."""
    if isinstance(value, Mapping) and "Fn::If" in value:
        return _referred(value["Fn::If"][2])
    return value.get("Ref") if isinstance(value, Mapping) else None


def _flat(value: Any) -> str:
    """A string with its intrinsic functions replaced by `x`."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(part if isinstance(part, str) else "x" for part in parts)
    return json.dumps(value, sort_keys=True)
