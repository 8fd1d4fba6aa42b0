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
    on_aws("Service.name", local=yes("ids such as web-7"), aws=yes("part of every resource's name")),
    on_aws("Service.run", local=yes("the instance's process"), aws=yes("start script")),
    by_compute(
        "Service.build",
        local=yes("once per release"),
        ec2=yes("CodeBuild, and each machine on first start"),
        fargate=yes("Dockerfile"),
    ),
    on_aws("Service.test", local=yes("before a release is accepted"), aws=yes("CodeBuild, before anything is stored")),
    on_aws("Service.source", local=yes("what a release copies"), aws=yes("what the build copies")),
    by_compute(
        "Service.environment",
        local=yes("the instance's environment"),
        ec2=yes("systemd's environment file"),
        fargate=yes("Environment of the container"),
    ),
    on_aws("Service.routes", local=PARTS, aws=PARTS),
    on_aws("Service.health", local=PARTS, aws=PARTS),
    on_aws("Service.stores", local=yes("NAME_URL variables"), aws=yes("NAME_URL variables, statements of the role")),
    on_aws("Service.size", local=PARTS, aws=PARTS),
    on_aws("Service.capacity", local=PARTS, aws=PARTS),
    on_aws("Service.scaling", local=PARTS, aws=PARTS),
    on_aws("Service.deployment", local=PARTS, aws=PARTS),
    on_aws("Service.balancing", local=PARTS, aws=PARTS),
    on_aws(
        "Service.concurrency",
        local=yes("the balancer's queue, or Envoy's limit of connections"),
        aws=no(NO_QUEUE, accepted=("auto", 0)),
    ),
    on_aws("Service.queue", local=PARTS, aws=PARTS),
    on_aws("Queue.most", local=yes("the balancer's queue"), aws=no(NO_QUEUE)),
    on_aws("Queue.longest_s", local=yes("the balancer's queue"), aws=no(NO_QUEUE)),
    by_compute(
        "Size.cpu", local=yes("CPU quota of the cgroup"), ec2=MACHINE_IS_THE_SIZE, fargate=yes("Cpu of the task")
    ),
    by_compute(
        "Size.memory_bytes",
        local=yes("memory limit of the cgroup"),
        ec2=MACHINE_IS_THE_SIZE,
        fargate=yes("Memory of the task"),
    ),
    by_compute(
        "Size.burst",
        local=yes("CPU burst of the cgroup"),
        ec2=no("T machines earn CPU credits by themselves; others never burst", accepted=(True,)),
        fargate=no("a task's CPU is fixed"),
    ),
    by_compute("Capacity.min", local=LOOP, ec2=yes("MinSize"), fargate=yes("MinCapacity")),
    by_compute("Capacity.max", local=LOOP, ec2=yes("MaxSize"), fargate=yes("MaxCapacity")),
    by_compute(
        "Capacity.desired",
        local=yes("the first desired capacity"),
        ec2=yes("DesiredCapacity while the stack is created, never after"),
        fargate=yes("DesiredCount while the stack is created, never after"),
    ),
    on_aws("Scaling.target_tracking", local=LOOP, aws=yes("TargetTrackingScaling policies")),
    on_aws("Scaling.steps", local=LOOP, aws=yes("StepScaling policies, each with an alarm")),
    by_compute("Scaling.schedule", local=LOOP, ec2=GROUP_SCHEDULE, fargate=ECS_SCHEDULE),
    on_aws("Scaling.predictive", local=NO_FORECAST, aws=yes("PredictiveScaling policy")),
    on_aws("Scaling.shape", local=LOOP, aws=no("`compute` decides", accepted=("asg", "ecs"))),
    by_compute(
        "Scaling.period_s",
        local=LOOP,
        ec2=no('datapoints are 60 s on EC2; use period = "60s" to rehearse that', accepted=(60.0,)),
        fargate=no(
            "ECS datapoints are 60 s, or 20 s for target tracking; use one of these as period to rehearse that",
            accepted=(20.0, 60.0),
        ),
    ),
    by_compute("Scaling.scale_out_cooldown_s", local=LOOP, ec2=WARM_UP_INSTEAD, fargate=yes("ScaleOutCooldown")),
    by_compute("Scaling.scale_in_cooldown_s", local=LOOP, ec2=WARM_UP_INSTEAD, fargate=yes("ScaleInCooldown")),
    by_compute(
        "Scaling.warmup_s",
        local=LOOP,
        ec2=yes("EstimatedInstanceWarmup, DefaultInstanceWarmup"),
        fargate=no("ECS has cooldowns, no warm-up"),
    ),
    on_aws("Scaling.disable_scale_in", local=LOOP, aws=yes("DisableScaleIn of every target tracking policy")),
    on_aws(
        "TargetTracking.metric",
        local=LOOP,
        aws=yes("PredefinedMetricType; memory on EC2 comes from the CloudWatch agent"),
    ),
    on_aws("TargetTracking.target_value", local=LOOP, aws=yes("TargetValue")),
    on_aws("TargetTracking.disable_scale_in", local=LOOP, aws=yes("DisableScaleIn")),
    on_aws("StepScaling.metric", local=LOOP, aws=yes("the alarm's metric")),
    on_aws("StepScaling.comparison", local=LOOP, aws=yes("ComparisonOperator")),
    on_aws("StepScaling.threshold", local=LOOP, aws=yes("Threshold (latency in seconds)")),
    on_aws("StepScaling.duration_s", local=LOOP, aws=yes("EvaluationPeriods = DatapointsToAlarm, rounded up")),
    on_aws("StepScaling.adjustment_type", local=LOOP, aws=yes("AdjustmentType")),
    on_aws("StepScaling.steps", local=LOOP, aws=yes("StepAdjustments")),
    on_aws("StepScaling.min_adjustment_magnitude", local=LOOP, aws=yes("MinAdjustmentMagnitude")),
    by_compute("StepScaling.cooldown_s", local=LOOP, ec2=WARM_UP_INSTEAD, fargate=yes("Cooldown")),
    on_aws("StepAdjustment.lower_bound", local=LOOP, aws=yes("MetricIntervalLowerBound")),
    on_aws("StepAdjustment.upper_bound", local=LOOP, aws=yes("MetricIntervalUpperBound")),
    on_aws("StepAdjustment.amount", local=LOOP, aws=yes("ScalingAdjustment")),
    by_compute("ScheduledAction.cron", local=LOOP, ec2=yes("Recurrence"), fargate=yes("cron(), with AWS's six fields")),
    by_compute("ScheduledAction.at", local=LOOP, ec2=yes("StartTime"), fargate=yes("at()")),
    on_aws("ScheduledAction.timezone", local=LOOP, aws=yes("TimeZone")),
    by_compute("ScheduledAction.min", local=LOOP, ec2=yes("MinSize"), fargate=yes("MinCapacity")),
    by_compute("ScheduledAction.max", local=LOOP, ec2=yes("MaxSize"), fargate=yes("MaxCapacity")),
    by_compute(
        "ScheduledAction.desired",
        local=LOOP,
        ec2=yes("DesiredCapacity"),
        fargate=no("Application Auto Scaling schedules set only min and max; synthesis refuses it"),
    ),
    on_aws("PredictiveScaling.metric", local=NO_FORECAST, aws=yes("PredefinedMetricPairSpecification")),
    on_aws("PredictiveScaling.target_value", local=NO_FORECAST, aws=yes("TargetValue")),
    on_aws("PredictiveScaling.forecast_only", local=NO_FORECAST, aws=yes("Mode")),
    on_aws("PredictiveScaling.buffer_s", local=NO_FORECAST, aws=yes("SchedulingBufferTime")),
    on_aws("HealthCheck.path", local=yes("the balancer's checks"), aws=yes("HealthCheckPath")),
    on_aws("HealthCheck.interval_s", local=yes("the balancer's checks"), aws=yes("HealthCheckIntervalSeconds")),
    on_aws("HealthCheck.timeout_s", local=yes("the balancer's checks"), aws=yes("HealthCheckTimeoutSeconds")),
    on_aws("HealthCheck.healthy_threshold", local=yes("the balancer's checks"), aws=yes("HealthyThresholdCount")),
    on_aws("HealthCheck.unhealthy_threshold", local=yes("the balancer's checks"), aws=yes("UnhealthyThresholdCount")),
    by_compute(
        "HealthCheck.grace_s",
        local=LOOP,
        ec2=yes("HealthCheckGracePeriod, counted from when the machine reports ready"),
        fargate=yes("HealthCheckGracePeriodSeconds"),
    ),
    on_aws("HealthCheck.status_min", local=yes("the balancer's checks"), aws=yes("Matcher")),
    on_aws("HealthCheck.status_max", local=yes("the balancer's checks"), aws=yes("Matcher")),
    by_compute("Deployment.strategy", local=LOOP, ec2=ROLLING_ONLY, fargate=yes("Strategy")),
    by_compute(
        "Deployment.minimum_healthy_percent",
        local=LOOP,
        ec2=yes("MinHealthyPercentage, at most 100 points below MaxHealthyPercentage"),
        fargate=yes("MinimumHealthyPercent"),
    ),
    by_compute(
        "Deployment.maximum_percent", local=LOOP, ec2=yes("MaxHealthyPercentage"), fargate=yes("MaximumPercent")
    ),
    by_compute(
        "Deployment.circuit_breaker", local=LOOP, ec2=COUNTLESS, fargate=yes("DeploymentCircuitBreaker (rolling only)")
    ),
    by_compute(
        "Deployment.rollback", local=LOOP, ec2=yes("AutoRollback"), fargate=yes("Rollback of breaker and alarms")
    ),
    on_aws("Deployment.alarms", local=LOOP, aws=yes("alarms, listed in the deployment")),
    by_compute(
        "Deployment.bake_s",
        local=LOOP,
        ec2=yes("BakeTime"),
        fargate=yes("BakeTimeInMinutes; a rolling deployment bakes for its alarms' evaluation time"),
    ),
    by_compute("Deployment.step_percent", local=LOOP, ec2=ROLLING_ONLY, fargate=yes("CanaryPercent or StepPercent")),
    by_compute(
        "Deployment.step_interval_s",
        local=LOOP,
        ec2=ROLLING_ONLY,
        fargate=yes("CanaryBakeTimeInMinutes or StepBakeTimeInMinutes"),
    ),
    on_aws("Deployment.deregistration_delay_s", local=LOOP, aws=yes("deregistration_delay.timeout_seconds")),
    by_compute(
        "Deployment.stop_timeout_s", local=LOOP, ec2=yes("TimeoutStopSec of the unit"), fargate=yes("StopTimeout")
    ),
    by_compute("CircuitBreaker.threshold_type", local=LOOP, ec2=COUNTLESS, fargate=yes("ThresholdConfiguration")),
    by_compute("CircuitBreaker.value", local=LOOP, ec2=COUNTLESS, fargate=yes("ThresholdConfiguration")),
    by_compute("CircuitBreaker.reset_on_healthy", local=LOOP, ec2=COUNTLESS, fargate=yes("ResetOnHealthyTask")),
    on_aws("RolloutAlarm.metric", local=LOOP, aws=yes("the alarm's metric")),
    on_aws("RolloutAlarm.comparison", local=LOOP, aws=yes("ComparisonOperator")),
    on_aws("RolloutAlarm.threshold", local=LOOP, aws=yes("Threshold (latency in seconds)")),
    on_aws("RolloutAlarm.duration_s", local=LOOP, aws=yes("EvaluationPeriods of 60 s, rounded up")),
)
