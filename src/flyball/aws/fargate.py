"""Instances as ECS tasks on Fargate: cluster, task definitions, services.

CDK's defaults differ from those of ECS (50 % minimum healthy, no circuit breaker), so every value is explicit.
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/AWS_Fargate.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs

from flyball.aws.sizes import MIB, UNITS
from flyball.core.model import Service

from . import commands, repositories, rollout
from .balancer import Balancer
from .image import BASE, USER, placeholder
from .metrics import resolution_s
from .names import SHELL_ACTIONS, image_parameter
from .network import Network
from .site import Site, allow, instance_service, logical, running
from .stores import StoreThere

PLATFORM = "1.4.0"
PROVIDERS = "CapacityProviders"
WRITABLE = {"tmp": "/tmp", "agent": "/var/lib/amazon", "agent-log": "/var/log/amazon"}  # noqa: S108
"""Where something is written although the image is read-only: by the program, and by ECS's agent for `exec`."""
NEVER_NEEDED = ("AUDIT_WRITE", "MKNOD", "NET_RAW", "SYS_CHROOT")
"""What Docker grants to a container although hardly a server uses it."""


def cluster(site: Site) -> ecs.CfnCluster:
    """The cluster, with Container Insights."""
    made = ecs.CfnCluster(
        site.stack,
        "Cluster",
        cluster_name=site.name(),
        cluster_settings=[ecs.CfnCluster.ClusterSettingsProperty(name="containerInsights", value="enabled")],
    )
    ecs.CfnClusterCapacityProviderAssociations(
        site.stack,
        PROVIDERS,
        cluster=made.ref,
        capacity_providers=["FARGATE", "FARGATE_SPOT"],
        default_capacity_provider_strategy=[],
    )
    return made


def build(
    site: Site,
    network: Network,
    service: Service,
    *,
    inside: ecs.CfnCluster,
    group: str,
    balancer: Balancer,
    stores: Mapping[str, StoreThere],
    alarm_names: list[str],
) -> str:
    """A service with its repository, roles, task definition and rollout rules; returns its name."""
    used = [stores[name] for name in service.stores]
    repository = repositories.build(site, service)
    group_of_logs = site.log_group(f"{service.name}-instance", f"/flyball/{site.app.name}/{service.name}")
    execution = _execution_role(site, service, repository, group_of_logs, used)
    what = f"what instances of {service.name} may do"
    role = site.role(logical(service.name, "TaskRole"), "ecs-tasks", what, service=service)
    for store in used:
        for grant in () if store.secret else store.grants:
            role.add_to_policy(grant)
    allow(role, SHELL_ACTIONS)
    task = ecs.CfnTaskDefinition(
        site.stack,
        logical(service.name, "Task"),
        family=site.name(service.name),
        cpu=str(round(service.size.cpu * UNITS)),
        memory=str(service.size.memory_bytes // MIB),
        network_mode="awsvpc",
        requires_compatibilities=["FARGATE"],
        runtime_platform=ecs.CfnTaskDefinition.RuntimePlatformProperty(
            cpu_architecture="X86_64", operating_system_family="LINUX"
        ),
        execution_role_arn=execution.role_arn,
        task_role_arn=role.role_arn,
        volumes=[ecs.CfnTaskDefinition.VolumeProperty(name=name) for name in WRITABLE],
        container_definitions=[_container(site, service, used, group_of_logs, balancer)],
    )
    traffic = rollout.traffic_role(site, service, balancer)
    joined = [rollout.load_balancer(site, service, each, traffic) for each in balancer.every if service.routes]
    made = _service(site, network, service, inside=inside, task=task, group=group, joined=joined, alarms=alarm_names)
    rights = [each.node.try_find_child("DefaultPolicy") for each in (execution, role, traffic) if each is not None]
    unnamed = 0 if traffic is None else 1  # a service with two groups names its rule and so depends on it
    rules = [rule for each in balancer.every for rule in each.rules.get(service.name, ())[unnamed:]]
    made.node.add_dependency(
        *(each for each in rights if each is not None), *rules, *network.ways_out, site.stack.node.find_child(PROVIDERS)
    )
    return str(made.attr_name)


def _execution_role(
    site: Site, service: Service, repository: ecr.CfnRepository, group: logs.CfnLogGroup, used: list[StoreThere]
) -> iam.Role:
    """The rights ECS needs to start a task: image, log and secrets."""
    what = f"what ECS needs to start {service.name}"
    role = site.role(logical(service.name, "ExecutionRole"), "ecs-tasks", what, service=service)
    repositories.may_pull(role, repository)
    allow(role, ["logs:CreateLogStream", "logs:PutLogEvents"], [group.attr_arn])
    for store in used:
        for grant in store.grants if store.secret else ():
            role.add_to_policy(grant)
    return role


def _container(
    site: Site, service: Service, used: list[StoreThere], group: logs.CfnLogGroup, balancer: Balancer
) -> ecs.CfnTaskDefinition.ContainerDefinitionProperty:
    made = ecs.CfnTaskDefinition
    what = f"image of {service.name}; until the first release a placeholder that answers the health check"
    image = site.parameter(image_parameter(service.name), BASE, what)
    environment = {
        **instance_service(site, service, url=balancer.url_for_services),
        **{store.variable: store.url for store in used if store.url is not None},
    }
    secrets = {store.variable: store.secret for store in used if store.secret is not None}
    return made.ContainerDefinitionProperty(
        name=service.name,
        image=image.value_as_string,
        essential=True,
        command=placeholder(commands.placeholder(service), site.zones),
        environment=[made.KeyValuePairProperty(name=name, value=value) for name, value in sorted(environment.items())],
        secrets=[made.SecretProperty(name=name, value_from=arn) for name, arn in sorted(secrets.items())],
        port_mappings=[
            made.PortMappingProperty(
                container_port=site.port, host_port=site.port, protocol="tcp", name=service.name, app_protocol="http"
            )
        ],
        **_confined(service),
        stop_timeout=round(service.deployment.stop_timeout_s),
        ulimits=[made.UlimitProperty(name="nofile", soft_limit=65536, hard_limit=65536)],
        log_configuration=made.LogConfigurationProperty(
            log_driver="awslogs",
            options={
                "awslogs-group": group.ref,
                "awslogs-region": site.region,
                "awslogs-stream-prefix": service.name,
                "max-buffer-size": "25m",
                "mode": "non-blocking",
            },
        ),
    )


def _confined(service: Service) -> Mapping[str, Any]:
    """What the container may do: an image of ours nothing but write to /tmp; a Dockerfile says its own user."""
    made, own = ecs.CfnTaskDefinition, service.dockerfile is not None
    drop = list(NEVER_NEEDED) if own else ["ALL"]
    return {
        "user": None if own else f"{USER}:{USER}",
        "readonly_root_filesystem": not own,
        "mount_points": []
        if own
        else [
            made.MountPointProperty(container_path=path, source_volume=name, read_only=False)
            for name, path in WRITABLE.items()
        ],
        "linux_parameters": made.LinuxParametersProperty(
            init_process_enabled=True, capabilities=made.KernelCapabilitiesProperty(drop=drop)
        ),
    }


def _service(
    site: Site,
    network: Network,
    service: Service,
    *,
    inside: ecs.CfnCluster,
    task: ecs.CfnTaskDefinition,
    group: str,
    joined: list[ecs.CfnService.LoadBalancerProperty],
    alarms: list[str],
) -> ecs.CfnService:
    made = ecs.CfnService
    start = service.capacity.first
    return made(
        site.stack,
        logical(service.name, "Service"),
        cluster=inside.ref,
        service_name=service.name,
        task_definition=running(site, service, task.ref),
        scheduling_strategy="REPLICA",
        desired_count=cdk.Token.as_number(cdk.Fn.condition_if(site.first_deploy.logical_id, start, cdk.Aws.NO_VALUE)),
        capacity_provider_strategy=_strategy(site, service),
        platform_version=PLATFORM,
        deployment_controller=made.DeploymentControllerProperty(type="ECS"),
        deployment_configuration=rollout.ecs_configuration(service, alarms),
        availability_zone_rebalancing="ENABLED" if service.deployment.maximum_percent > 100 else "DISABLED",
        health_check_grace_period_seconds=round(service.health.grace_s) if joined else None,
        enable_ecs_managed_tags=True,
        enable_execute_command=True,
        propagate_tags="SERVICE",
        monitoring=_monitoring(service),
        load_balancers=joined,
        network_configuration=made.NetworkConfigurationProperty(
            awsvpc_configuration=made.AwsVpcConfigurationProperty(
                assign_public_ip="ENABLED" if site.exposed else "DISABLED",
                subnets=list(network.instances),
                security_groups=[group],
            )
        ),
    )


def _strategy(site: Site, service: Service) -> list[ecs.CfnService.CapacityProviderStrategyItemProperty]:
    """The minimum on demand; above it, the file's share on spot.

    Without spot it is a strategy too: from one back to a launch type, CloudFormation would replace the service.
    """
    share = site.aws.spot_percent
    made = ecs.CfnService.CapacityProviderStrategyItemProperty
    steady = made(capacity_provider="FARGATE", base=service.capacity.min, weight=100 - share)
    if share == 0:
        return [steady]
    return [steady, made(capacity_provider="FARGATE_SPOT", base=0, weight=share)]


def _monitoring(service: Service) -> ecs.CfnService.MonitoringConfigurationProperty | None:
    """Datapoints of 20 s where the file asks for them, instead of AWS's 60 s."""
    if resolution_s(service) == 60:
        return None
    made = ecs.CfnService
    return made.MonitoringConfigurationProperty(
        metric_configurations=[
            made.MetricConfigurationProperty(
                metric_names=["CPUUtilization", "MemoryUtilization"], resolution_seconds=20
            )
        ]
    )
