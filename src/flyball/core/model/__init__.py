"""What the user wants, as frozen values: durations in seconds, sizes in bytes, cpu in cores, percentages 0 to 100."""

from .application import Application, Observe, Pipeline, Service, Size
from .autoscalers import ChangeRate, Hpa, Kpa
from .concurrency import AUTO, Concurrency, Queue
from .firewall import Firewall, FirewallAction, RateLimit
from .health import HealthCheck
from .metric import Metric
from .network import Aws, Compute, Network, RegionRouting
from .rollout import CircuitBreaker, Deployment, RolloutAlarm, Strategy, ThresholdType
from .routing import (
    Balancing,
    BalancingAlgorithm,
    Condition,
    FixedResponse,
    Listener,
    Redirect,
    Route,
    Stickiness,
    Tls,
)
from .scaling import (
    AdjustmentType,
    Capacity,
    Comparison,
    PredictiveScaling,
    Scaling,
    ScalingShape,
    ScheduledAction,
    StepAdjustment,
    StepScaling,
    TargetTracking,
)
from .stores import KeyField, KeyType, Store, StoreKind

__all__ = [
    "AUTO",
    "AdjustmentType",
    "Application",
    "Aws",
    "Balancing",
    "BalancingAlgorithm",
    "Capacity",
    "ChangeRate",
    "CircuitBreaker",
    "Comparison",
    "Compute",
    "Concurrency",
    "Condition",
    "Deployment",
    "Firewall",
    "FirewallAction",
    "FixedResponse",
    "HealthCheck",
    "Hpa",
    "KeyField",
    "KeyType",
    "Kpa",
    "Listener",
    "Metric",
    "Network",
    "Observe",
    "Pipeline",
    "PredictiveScaling",
    "Queue",
    "RateLimit",
    "Redirect",
    "RegionRouting",
    "RolloutAlarm",
    "Route",
    "Scaling",
    "ScalingShape",
    "ScheduledAction",
    "Service",
    "Size",
    "StepAdjustment",
    "StepScaling",
    "Stickiness",
    "Store",
    "StoreKind",
    "Strategy",
    "TargetTracking",
    "ThresholdType",
    "Tls",
]
