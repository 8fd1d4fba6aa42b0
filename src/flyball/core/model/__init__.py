"""What the user wants, as frozen values: durations in seconds, sizes in bytes, cpu in cores, percentages 0 to 100."""

from .application import Application, Observe, Pipeline, Service
from .autoscalers import Adaptive, ChangeRate, Hpa, Kpa
from .concurrency import AUTO, Concurrency, Queue
from .firewall import CoreRules, Firewall, FirewallAction, RateLimit
from .health import HealthCheck
from .metric import Metric
from .network import Aws, Boundary, Compute, Egress, Nat, Network, Package
from .regions import Continent, Edge, EdgeRouting, Region, RegionHealth, RegionService
from .rollout import CircuitBreaker, Deployment, RolloutAlarm, Strategy, ThresholdType
from .routing import (
    Acme,
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
from .size import Size
from .stores import KeyField, KeyType, Store, StoreKind

__all__ = [
    "AUTO", "Acme", "Adaptive", "AdjustmentType", "Application", "Aws", "Balancing", "BalancingAlgorithm",
    "Boundary", "Capacity", "ChangeRate", "CircuitBreaker", "Comparison", "Compute", "Concurrency", "Condition",
    "Continent", "CoreRules", "Deployment", "Edge", "EdgeRouting", "Egress", "Firewall", "FirewallAction",
    "FixedResponse", "HealthCheck", "Hpa", "KeyField", "KeyType", "Kpa", "Listener", "Metric", "Nat", "Network",
    "Observe", "Package", "Pipeline", "PredictiveScaling", "Queue", "RateLimit", "Redirect", "Region",
    "RegionHealth", "RegionService", "RolloutAlarm", "Route", "Scaling", "ScalingShape", "ScheduledAction",
    "Service", "Size", "StepAdjustment", "StepScaling", "Stickiness", "Store", "StoreKind", "Strategy",
    "TargetTracking", "ThresholdType", "Tls",
]  # fmt: skip
