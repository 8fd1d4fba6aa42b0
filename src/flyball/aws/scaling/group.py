"""Scaling of machines: the Auto Scaling group's own policies."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk.aws_autoscaling import CfnScalingPolicy

from flyball.aws.metrics import Watched, source
from flyball.aws.site import Site, logical
from flyball.core.model import Metric, PredictiveScaling, Service, TargetTracking

from . import forecast, moment, resource_label, seconds, step_alarm, steps


def warmup_s(service: Service) -> int:
    """Seconds for which a new machine is not counted in the metrics."""
    return seconds(service.scaling.warmup_s, service)


def build(site: Site, watched: Watched) -> None:
    """The policies of a service's Auto Scaling group."""
    service = watched.service
    assert watched.group is not None
    warm = {"estimated_instance_warmup": warmup_s(service)}
    for policy in service.scaling.target_tracking:
        tracking = {**warm, "target_tracking_configuration": _tracking(service, policy, watched)}
        _policy(site, watched, f"{policy.metric}-target", "TargetTrackingScaling", **tracking)
    for index, step in enumerate(service.scaling.steps, start=1):
        made = _policy(
            site,
            watched,
            f"step-{index}",
            "StepScaling",
            **warm,
            adjustment_type=str(step.adjustment_type),
            metric_aggregation_type="Average",
            min_adjustment_magnitude=step.min_adjustment_magnitude,
            step_adjustments=steps(CfnScalingPolicy.StepAdjustmentProperty, step),
        )
        step_alarm(site, watched, step, index, made.ref)
    for index, action in enumerate(service.scaling.schedule, start=1):
        autoscaling.CfnScheduledAction(
            site.stack,
            logical(service.name, f"Schedule{index}"),
            auto_scaling_group_name=watched.group,
            min_size=action.min,
            max_size=action.max,
            desired_capacity=action.desired,
            recurrence=action.cron,
            start_time=None if action.at is None else moment(action),
            time_zone=None if action.cron is None else action.timezone,
        )
    if service.scaling.predictive is not None:
        predicted = _forecast(service.scaling.predictive, watched)
        _policy(site, watched, "predictive", "PredictiveScaling", predictive_scaling_configuration=predicted)


def _policy(site: Site, watched: Watched, name: str, kind: str, **how: Any) -> CfnScalingPolicy:
    identity = logical(watched.service.name, name, "Policy")
    return CfnScalingPolicy(site.stack, identity, auto_scaling_group_name=watched.group, policy_type=kind, **how)


def _tracking(
    service: Service, policy: TargetTracking, watched: Watched
) -> CfnScalingPolicy.TargetTrackingConfigurationProperty:
    """A target tracking policy. Memory has no predefined metric on EC2: the CloudWatch agent measures it."""
    predefined = {Metric.CPU: "ASGAverageCPUUtilization", Metric.REQUESTS: "ALBRequestCountPerTarget"}
    kind = predefined.get(policy.metric)
    found = source(watched, policy.metric)
    custom = CfnScalingPolicy.CustomizedMetricSpecificationProperty(
        namespace=found.namespace,
        metric_name=found.name,
        statistic=found.statistic,
        dimensions=[
            CfnScalingPolicy.MetricDimensionProperty(name=name, value=value) for name, value in found.dimensions.items()
        ],
    )
    return CfnScalingPolicy.TargetTrackingConfigurationProperty(
        target_value=policy.target_value,
        disable_scale_in=policy.disable_scale_in or service.scaling.disable_scale_in,
        customized_metric_specification=custom if kind is None else None,
        predefined_metric_specification=None
        if kind is None
        else CfnScalingPolicy.PredefinedMetricSpecificationProperty(
            predefined_metric_type=kind,
            resource_label=resource_label(watched, policy.metric),
        ),
    )


def _forecast(policy: PredictiveScaling, watched: Watched) -> CfnScalingPolicy.PredictiveScalingConfigurationProperty:
    pair = {Metric.CPU: "ASGCPUUtilization", Metric.REQUESTS: "ALBRequestCount"}[policy.metric]
    label = resource_label(watched, policy.metric)
    return CfnScalingPolicy.PredictiveScalingConfigurationProperty(**forecast(CfnScalingPolicy, policy, pair, label))
