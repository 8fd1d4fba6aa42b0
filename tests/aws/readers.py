"""For each honoured field: its path in `flyball config`, and a reader of AWS's value in the file's unit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from aws.template import Stack, text

SQL = "AWSManagedRulesSQLiRuleSet"
Reader = Callable[[Stack], Any]
MIB = 1024 * 1024
DAY_S = 86400.0
COMPARISONS = {"GreaterThanThreshold": ">", "GreaterThanOrEqualToThreshold": ">="}
METRICS = {"ASGAverageCPUUtilization": "cpu", "ECSServiceAverageCPUUtilizationHighResolution": "cpu"}


def prop(name: str, *path: str | int, scale: float = 1) -> Reader:
    """A property of the resource with that logical id; numbers divided by `scale`."""

    def read(stack: Stack) -> Any:
        found: Any = stack.named(name)
        for step in path:
            found = found[step]
        return found if scale == 1 else float(found) / scale

    return read


def attribute(name: str, key: str, *, resource: str = "FrontTargetGroup") -> Reader:
    """An attribute of a target group or balancer, as a number if it is one."""
    which = "LoadBalancerAttributes" if resource == "Balancer" else "TargetGroupAttributes"

    def read(stack: Stack) -> Any:
        found = stack.attributes(resource, which)[key]
        return float(found) if re.fullmatch(r"\d+", found) else found

    return read


def script(pattern: str) -> Reader:
    """What a pattern finds in the user data."""

    def read(stack: Stack) -> Any:
        whole = text(stack.named("FrontLaunchTemplate")["LaunchTemplateData"]["UserData"])
        found = re.search(pattern, whole, re.MULTILINE)
        assert found is not None, pattern
        return found.group(1)

    return read


def rule(first: str, *path: str | int) -> Reader:
    """A part of the listener rule whose first path pattern is `first`."""

    def read(stack: Stack) -> Any:
        found: Any = next(
            each
            for each in stack.all("ElasticLoadBalancingV2::ListenerRule").values()
            if each["Conditions"][0]["PathPatternConfig"]["Values"][0] == first
        )
        for step in path:
            found = found[step]
        return found

    return read


def number(reader: Reader) -> Reader:
    return lambda stack: float(reader(stack))


def integer(reader: Reader) -> Reader:
    return lambda stack: int(reader(stack))


def matched(reader: Reader, table: dict[str, Any]) -> Reader:
    return lambda stack: table[reader(stack)]


def minutes(reader: Reader) -> Reader:
    return lambda stack: reader(stack) * 60.0


def container(*path: str | int) -> Reader:
    return prop("FrontTask", "ContainerDefinitions", 0, *path)


def buildspec(pattern: str) -> Reader:
    def read(stack: Stack) -> Any:
        found = re.search(pattern, text(stack.named("BuildProject")["Source"]["BuildSpec"]))
        assert found is not None, pattern
        return found.group(1)

    return read


def _waf_rule(stack: Stack, name: str) -> dict[str, Any]:
    return next(rule for rule in stack.named("Firewall")["Rules"] if rule["Name"] == name)


def waf(stack: Stack, name: str) -> Any:
    """The statement of a rule of the firewall."""
    return _waf_rule(stack, name)["Statement"]


def action(stack: Stack, name: str) -> str:
    (found,) = _waf_rule(stack, name)["Action"]
    return str(found).lower()


def path_of(excluding: dict[str, Any]) -> str:
    """The path that a statement leaves out, with everything below it."""
    regex = excluding["NotStatement"]["Statement"]["RegexMatchStatement"]["RegexString"]
    return str(regex).removeprefix("^").removesuffix("(/.*)?$")


def rate(key: str) -> Reader:
    return lambda stack: waf(stack, "rate")["RateBasedStatement"][key]


def largest(regex: str) -> int:
    """The last number that is not above the limit."""
    return next(number for number in range(10_000) if re.match(regex, str(number + 1)))


def bucket(reader: Callable[[dict[str, Any]], Any]) -> Reader:
    return lambda stack: reader(
        next(each for name, each in stack.all("S3::Bucket").items() if name.startswith("FilesBucket"))
    )


def key_of(url: str, position: int) -> str:
    return url.split("key=")[1].split(":")[position]


def table_url(stack: Stack, world: str) -> str:
    if world == "ec2":
        return str(script(r'THINGS_URL="([^"]+)"')(stack))
    pairs = {each["Name"]: text(each["Value"]) for each in container("Environment")(stack)}
    return pairs["THINGS_URL"]


ALARM, STEP, TARGET = "FrontStep1Alarm", "FrontStep1Policy", "FrontTargetGroup"
COMMON: dict[str, tuple[str, Reader]] = {
    "Application.name": ("name", lambda stack: text(stack.named("Dashboard")["DashboardName"]).split("-")[0]),
    "Application.zones": (
        "zones",
        lambda stack: [name[7].lower() for name in sorted(stack.all("EC2::Subnet")) if name.startswith("Private")],
    ),
    "Pipeline.branch": ("pipeline.branch", prop("Pipeline", "Stages", 0, "Actions", 0, "Configuration", "BranchName")),
    "Pipeline.connection_arn": (
        "pipeline.connection_arn",
        prop("Pipeline", "Stages", 0, "Actions", 0, "Configuration", "ConnectionArn"),
    ),
    "Pipeline.repository": (
        "pipeline.repository",
        prop("Pipeline", "Stages", 0, "Actions", 0, "Configuration", "FullRepositoryId"),
    ),
    "Observe.log_retention_days": ("observe.log_retention_days", prop("FrontInstanceLogGroup", "RetentionInDays")),
    "Aws.domain": ("aws.domain", prop("Record", "Name")),
    "Edge.routing": ("edge.routing", lambda stack: "failover" if "Failover" in stack.named("Record") else "latency"),
    "RegionHealth.path": ("edge.health.path", prop("RegionCheck", "HealthCheckConfig", "ResourcePath")),
    "RegionHealth.interval_s": ("edge.health.interval_s", prop("RegionCheck", "HealthCheckConfig", "RequestInterval")),
    "RegionHealth.unhealthy_threshold": (
        "edge.health.unhealthy_threshold",
        prop("RegionCheck", "HealthCheckConfig", "FailureThreshold"),
    ),
    "Aws.alarm_email": ("aws.alarm_email", prop("Alarms", "Subscription", 0, "Endpoint")),
    "Aws.trail": ("aws.trail", lambda stack: len(stack.all("CloudTrail::Trail")) == 1),
    "Network.cidr": ("aws.network.cidr", prop("Vpc", "CidrBlock")),
    "Network.flow_log": ("aws.network.flow_log", lambda stack: stack.named("FlowLog")["TrafficType"] == "ALL"),
    "Network.public_subnets": (
        "aws.network.public_subnets",
        lambda stack: [stack.named(f"Public{zone}Subnet")["CidrBlock"] for zone in "AB"],
    ),
    "Network.private_subnets": (
        "aws.network.private_subnets",
        lambda stack: [stack.named(f"Private{zone}Subnet")["CidrBlock"] for zone in "AB"],
    ),
    "Store.ttl": (
        "stores.0.ttl",
        lambda stack: stack.named("ThingsTable")["TimeToLiveSpecification"]["AttributeName"],
    ),
    "Store.replicas": ("stores.2.replicas", lambda stack: stack.named("CacheRedis")["NumCacheClusters"] - 1),
    "Store.archive_after_s": (
        "stores.1.archive_after_s",
        bucket(
            lambda found: next(
                each["Transitions"][0]["TransitionInDays"] * DAY_S
                for each in found["LifecycleConfiguration"]["Rules"]
                if each["Id"] == "archive"
            )
        ),
    ),
    "Service.name": ("services.0.name", lambda stack: "front" if "FrontTargetGroup" in stack.resources else None),
    "Service.test": ("services.0.test", buildspec(r"cd /tmp/check-front && sh -eu -c (\w+)")),
    "StepScaling.metric": ("services.0.scaling.steps.0.metric", prop(ALARM, "ExtendedStatistic")),
    "StepScaling.comparison": (
        "services.0.scaling.steps.0.comparison",
        matched(prop(ALARM, "ComparisonOperator"), COMPARISONS),
    ),
    "StepScaling.threshold": ("services.0.scaling.steps.0.threshold", prop(ALARM, "Threshold", scale=0.001)),
    "HealthCheck.path": ("services.0.health.path", prop(TARGET, "HealthCheckPath")),
    "HealthCheck.interval_s": ("services.0.health.interval_s", prop(TARGET, "HealthCheckIntervalSeconds")),
    "HealthCheck.timeout_s": ("services.0.health.timeout_s", prop(TARGET, "HealthCheckTimeoutSeconds")),
    "HealthCheck.healthy_threshold": ("services.0.health.healthy_threshold", prop(TARGET, "HealthyThresholdCount")),
    "HealthCheck.unhealthy_threshold": (
        "services.0.health.unhealthy_threshold",
        prop(TARGET, "UnhealthyThresholdCount"),
    ),
    "HealthCheck.status_min": (
        "services.0.health.status_min",
        lambda stack: int(stack.named(TARGET)["Matcher"]["HttpCode"].split("-")[0]),
    ),
    "HealthCheck.status_max": (
        "services.0.health.status_max",
        lambda stack: int(stack.named(TARGET)["Matcher"]["HttpCode"].split("-")[1]),
    ),
    "Deployment.deregistration_delay_s": (
        "services.0.deployment.deregistration_delay_s",
        attribute("delay", "deregistration_delay.timeout_seconds"),
    ),
    "RolloutAlarm.metric": ("services.0.deployment.alarms.0.metric", prop("FrontRolloutAlarm1", "ExtendedStatistic")),
    "RolloutAlarm.comparison": (
        "services.0.deployment.alarms.0.comparison",
        matched(prop("FrontRolloutAlarm1", "ComparisonOperator"), COMPARISONS),
    ),
    "RolloutAlarm.threshold": (
        "services.0.deployment.alarms.0.threshold",
        prop("FrontRolloutAlarm1", "Threshold", scale=0.001),
    ),
    "RolloutAlarm.duration_s": (
        "services.0.deployment.alarms.0.duration_s",
        minutes(prop("FrontRolloutAlarm1", "EvaluationPeriods")),
    ),
    "Listener.idle_timeout_s": (
        "listener.idle_timeout_s",
        attribute("idle", "idle_timeout.timeout_seconds", resource="Balancer"),
    ),
    "RateLimit.requests": ("listener.firewall.rates.0.requests", lambda stack: rate("Limit")(stack) / 60),
    "RateLimit.per_s": ("listener.firewall.rates.0.per_s", lambda stack: rate("EvaluationWindowSec")(stack) / 60),
    "RateLimit.path": (
        "listener.firewall.rates.0.path",
        lambda stack: rate("ScopeDownStatement")(stack)["RegexMatchStatement"]["RegexString"][1 : -len("(/.*)?$")],
    ),
    "RateLimit.action": ("listener.firewall.rates.0.action", lambda stack: action(stack, "rate")),
    "Firewall.allow": ("listener.firewall.allow", lambda stack: stack.named("AllowIpV4")["Addresses"]),
    "Firewall.deny": (
        "listener.firewall.deny",
        lambda stack: stack.named("DenyIpV4")["Addresses"] + stack.named("DenyIpV6")["Addresses"],
    ),
    "Firewall.methods": (
        "listener.firewall.methods",
        lambda stack: waf(stack, "methods")["NotStatement"]["Statement"]["RegexMatchStatement"]["RegexString"][
            2:-2
        ].split("|"),
    ),
    "Firewall.max_url_bytes": (
        "listener.firewall.max_url_bytes",
        lambda stack: waf(stack, "url")["OrStatement"]["Statements"][1]["SizeConstraintStatement"]["Size"],
    ),
    "Firewall.max_headers_bytes": (
        "listener.firewall.max_headers_bytes",
        lambda stack: waf(stack, "headers")["SizeConstraintStatement"]["Size"],
    ),
    "Firewall.max_body_bytes": (
        "listener.firewall.max_body_bytes",
        lambda stack: largest(waf(stack, "body")["RegexMatchStatement"]["RegexString"]),
    ),
    "Firewall.bad_input": ("listener.firewall.bad_input", lambda stack: action(stack, "bad-input")),
    "Firewall.action": ("listener.firewall.action", lambda stack: action(stack, "deny")),
    "Firewall.managed": (
        "listener.firewall.managed",
        lambda stack: any(rule["Name"].endswith("IpReputationList") for rule in stack.named("Firewall")["Rules"]),
    ),
    "Firewall.uploads": (
        "listener.firewall.uploads",
        lambda stack: [path_of(waf(stack, "bodies")["AndStatement"]["Statements"][1])],
    ),
    "CoreRules.skip_paths": (
        "listener.firewall.core_rules.skip_paths",
        lambda stack: [path_of(waf(stack, SQL)["ManagedRuleGroupStatement"]["ScopeDownStatement"])],
    ),
    "CoreRules.fail_open": (
        "listener.firewall.core_rules.fail_open",
        lambda stack: stack.attributes("Balancer", "LoadBalancerAttributes")["waf.fail_open.enabled"] == "true",
    ),
    "CoreRules.action": (
        "listener.firewall.core_rules.action",
        lambda stack: next(iter(_waf_rule(stack, SQL)["OverrideAction"])).lower(),
    ),
    "Redirect.location": (
        "listener.redirects.0.location",
        lambda stack: "{Protocol}://{Host}{Path}?{Query}".format(
            **rule("/old", "Actions", 0, "RedirectConfig")(stack)
        ).replace("HTTPS", "https"),
    ),
    "Redirect.status": (
        "listener.redirects.0.status",
        lambda stack: int(rule("/old", "Actions", 0, "RedirectConfig", "StatusCode")(stack)[5:]),
    ),
    "FixedResponse.status": (
        "listener.fixed_responses.0.status",
        integer(rule("/teapot", "Actions", 0, "FixedResponseConfig", "StatusCode")),
    ),
    "FixedResponse.body": (
        "listener.fixed_responses.0.body",
        rule("/teapot", "Actions", 0, "FixedResponseConfig", "MessageBody"),
    ),
    "FixedResponse.content_type": (
        "listener.fixed_responses.0.content_type",
        rule("/teapot", "Actions", 0, "FixedResponseConfig", "ContentType"),
    ),
    "Route.weight": (
        "services.0.routes.1.weight",
        rule("/*", "Actions", 0, "ForwardConfig", "TargetGroups", 0, "Weight"),
    ),
    "Route.priority": ("services.0.routes.0.priority", rule("/shop", "Priority")),
    "Condition.path": (
        "services.0.routes.0.condition.path",
        rule("/shop", "Conditions", 0, "PathPatternConfig", "Values", 0),
    ),
    "Condition.host": (
        "services.0.routes.0.condition.host",
        rule("/shop", "Conditions", 1, "HostHeaderConfig", "Values", 0),
    ),
    "Condition.headers": (
        "services.0.routes.0.condition.headers",
        lambda stack: [
            [found["HttpHeaderName"], found["Values"][0]]
            for found in [rule("/shop", "Conditions", 2, "HttpHeaderConfig")(stack)]
        ],
    ),
    "Balancing.algorithm": (
        "services.1.balancing.algorithm",
        attribute("how", "load_balancing.algorithm.type", resource="BackTargetGroup"),
    ),
    "Balancing.slow_start_s": ("services.0.balancing.slow_start_s", attribute("slow", "slow_start.duration_seconds")),
    "Stickiness.duration_s": (
        "services.0.balancing.stickiness.duration_s",
        attribute("sticky", "stickiness.lb_cookie.duration_seconds"),
    ),
    "StepScaling.duration_s": (
        "services.0.scaling.steps.1.duration_s",
        minutes(prop("FrontStep2Alarm", "EvaluationPeriods")),
    ),
    "Aws.compute": ("aws.compute", lambda stack: "ec2" if stack.all("AutoScaling::AutoScalingGroup") else "fargate"),
    "Service.tls": (
        "services.0.tls",
        lambda stack: (
            {stack.named("FrontTargetGroup")[key] for key in ("Protocol", "HealthCheckProtocol")} == {"HTTPS"}
        ),
    ),
    "Tls.hsts_s": (
        "listener.tls.hsts_s",
        lambda stack: next(
            (
                float(one["Value"].removeprefix("max-age="))
                for one in stack.named("HttpsListener").get("ListenerAttributes", ())
                if one["Key"] == "routing.http.response.strict_transport_security.header_value"
            ),
            None,
        ),
    ),
    "Tls.certificate_arn": (
        "listener.tls.certificate_arn",
        lambda stack: (
            None
            if stack.named("HttpsListener")["Certificates"][0]["CertificateArn"] == {"Ref": "Certificate"}
            else "given"
        ),
    ),
}
ON_EC2: dict[str, tuple[str, Reader]] = {
    "Aws.machine": ("aws.machine", prop("FrontLaunchTemplate", "LaunchTemplateData", "InstanceType")),
    "Aws.spot_percent": (
        "aws.spot_percent",
        lambda stack: (
            100
            - stack.named("FrontScalingGroup")["MixedInstancesPolicy"]["InstancesDistribution"][
                "OnDemandPercentageAboveBaseCapacity"
            ]
        ),
    ),
    "Service.run": ("services.0.run", lambda stack: script(r"^exec (.*)$")(stack).replace('"', "")),
    "Service.environment": (
        "services.0.environment",
        lambda stack: [["MODE", json.loads(script(r"^MODE=(.*)$")(stack))]],
    ),
    "Service.stores": (
        "services.0.stores",
        lambda stack: [name for name in ("things", "files", "cache") if script(rf"({name.upper()}_URL)")(stack)],
    ),
    "Capacity.min": ("services.0.capacity.min", integer(prop("FrontScalingGroup", "MinSize"))),
    "Capacity.max": ("services.0.capacity.max", integer(prop("FrontScalingGroup", "MaxSize"))),
    "Capacity.desired": (
        "services.0.capacity.desired",
        integer(prop("FrontScalingGroup", "DesiredCapacity", "Fn::If", 1)),
    ),
    "Scaling.warmup_s": ("services.0.scaling.warmup_s", prop("FrontScalingGroup", "DefaultInstanceWarmup")),
    "Scaling.disable_scale_in": (
        "services.0.scaling.disable_scale_in",
        prop("FrontCpuTargetPolicy", "TargetTrackingConfiguration", "DisableScaleIn"),
    ),
    "TargetTracking.metric": (
        "services.0.scaling.target_tracking.0.metric",
        matched(
            prop(
                "FrontCpuTargetPolicy",
                "TargetTrackingConfiguration",
                "PredefinedMetricSpecification",
                "PredefinedMetricType",
            ),
            METRICS,
        ),
    ),
    "TargetTracking.target_value": (
        "services.0.scaling.target_tracking.0.target_value",
        prop("FrontCpuTargetPolicy", "TargetTrackingConfiguration", "TargetValue"),
    ),
    "TargetTracking.disable_scale_in": (
        "services.0.scaling.target_tracking.1.disable_scale_in",
        prop("FrontMemoryTargetPolicy", "TargetTrackingConfiguration", "DisableScaleIn"),
    ),
    "StepScaling.adjustment_type": ("services.0.scaling.steps.0.adjustment_type", prop(STEP, "AdjustmentType")),
    "StepScaling.min_adjustment_magnitude": (
        "services.0.scaling.steps.0.min_adjustment_magnitude",
        prop(STEP, "MinAdjustmentMagnitude"),
    ),
    "StepAdjustment.lower_bound": (
        "services.0.scaling.steps.0.steps.1.lower_bound",
        prop(STEP, "StepAdjustments", 1, "MetricIntervalLowerBound"),
    ),
    "StepAdjustment.upper_bound": (
        "services.0.scaling.steps.0.steps.0.upper_bound",
        prop(STEP, "StepAdjustments", 0, "MetricIntervalUpperBound"),
    ),
    "StepAdjustment.amount": (
        "services.0.scaling.steps.0.steps.1.amount",
        prop(STEP, "StepAdjustments", 1, "ScalingAdjustment"),
    ),
    "ScheduledAction.cron": ("services.0.scaling.schedule.0.cron", prop("FrontSchedule1", "Recurrence")),
    "ScheduledAction.timezone": ("services.0.scaling.schedule.0.timezone", prop("FrontSchedule1", "TimeZone")),
    "ScheduledAction.min": ("services.0.scaling.schedule.0.min", prop("FrontSchedule1", "MinSize")),
    "ScheduledAction.max": ("services.0.scaling.schedule.0.max", prop("FrontSchedule1", "MaxSize")),
    "PredictiveScaling.target_value": (
        "services.0.scaling.predictive.target_value",
        prop("FrontPredictivePolicy", "PredictiveScalingConfiguration", "MetricSpecifications", 0, "TargetValue"),
    ),
    "PredictiveScaling.forecast_only": (
        "services.0.scaling.predictive.forecast_only",
        lambda stack: stack.named("FrontPredictivePolicy")["PredictiveScalingConfiguration"]["Mode"] == "ForecastOnly",
    ),
    "PredictiveScaling.buffer_s": (
        "services.0.scaling.predictive.buffer_s",
        prop("FrontPredictivePolicy", "PredictiveScalingConfiguration", "SchedulingBufferTime"),
    ),
    "HealthCheck.grace_s": ("services.0.health.grace_s", prop("FrontScalingGroup", "HealthCheckGracePeriod")),
    "Deployment.minimum_healthy_percent": (
        "services.0.deployment.minimum_healthy_percent",
        prop("FrontScalingGroup", "InstanceMaintenancePolicy", "MinHealthyPercentage"),
    ),
    "Deployment.maximum_percent": (
        "services.0.deployment.maximum_percent",
        prop("FrontScalingGroup", "InstanceMaintenancePolicy", "MaxHealthyPercentage"),
    ),
    "Deployment.stop_timeout_s": ("services.0.deployment.stop_timeout_s", number(script(r"^TimeoutStopSec=(\d+)$"))),
    "Store.name": ("stores.0.name", lambda stack: script(r"(THINGS)_URL")(stack).lower()),
    "Store.kind": ("stores.0.kind", lambda stack: "table" if stack.all("DynamoDB::GlobalTable") else None),
    "KeyField.name": ("stores.0.key.0.name", lambda stack: key_of(table_url(stack, "ec2"), 0)),
    "KeyField.type": ("stores.0.key.0.type", lambda stack: key_of(table_url(stack, "ec2"), 1)),
}
_POLICY = ("TargetTrackingScalingPolicyConfiguration",)
_STEPS = ("StepScalingPolicyConfiguration",)
_FORECAST = ("PredictiveScalingPolicyConfiguration",)
_ROLLOUT = ("DeploymentConfiguration",)
ON_FARGATE: dict[str, tuple[str, Reader]] = {
    "Aws.spot_percent": (
        "aws.spot_percent",
        prop("FrontService", "CapacityProviderStrategy", 1, "Weight"),
    ),
    "Service.run": (
        "services.0.run",
        lambda stack: "serve --port $PORT" if container("PortMappings")(stack) else None,
    ),
    "Service.environment": (
        "services.0.environment",
        lambda stack: [
            [each["Name"], each["Value"]] for each in container("Environment")(stack) if each["Name"] == "MODE"
        ],
    ),
    "Service.stores": (
        "services.0.stores",
        lambda stack: sorted(
            (
                each["Name"].removesuffix("_URL").lower()
                for each in [*container("Environment")(stack), *container("Secrets")(stack)]
                if each["Name"].endswith("_URL") and not each["Name"].startswith("FLYBALL")
            ),
            key=["things", "files", "cache"].index,
        ),
    ),
    "Size.cpu": ("services.0.size.cpu", lambda stack: int(stack.named("FrontTask")["Cpu"]) / 1024),
    "Size.memory_bytes": ("services.0.size.memory_bytes", lambda stack: int(stack.named("FrontTask")["Memory"]) * MIB),
    "Capacity.min": ("services.0.capacity.min", prop("FrontScalableTarget", "MinCapacity")),
    "Capacity.max": ("services.0.capacity.max", prop("FrontScalableTarget", "MaxCapacity")),
    "Capacity.desired": ("services.0.capacity.desired", prop("FrontService", "DesiredCount", "Fn::If", 1)),
    "Scaling.scale_out_cooldown_s": (
        "services.0.scaling.scale_out_cooldown_s",
        prop("FrontCpuTargetPolicy", *_POLICY, "ScaleOutCooldown"),
    ),
    "Scaling.scale_in_cooldown_s": (
        "services.0.scaling.scale_in_cooldown_s",
        prop("FrontCpuTargetPolicy", *_POLICY, "ScaleInCooldown"),
    ),
    "Scaling.disable_scale_in": (
        "services.0.scaling.disable_scale_in",
        prop("FrontCpuTargetPolicy", *_POLICY, "DisableScaleIn"),
    ),
    "TargetTracking.metric": (
        "services.0.scaling.target_tracking.0.metric",
        matched(
            prop("FrontCpuTargetPolicy", *_POLICY, "PredefinedMetricSpecification", "PredefinedMetricType"), METRICS
        ),
    ),
    "TargetTracking.target_value": (
        "services.0.scaling.target_tracking.0.target_value",
        prop("FrontCpuTargetPolicy", *_POLICY, "TargetValue"),
    ),
    "TargetTracking.disable_scale_in": (
        "services.0.scaling.target_tracking.1.disable_scale_in",
        prop("FrontMemoryTargetPolicy", *_POLICY, "DisableScaleIn"),
    ),
    "StepScaling.adjustment_type": (
        "services.0.scaling.steps.0.adjustment_type",
        prop(STEP, *_STEPS, "AdjustmentType"),
    ),
    "StepScaling.min_adjustment_magnitude": (
        "services.0.scaling.steps.0.min_adjustment_magnitude",
        prop(STEP, *_STEPS, "MinAdjustmentMagnitude"),
    ),
    "StepScaling.cooldown_s": ("services.0.scaling.steps.0.cooldown_s", prop(STEP, *_STEPS, "Cooldown")),
    "StepAdjustment.lower_bound": (
        "services.0.scaling.steps.0.steps.1.lower_bound",
        prop(STEP, *_STEPS, "StepAdjustments", 1, "MetricIntervalLowerBound"),
    ),
    "StepAdjustment.upper_bound": (
        "services.0.scaling.steps.0.steps.0.upper_bound",
        prop(STEP, *_STEPS, "StepAdjustments", 0, "MetricIntervalUpperBound"),
    ),
    "StepAdjustment.amount": (
        "services.0.scaling.steps.0.steps.1.amount",
        prop(STEP, *_STEPS, "StepAdjustments", 1, "ScalingAdjustment"),
    ),
    "ScheduledAction.cron": (
        "services.0.scaling.schedule.0.cron",
        matched(
            prop("FrontScalableTarget", "ScheduledActions", 0, "Schedule"),
            {"cron(0 8 ? * MON,TUE,WED,THU,FRI *)": "0 8 * * 1-5"},
        ),
    ),
    "ScheduledAction.timezone": (
        "services.0.scaling.schedule.0.timezone",
        prop("FrontScalableTarget", "ScheduledActions", 0, "Timezone"),
    ),
    "ScheduledAction.min": (
        "services.0.scaling.schedule.0.min",
        prop("FrontScalableTarget", "ScheduledActions", 0, "ScalableTargetAction", "MinCapacity"),
    ),
    "ScheduledAction.max": (
        "services.0.scaling.schedule.0.max",
        prop("FrontScalableTarget", "ScheduledActions", 0, "ScalableTargetAction", "MaxCapacity"),
    ),
    "PredictiveScaling.target_value": (
        "services.0.scaling.predictive.target_value",
        prop("FrontPredictivePolicy", *_FORECAST, "MetricSpecifications", 0, "TargetValue"),
    ),
    "PredictiveScaling.forecast_only": (
        "services.0.scaling.predictive.forecast_only",
        lambda stack: prop("FrontPredictivePolicy", *_FORECAST, "Mode")(stack) == "ForecastOnly",
    ),
    "PredictiveScaling.buffer_s": (
        "services.0.scaling.predictive.buffer_s",
        prop("FrontPredictivePolicy", *_FORECAST, "SchedulingBufferTime"),
    ),
    "HealthCheck.grace_s": ("services.0.health.grace_s", prop("FrontService", "HealthCheckGracePeriodSeconds")),
    "Deployment.strategy": (
        "services.2.deployment.strategy",
        lambda stack: prop("CanaryService", *_ROLLOUT, "Strategy")(stack).lower(),
    ),
    "Deployment.minimum_healthy_percent": (
        "services.0.deployment.minimum_healthy_percent",
        prop("FrontService", *_ROLLOUT, "MinimumHealthyPercent"),
    ),
    "Deployment.maximum_percent": (
        "services.0.deployment.maximum_percent",
        prop("FrontService", *_ROLLOUT, "MaximumPercent"),
    ),
    "Deployment.circuit_breaker": (
        "services.1.deployment.circuit_breaker",
        lambda stack: None if not prop("BackService", *_ROLLOUT, "DeploymentCircuitBreaker", "Enable")(stack) else "on",
    ),
    "Deployment.rollback": (
        "services.0.deployment.rollback",
        prop("FrontService", *_ROLLOUT, "DeploymentCircuitBreaker", "Rollback"),
    ),
    "Deployment.bake_s": (
        "services.2.deployment.bake_s",
        minutes(prop("CanaryService", *_ROLLOUT, "BakeTimeInMinutes")),
    ),
    "Deployment.step_percent": (
        "services.2.deployment.step_percent",
        prop("CanaryService", *_ROLLOUT, "CanaryConfiguration", "CanaryPercent"),
    ),
    "Deployment.step_interval_s": (
        "services.2.deployment.step_interval_s",
        minutes(prop("CanaryService", *_ROLLOUT, "CanaryConfiguration", "CanaryBakeTimeInMinutes")),
    ),
    "Deployment.stop_timeout_s": ("services.0.deployment.stop_timeout_s", container("StopTimeout")),
    "CircuitBreaker.threshold_type": (
        "services.0.deployment.circuit_breaker.threshold_type",
        prop("FrontService", *_ROLLOUT, "DeploymentCircuitBreaker", "ThresholdConfiguration", "Type"),
    ),
    "CircuitBreaker.value": (
        "services.0.deployment.circuit_breaker.value",
        prop("FrontService", *_ROLLOUT, "DeploymentCircuitBreaker", "ThresholdConfiguration", "Value"),
    ),
    "CircuitBreaker.reset_on_healthy": (
        "services.0.deployment.circuit_breaker.reset_on_healthy",
        prop("FrontService", *_ROLLOUT, "DeploymentCircuitBreaker", "ResetOnHealthyTask"),
    ),
    "Store.name": ("stores.0.name", lambda stack: "things" if table_url(stack, "fargate") else None),
    "Store.kind": ("stores.0.kind", lambda stack: "table" if stack.all("DynamoDB::GlobalTable") else None),
    "KeyField.name": ("stores.0.key.0.name", lambda stack: key_of(table_url(stack, "fargate"), 0)),
    "KeyField.type": ("stores.0.key.0.type", lambda stack: key_of(table_url(stack, "fargate"), 1)),
}
