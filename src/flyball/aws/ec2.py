"""Instances as EC2 machines: one launch template and one Auto Scaling group per service.

The group's health check type must be ELB, or it would never replace a machine that stops answering.
https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-health-checks.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs

from flyball.core.model import Service

from . import machine, repositories
from .balancer import Balancer
from .names import NOTHING, SHELL_ACTIONS, capacity_parameter, in_service, release_parameter
from .network import Network
from .runtimes import as_image
from .scaling.group import warmup_s
from .site import APPLICATION_TAG, SERVICE_TAG, Site, allow, instance_service, logical, running
from .stores import StoreThere

ARM = re.compile(r"^[a-z]+\d+g[a-z]*(-[a-z0-9]+)?\.")
BURSTABLE = re.compile(r"^t\d")
IMAGE = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-{architecture}"
DISK_GIB = 20
SIGNAL_WITHIN = "PT30M"
"""More than a machine has for its own health check (machine.READY_WITHIN_S) and then for the balancer's."""
SESSION_ACTIONS = ("ssm:UpdateInstanceInformation", *SHELL_ACTIONS)


def build(
    site: Site,
    network: Network,
    service: Service,
    *,
    group: str,
    balancer: Balancer,
    stores: Mapping[str, StoreThere],
) -> str:
    """A service with its role, launch template and Auto Scaling group, whose name it returns."""
    releases = site.bucket_name("releases")
    used = [stores[name] for name in service.stores]
    group_name = site.name(service.name)
    group_of_logs = site.log_group(f"{service.name}-instance", f"/flyball/{site.app.name}/{service.name}")
    role = _role(site, service, used, log_group=group_of_logs, releases=releases, group_name=group_name)
    image = repositories.uri(site, service, site.region) if as_image(site.aws, service) else None
    if image is not None:
        repositories.may_pull(role, repositories.build(site, service))
    environment = {
        **instance_service(site, service, url=balancer.url_for_services),
        "AWS_REGION": site.region,
        **{store.variable: store.url for store in used if store.url is not None},
    }
    script = machine.user_data(
        service,
        region=site.region,
        zones=site.zones,
        releases=releases,
        image=image,
        group=group_name,
        environment=environment,
        secrets={store.variable: store.secret for store in used if store.secret is not None},
        log_group=f"/flyball/{site.app.name}/{service.name}",
        stack=cdk.Aws.STACK_NAME,
        target_group=balancer.target_groups[service.name].ref,
    )
    template = _launch_template(site, service, role, group=group, script=script)
    made = _scaling_group(site, network, service, template=template, balancer=balancer, name=group_name)
    made.node.add_dependency(role.node.find_child("DefaultPolicy"), group_of_logs, *network.ways_out)
    return str(made.ref)


def _role(
    site: Site,
    service: Service,
    used: list[StoreThere],
    *,
    log_group: logs.CfnLogGroup,
    releases: str,
    group_name: str,
) -> iam.Role:
    """A machine's rights: its stores, its log, its release, and reporting that it is ready."""
    what = f"what instances of {service.name} may do"
    role = site.role(logical(service.name, "InstanceRole"), "ec2", what, service=service)
    for store in used:
        for grant in store.grants:
            role.add_to_policy(grant)
    group_arn = (
        f"arn:aws:autoscaling:{site.region}:{cdk.Aws.ACCOUNT_ID}:autoScalingGroup:*:autoScalingGroupName/{group_name}"
    )
    for actions, resource in (
        (("logs:CreateLogStream", "logs:PutLogEvents"), log_group.attr_arn),
        (("s3:GetObject",), f"arn:aws:s3:::{releases}/{service.name}/*"),
        (("autoscaling:CompleteLifecycleAction",), group_arn),
        (("cloudformation:SignalResource",), cdk.Aws.STACK_ID),
        # These take no resource: a look at the target's health, and what Session Manager's agent asks for.
        (("elasticloadbalancing:DescribeTargetHealth",), "*"),
        (SESSION_ACTIONS, "*"),
    ):
        allow(role, actions, [resource])
    if machine.needs_memory_metric(service):
        ours = {"StringEquals": {"cloudwatch:namespace": machine.MEMORY_NAMESPACE}}
        allow(role, ["cloudwatch:PutMetricData"], conditions=ours)
        allow(role, ["ec2:DescribeTags"])  # the agent looks up the machine's group
    return role


def architecture(machine_type: str) -> str:
    """`arm64` for Graviton machines such as t4g.small, else `x86_64`."""
    return "arm64" if ARM.match(machine_type) else "x86_64"


def _launch_template(site: Site, service: Service, role: iam.Role, *, group: str, script: str) -> ec2.CfnLaunchTemplate:
    made = ec2.CfnLaunchTemplate
    profile = iam.CfnInstanceProfile(site.stack, logical(service.name, "InstanceProfile"), roles=[role.role_name])
    what = f"release of {service.name}; until the first one a placeholder answers the health check"
    release = site.parameter(release_parameter(service.name), NOTHING, what)
    tags = {
        "Name": site.name(service.name),
        APPLICATION_TAG: site.app.name,
        SERVICE_TAG: service.name,
        machine.RELEASE_TAG: release.value_as_string,
    }
    machine_type = site.aws.machine
    return made(
        site.stack,
        logical(service.name, "LaunchTemplate"),
        tag_specifications=[
            made.LaunchTemplateTagSpecificationProperty(
                resource_type="launch-template",
                tags=[
                    cdk.CfnTag(key=APPLICATION_TAG, value=site.app.name),
                    cdk.CfnTag(key=SERVICE_TAG, value=service.name),
                ],
            )
        ],
        launch_template_data=made.LaunchTemplateDataProperty(
            image_id=_image(site, machine_type),
            instance_type=machine_type,
            credit_specification=made.CreditSpecificationProperty(cpu_credits="standard")
            if BURSTABLE.match(machine_type)
            else None,
            ebs_optimized=not machine_type.startswith("t2."),
            block_device_mappings=[
                made.BlockDeviceMappingProperty(
                    device_name="/dev/xvda",
                    ebs=made.EbsProperty(
                        delete_on_termination=True, encrypted=True, volume_size=DISK_GIB, volume_type="gp3"
                    ),
                )
            ],
            iam_instance_profile=made.IamInstanceProfileProperty(arn=profile.attr_arn),
            metadata_options=made.MetadataOptionsProperty(
                http_endpoint="enabled",
                http_put_response_hop_limit=1,
                http_tokens="required",
                instance_metadata_tags="enabled",
            ),
            monitoring=made.MonitoringProperty(enabled=True),
            network_interfaces=[
                made.NetworkInterfaceProperty(
                    device_index=0, associate_public_ip_address=site.exposed, delete_on_termination=True, groups=[group]
                )
            ],
            tag_specifications=[
                made.TagSpecificationProperty(
                    resource_type=kind, tags=[cdk.CfnTag(key=key, value=value) for key, value in tags.items()]
                )
                for kind in ("instance", "volume")
            ],
            user_data=cdk.Fn.base64(script),
        ),
    )


def _image(site: Site, machine_type: str) -> str:
    """The newest Amazon Linux 2023 at deployment, from AWS's public parameter."""
    newest, kind = (
        IMAGE.format(architecture=architecture(machine_type)),
        "AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>",
    )
    return str(site.parameter("MachineImage", newest, "the machine image", kind=kind).value_as_string)


def _scaling_group(
    site: Site,
    network: Network,
    service: Service,
    *,
    template: ec2.CfnLaunchTemplate,
    balancer: Balancer,
    name: str,
) -> autoscaling.CfnAutoScalingGroup:
    made, capacity, deployment = autoscaling.CfnAutoScalingGroup, service.capacity, service.deployment
    which = made.LaunchTemplateSpecificationProperty(
        launch_template_id=template.ref,
        version=running(site, service, template.attr_latest_version_number),
    )
    mixed = _mixed(site, service, which)
    group = made(
        site.stack,
        logical(service.name, "ScalingGroup"),
        auto_scaling_group_name=name,
        min_size=str(capacity.min),
        max_size=str(capacity.max),
        desired_capacity=cdk.Token.as_string(
            cdk.Fn.condition_if(site.first_deploy.logical_id, str(capacity.first), cdk.Aws.NO_VALUE)
        ),
        vpc_zone_identifier=list(network.instances),
        target_group_arns=[each.target_groups[service.name].ref for each in balancer.every],
        launch_template=None if mixed else which,
        mixed_instances_policy=mixed,
        capacity_rebalance=bool(site.aws.spot_percent),
        health_check_type="ELB",
        health_check_grace_period=round(service.health.grace_s),
        default_instance_warmup=warmup_s(service),
        instance_maintenance_policy=made.InstanceMaintenancePolicyProperty(
            min_healthy_percentage=max(deployment.minimum_healthy_percent, max(100, deployment.maximum_percent) - 100),
            max_healthy_percentage=max(100, deployment.maximum_percent),
        ),
        lifecycle_hook_specification_list=[
            made.LifecycleHookSpecificationProperty(
                lifecycle_hook_name=machine.HOOK,
                lifecycle_transition="autoscaling:EC2_INSTANCE_LAUNCHING",
                default_result="ABANDON",
                heartbeat_timeout=machine.READY_WITHIN_S,
            )
        ],
        metrics_collection=[made.MetricsCollectionProperty(granularity="1Minute")],
        new_instances_protected_from_scale_in=False,
        termination_policies=["Default"],
        tags=[
            made.TagPropertyProperty(key=SERVICE_TAG, value=service.name, propagate_at_launch=True),
        ],
    )
    group.cfn_options.creation_policy = _creation_policy(capacity.first)
    stay = _stay(site, service)
    group.cfn_options.metadata = {"StaysInService": stay.value_as_number}  # where linters find the parameter used
    group.cfn_options.update_policy = _update_policy(stay)
    for rule in (rule for each in balancer.every for rule in each.rules.get(service.name, ())):
        group.node.add_dependency(rule)
    return group


def _mixed(
    site: Site, service: Service, which: autoscaling.CfnAutoScalingGroup.LaunchTemplateSpecificationProperty
) -> autoscaling.CfnAutoScalingGroup.MixedInstancesPolicyProperty | None:
    """The minimum on demand; above it, the file's share on spot."""
    share, made = site.aws.spot_percent, autoscaling.CfnAutoScalingGroup
    if share == 0:
        return None
    return made.MixedInstancesPolicyProperty(
        launch_template=made.LaunchTemplateProperty(
            launch_template_specification=which,
            overrides=[made.LaunchTemplateOverridesProperty(instance_type=site.aws.machine)],
        ),
        instances_distribution=made.InstancesDistributionProperty(
            on_demand_allocation_strategy="prioritized",
            on_demand_base_capacity=service.capacity.min,
            on_demand_percentage_above_base_capacity=100 - share,
            spot_allocation_strategy="price-capacity-optimized",
        ),
    )


def _creation_policy(start: int) -> cdk.CfnCreationPolicy | None:
    """The stack is complete when every machine has said that the balancer finds it healthy."""
    if start == 0:
        return None
    return cdk.CfnCreationPolicy(
        resource_signal=cdk.CfnResourceSignal(count=start, timeout=SIGNAL_WITHIN),
        auto_scaling_creation_policy=cdk.CfnResourceAutoScalingCreationPolicy(min_successful_instances_percent=100),
    )


def _stay(site: Site, service: Service) -> cdk.CfnParameter:
    """How many machines stay in service: of those that run when the deployment begins, not of the file's minimum."""
    what = f"machines of {service.name} that stay in service while their template changes"
    first = in_service(service, service.capacity.first)
    return site.parameter(capacity_parameter(service.name), first, what, kind="Number")


def _update_policy(stay: cdk.CfnParameter) -> cdk.CfnUpdatePolicy:
    """How CloudFormation replaces machines when their template changes: one by one, each waited for."""
    return cdk.CfnUpdatePolicy(
        auto_scaling_rolling_update=cdk.CfnAutoScalingRollingUpdate(
            max_batch_size=1,
            min_instances_in_service=stay.value_as_number,
            min_successful_instances_percent=100,
            pause_time=SIGNAL_WITHIN,
            suspend_processes=["AlarmNotification", "AZRebalance", "ReplaceUnhealthy", "ScheduledActions"],
            wait_on_resource_signals=True,
        ),
        auto_scaling_scheduled_action=cdk.CfnAutoScalingScheduledAction(ignore_unmodified_group_size_properties=True),
    )
