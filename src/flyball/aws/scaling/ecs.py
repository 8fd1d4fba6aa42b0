"""Scaling of tasks: Application Auto Scaling policies for the service's desired count."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_applicationautoscaling as applicationautoscaling
from aws_cdk.aws_applicationautoscaling import CfnScalingPolicy

from flyball.aws.cron import aws_cron
from flyball.aws.metrics import AWS_PERIOD_S, Watched, resolution_s
from flyball.aws.site import Site, logical
from flyball.core.model import (
    Metric,
    PredictiveScaling,
    ScheduledAction,
    Service,
    StepScaling,
    TargetTracking,
)

from . import forecast, moment, resource_label, seconds, step_alarm, steps


def build(site: Site, watched: Watched) -> None:
    """The scalable target of a service and its policies."""
    service = watched.service
    target = applicationautoscaling.CfnScalableTarget(
        site.stack,
        logical(service.name, "ScalableTarget"),
        service_namespace="ecs",
        scalable_dimension="ecs:service:DesiredCount",
        resource_id=f"service/{watched.cluster}/{watched.ecs_service}",
        min_capacity=service.capacity.min,
        max_capacity=service.capacity.max,
        scheduled_actions=[_schedule(action, index) for index, action in enumerate(service.scaling.schedule, start=1)],
    )
    for policy in service.scaling.target_tracking:
        _policy(site, watched, target.ref, f"{policy.metric}-target", _tracking(service, policy, watched))
    for index, step in enumerate(service.scaling.steps, start=1):
        made = _policy(site, watched, target.ref, f"step-{index}", _stepping(service, step))
        step_alarm(site, watched, step, index, made.ref)
    if service.scaling.predictive is not None:
        _policy(site, watched, target.ref, "predictive", _forecast(service.scaling.predictive, watched))


def _policy(site: Site, watched: Watched, target: str, name: str, how: Any) -> CfnScalingPolicy:
    kind = type(how).__name__.removesuffix("PolicyConfigurationProperty")
    return CfnScalingPolicy(
        site.stack,
        logical(watched.service.name, name, "Policy"),
        policy_name=f"{watched.service.name}-{name}",
        policy_type=kind,
        scaling_target_id=target,
        target_tracking_scaling_policy_configuration=how if kind == "TargetTrackingScaling" else None,
        step_scaling_policy_configuration=how if kind == "StepScaling" else None,
        predictive_scaling_policy_configuration=how if kind == "PredictiveScaling" else None,
    )


def _tracking(
    service: Service, policy: TargetTracking, watched: Watched
) -> CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty:
    fast = "HighResolution" if resolution_s(service) < AWS_PERIOD_S else ""
    predefined = {
        Metric.CPU: f"ECSServiceAverageCPUUtilization{fast}",
        Metric.MEMORY: f"ECSServiceAverageMemoryUtilization{fast}",
        Metric.REQUESTS: "ALBRequestCountPerTarget",
    }
    return CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
        target_value=policy.target_value,
        disable_scale_in=policy.disable_scale_in or service.scaling.disable_scale_in,
        scale_out_cooldown=seconds(service.scaling.scale_out_cooldown_s, service),
        scale_in_cooldown=seconds(service.scaling.scale_in_cooldown_s, service),
        predefined_metric_specification=CfnScalingPolicy.PredefinedMetricSpecificationProperty(
            predefined_metric_type=predefined[policy.metric],
            resource_label=resource_label(watched, policy.metric),
        ),
    )


def _stepping(service: Service, policy: StepScaling) -> CfnScalingPolicy.StepScalingPolicyConfigurationProperty:
    outward = policy.comparison.upward
    default = service.scaling.scale_out_cooldown_s if outward else service.scaling.scale_in_cooldown_s
    return CfnScalingPolicy.StepScalingPolicyConfigurationProperty(
        adjustment_type=str(policy.adjustment_type),
        cooldown=seconds(default if policy.cooldown_s is None else policy.cooldown_s, service),
        metric_aggregation_type="Average",
        min_adjustment_magnitude=policy.min_adjustment_magnitude,
        step_adjustments=steps(CfnScalingPolicy.StepAdjustmentProperty, policy),
    )


def _schedule(action: ScheduledAction, index: int) -> applicationautoscaling.CfnScalableTarget.ScheduledActionProperty:
    made = applicationautoscaling.CfnScalableTarget
    when = f"cron({aws_cron(action.cron)})" if action.cron is not None else f"at({moment(action).rstrip('Z')})"
    return made.ScheduledActionProperty(
        scheduled_action_name=f"schedule-{index}",
        schedule=when,
        timezone=action.timezone,
        scalable_target_action=made.ScalableTargetActionProperty(min_capacity=action.min, max_capacity=action.max),
    )


def _forecast(
    policy: PredictiveScaling, watched: Watched
) -> CfnScalingPolicy.PredictiveScalingPolicyConfigurationProperty:
    pair = {
        Metric.CPU: "ECSServiceCPUUtilization",
        Metric.MEMORY: "ECSServiceMemoryUtilization",
        Metric.REQUESTS: "ALBRequestCount",
    }[policy.metric]
    label = resource_label(watched, policy.metric)
    return CfnScalingPolicy.PredictiveScalingPolicyConfigurationProperty(
        **forecast(CfnScalingPolicy, policy, pair, label)
    )
