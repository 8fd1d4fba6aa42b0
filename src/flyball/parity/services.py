"""Rows of services: size, capacity, scaling, health, deployment."""

from __future__ import annotations

from .row import PARTS, by_compute, no, on_aws, yes

LOOP = yes("the control loop")
MACHINE_IS_THE_SIZE = no("an instance is a whole machine on EC2; use `aws.machine`")
NO_FORECAST = no("a forecast needs days of history; use target tracking, steps or schedules here")
ECS_SCHEDULE = yes("ScheduledActions of the ScalableTarget")
GROUP_SCHEDULE = yes("AWS::AutoScaling::ScheduledAction")
WARM_UP_INSTEAD = no("an Auto Scaling group's target and step policies use warm-up; set warm_up")
ROLLING_ONLY = no("an Auto Scaling group can only roll; synthesis refuses other strategies")
COUNTLESS = no("an instance refresh does not count failures; it fails on an alarm, or after an hour without progress")
NO_QUEUE = "an Application Load Balancer has no queue: let the program refuse with 503 what it cannot take"

ROWS = (
    on_aws("Service.name", yes("ids such as web-7"), yes("part of every resource's name")),
    on_aws("Service.run", yes("the instance's process"), yes("start script")),
    by_compute(
        "Service.build", yes("once per release"), yes("CodeBuild, and each machine on first start"), yes("Dockerfile")
    ),
    on_aws("Service.test", yes("before a release is accepted"), yes("CodeBuild, before anything is stored")),
    on_aws("Service.source", yes("what a release copies"), yes("what the build copies")),
    on_aws(
        "Service.runtime",
        no("an instance is a process here and runs with what this machine has"),
        yes("base of the image, or packages of the machine; versions of the build"),
    ),
    on_aws(
        "Service.dockerfile",
        no("there is no container engine here: `run` is started, and the image is built on AWS"),
        yes("CodeBuild; the image starts by its own ENTRYPOINT and CMD"),
    ),
    by_compute(
        "Service.environment",
        yes("the instance's environment"),
        yes("systemd's environment file"),
        yes("Environment of the container"),
    ),
    on_aws("Service.routes", PARTS, PARTS),
    on_aws("Service.health", PARTS, PARTS),
    on_aws("Service.stores", yes("NAME_URL variables"), yes("NAME_URL variables, statements of the role")),
    on_aws("Service.size", PARTS, PARTS),
    on_aws("Service.capacity", PARTS, PARTS),
    on_aws("Service.scaling", PARTS, PARTS),
    on_aws("Service.deployment", PARTS, PARTS),
    on_aws("Service.balancing", PARTS, PARTS),
    on_aws(
        "Service.concurrency",
        yes("the balancer's queue, or Envoy's limit of connections"),
        no(NO_QUEUE, accepted=("auto", 0)),
    ),
    on_aws("Service.queue", PARTS, PARTS),
    on_aws("Queue.most", yes("the balancer's queue"), no(NO_QUEUE)),
    on_aws("Queue.longest_s", yes("the balancer's queue"), no(NO_QUEUE)),
    by_compute("Size.cpu", yes("CPU quota of the cgroup"), MACHINE_IS_THE_SIZE, yes("Cpu of the task")),
    by_compute("Size.memory_bytes", yes("memory limit of the cgroup"), MACHINE_IS_THE_SIZE, yes("Memory of the task")),
    by_compute(
        "Size.burst",
        yes("CPU burst of the cgroup"),
        no("T machines earn CPU credits by themselves; others never burst", accepted=(True,)),
        no("a task's CPU is fixed"),
    ),
    by_compute("Capacity.min", LOOP, yes("MinSize"), yes("MinCapacity")),
    by_compute("Capacity.max", LOOP, yes("MaxSize"), yes("MaxCapacity")),
    by_compute(
        "Capacity.desired",
        yes("the first desired capacity"),
        yes("DesiredCapacity while the stack is created, never after"),
        yes("DesiredCount while the stack is created, never after"),
    ),
    on_aws("Scaling.target_tracking", LOOP, yes("TargetTrackingScaling policies")),
    on_aws("Scaling.steps", LOOP, yes("StepScaling policies, each with an alarm")),
    by_compute("Scaling.schedule", LOOP, GROUP_SCHEDULE, ECS_SCHEDULE),
    on_aws("Scaling.predictive", NO_FORECAST, yes("PredictiveScaling policy")),
    on_aws("Scaling.shape", LOOP, no("`compute` decides", accepted=("asg", "ecs"))),
    by_compute(
        "Scaling.period_s",
        LOOP,
        no('datapoints are 60 s on EC2; use period = "60s" to rehearse that', accepted=(60.0,)),
        no(
            "ECS datapoints are 60 s, or 20 s for target tracking; use one of these as period to rehearse that",
            accepted=(20.0, 60.0),
        ),
    ),
    by_compute("Scaling.scale_out_cooldown_s", LOOP, WARM_UP_INSTEAD, yes("ScaleOutCooldown")),
    by_compute("Scaling.scale_in_cooldown_s", LOOP, WARM_UP_INSTEAD, yes("ScaleInCooldown")),
    by_compute(
        "Scaling.warmup_s",
        LOOP,
        yes("EstimatedInstanceWarmup, DefaultInstanceWarmup"),
        no("ECS has cooldowns, no warm-up"),
    ),
    on_aws("Scaling.disable_scale_in", LOOP, yes("DisableScaleIn of every target tracking policy")),
    on_aws("TargetTracking.metric", LOOP, yes("PredefinedMetricType; memory on EC2 comes from the CloudWatch agent")),
    on_aws("TargetTracking.target_value", LOOP, yes("TargetValue")),
    on_aws("TargetTracking.disable_scale_in", LOOP, yes("DisableScaleIn")),
    on_aws("StepScaling.metric", LOOP, yes("the alarm's metric")),
    on_aws("StepScaling.comparison", LOOP, yes("ComparisonOperator")),
    on_aws("StepScaling.threshold", LOOP, yes("Threshold (latency in seconds)")),
    on_aws("StepScaling.duration_s", LOOP, yes("EvaluationPeriods = DatapointsToAlarm, rounded up")),
    on_aws("StepScaling.adjustment_type", LOOP, yes("AdjustmentType")),
    on_aws("StepScaling.steps", LOOP, yes("StepAdjustments")),
    on_aws("StepScaling.min_adjustment_magnitude", LOOP, yes("MinAdjustmentMagnitude")),
    by_compute("StepScaling.cooldown_s", LOOP, WARM_UP_INSTEAD, yes("Cooldown")),
    on_aws("StepAdjustment.lower_bound", LOOP, yes("MetricIntervalLowerBound")),
    on_aws("StepAdjustment.upper_bound", LOOP, yes("MetricIntervalUpperBound")),
    on_aws("StepAdjustment.amount", LOOP, yes("ScalingAdjustment")),
    by_compute("ScheduledAction.cron", LOOP, yes("Recurrence"), yes("cron(), with AWS's six fields")),
    by_compute("ScheduledAction.at", LOOP, yes("StartTime"), yes("at()")),
    on_aws("ScheduledAction.timezone", LOOP, yes("TimeZone")),
    by_compute("ScheduledAction.min", LOOP, yes("MinSize"), yes("MinCapacity")),
    by_compute("ScheduledAction.max", LOOP, yes("MaxSize"), yes("MaxCapacity")),
    by_compute(
        "ScheduledAction.desired",
        LOOP,
        yes("DesiredCapacity"),
        no("Application Auto Scaling schedules set only min and max; synthesis refuses it"),
    ),
    on_aws("PredictiveScaling.metric", NO_FORECAST, yes("PredefinedMetricPairSpecification")),
    on_aws("PredictiveScaling.target_value", NO_FORECAST, yes("TargetValue")),
    on_aws("PredictiveScaling.forecast_only", NO_FORECAST, yes("Mode")),
    on_aws("PredictiveScaling.buffer_s", NO_FORECAST, yes("SchedulingBufferTime")),
    on_aws("HealthCheck.path", yes("the balancer's checks"), yes("HealthCheckPath")),
    on_aws("HealthCheck.interval_s", yes("the balancer's checks"), yes("HealthCheckIntervalSeconds")),
    on_aws("HealthCheck.timeout_s", yes("the balancer's checks"), yes("HealthCheckTimeoutSeconds")),
    on_aws("HealthCheck.healthy_threshold", yes("the balancer's checks"), yes("HealthyThresholdCount")),
    on_aws("HealthCheck.unhealthy_threshold", yes("the balancer's checks"), yes("UnhealthyThresholdCount")),
    by_compute(
        "HealthCheck.grace_s",
        LOOP,
        yes("HealthCheckGracePeriod, counted from when the machine reports ready"),
        yes("HealthCheckGracePeriodSeconds"),
    ),
    on_aws("HealthCheck.status_min", yes("the balancer's checks"), yes("Matcher")),
    on_aws("HealthCheck.status_max", yes("the balancer's checks"), yes("Matcher")),
    by_compute("Deployment.strategy", LOOP, ROLLING_ONLY, yes("Strategy")),
    by_compute(
        "Deployment.minimum_healthy_percent",
        LOOP,
        yes("MinHealthyPercentage, at most 100 points below MaxHealthyPercentage"),
        yes("MinimumHealthyPercent"),
    ),
    by_compute("Deployment.maximum_percent", LOOP, yes("MaxHealthyPercentage"), yes("MaximumPercent")),
    by_compute("Deployment.circuit_breaker", LOOP, COUNTLESS, yes("DeploymentCircuitBreaker (rolling only)")),
    by_compute("Deployment.rollback", LOOP, yes("AutoRollback"), yes("Rollback of breaker and alarms")),
    on_aws("Deployment.alarms", LOOP, yes("alarms, listed in the deployment")),
    by_compute(
        "Deployment.bake_s",
        LOOP,
        yes("BakeTime"),
        yes("BakeTimeInMinutes; a rolling deployment bakes for its alarms' evaluation time"),
    ),
    by_compute("Deployment.step_percent", LOOP, ROLLING_ONLY, yes("CanaryPercent or StepPercent")),
    by_compute(
        "Deployment.step_interval_s", LOOP, ROLLING_ONLY, yes("CanaryBakeTimeInMinutes or StepBakeTimeInMinutes")
    ),
    on_aws("Deployment.deregistration_delay_s", LOOP, yes("deregistration_delay.timeout_seconds")),
    by_compute("Deployment.stop_timeout_s", LOOP, yes("TimeoutStopSec of the unit"), yes("StopTimeout")),
    by_compute("CircuitBreaker.threshold_type", LOOP, COUNTLESS, yes("ThresholdConfiguration")),
    by_compute("CircuitBreaker.value", LOOP, COUNTLESS, yes("ThresholdConfiguration")),
    by_compute("CircuitBreaker.reset_on_healthy", LOOP, COUNTLESS, yes("ResetOnHealthyTask")),
    on_aws("RolloutAlarm.metric", LOOP, yes("the alarm's metric")),
    on_aws("RolloutAlarm.comparison", LOOP, yes("ComparisonOperator")),
    on_aws("RolloutAlarm.threshold", LOOP, yes("Threshold (latency in seconds)")),
    on_aws("RolloutAlarm.duration_s", LOOP, yes("EvaluationPeriods of 60 s, rounded up")),
)
