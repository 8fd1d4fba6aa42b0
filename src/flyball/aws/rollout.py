"""How a new release replaces the old one, as an ECS deployment or an EC2 instance refresh.

ECS: minimum healthy and maximum percent, circuit breaker with rollback (rolling only), alarms, and native blue/green,
canary and linear strategies, which need a second target group and a role that may change the rule's weights.
https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DeploymentConfiguration.html
"""

from __future__ import annotations

import math

from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam

from flyball.core.model import Service, Strategy

from .balancer import Balancer
from .site import Site, allow, logical

MINUTE_S = 60.0


def ecs_configuration(service: Service, alarms: list[str]) -> ecs.CfnService.DeploymentConfigurationProperty:
    """The deployment configuration, with every value explicit."""
    made, deployment = ecs.CfnService, service.deployment
    rolling = deployment.strategy is Strategy.ROLLING
    step, pause = deployment.step_percent, minutes(deployment.step_interval_s)
    return made.DeploymentConfigurationProperty(
        strategy=deployment.strategy.upper(),
        minimum_healthy_percent=deployment.minimum_healthy_percent,
        maximum_percent=deployment.maximum_percent,
        deployment_circuit_breaker=_breaker(service) if rolling else None,
        alarms=made.DeploymentAlarmsProperty(alarm_names=alarms, enable=True, rollback=deployment.rollback)
        if alarms
        else None,
        bake_time_in_minutes=None if rolling else minutes(deployment.bake_s),
        canary_configuration=made.CanaryConfigurationProperty(canary_percent=step, canary_bake_time_in_minutes=pause)
        if deployment.strategy is Strategy.CANARY
        else None,
        linear_configuration=made.LinearConfigurationProperty(step_percent=step, step_bake_time_in_minutes=pause)
        if deployment.strategy is Strategy.LINEAR
        else None,
    )


def minutes(seconds: float) -> int:
    """Whole minutes, as ECS counts, rounded up."""
    return math.ceil(seconds / MINUTE_S)


def _breaker(service: Service) -> ecs.CfnService.DeploymentCircuitBreakerProperty:
    made, breaker = ecs.CfnService, service.deployment.circuit_breaker
    if breaker is None:
        return made.DeploymentCircuitBreakerProperty(enable=False, rollback=False)
    return made.DeploymentCircuitBreakerProperty(
        enable=True,
        rollback=service.deployment.rollback,
        reset_on_healthy_task=breaker.reset_on_healthy,
        threshold_configuration=made.ThresholdConfigurationProperty(
            type=str(breaker.threshold_type), value=breaker.value
        ),
    )


def load_balancer(
    site: Site, service: Service, balancer: Balancer, traffic: iam.Role | None
) -> ecs.CfnService.LoadBalancerProperty:
    """The service's link to the balancer; the role `traffic` shifts weights between its two target groups."""
    made = ecs.CfnService
    advanced = None
    if traffic is not None:
        advanced = made.AdvancedConfigurationProperty(
            alternate_target_group_arn=balancer.standby_groups[service.name].ref,
            production_listener_rule=balancer.rules[service.name][0].ref,
            role_arn=traffic.role_arn,
        )
    return made.LoadBalancerProperty(
        container_name=service.name,
        container_port=site.port,
        target_group_arn=balancer.target_groups[service.name].ref,
        advanced_configuration=advanced,
    )


def traffic_role(site: Site, service: Service, balancer: Balancer) -> iam.Role | None:
    """Lets ECS change the weights of this service's rules and the targets of their two groups, nothing else.

    None for a rolling deployment, which has one group.
    """
    if service.name not in balancer.standby_groups:
        return None
    role = site.role(logical(service.name, "TrafficRole"), "ecs", f"ECS shifts traffic of {service.name}")
    both = [groups for each in balancer.every for groups in (each.target_groups, each.standby_groups)]
    groups = [each[service.name].ref for each in both]
    rules = [each.rules[service.name][0].ref for each in balancer.every]
    allow(role, ["elasticloadbalancing:ModifyRule"], rules)
    allow(role, ["elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"], groups)
    describe = ("Listeners", "Rules", "TargetGroups", "TargetHealth")
    allow(role, [f"elasticloadbalancing:Describe{what}" for what in describe])
    return role
