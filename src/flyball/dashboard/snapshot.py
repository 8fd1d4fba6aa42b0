"""What the page shows of now: what `flyball ps --json` says, and beside it what explains it."""

from __future__ import annotations

from collections.abc import Mapping

from flyball.core.view.shapes import InstanceJson, RolloutJson, ServiceJson
from flyball.core.view.views import AlarmView, InstanceView, RolloutView, ServiceView
from flyball.local import control_api
from flyball.local.runtime.runtime import Runtime

from .spending import Spending


def snapshot(
    runtime: Runtime,
    control: control_api.Control,
    *,
    scalings: Mapping[str, Mapping[str, int]],
    p95_ms: Mapping[str, float],
    spending: Spending,
    now: float,
) -> dict[str, object]:
    """The shape of `control_api.described`, with `at`, the cost, and each service's alarms, holds and rollout rules.

    `scalings` are the counts of the last 24 hours, `p95_ms` the latencies of instances that serve.
    """
    described, views = control_api.described(runtime, control), runtime.view().services
    services = [
        {**_service(told, of, p95_ms), "scalings": scalings.get(of.of.name, {"scale_out": 0, "scale_in": 0})}
        for told, of in zip(described["services"], views, strict=True)
    ]
    shown = {name: value for name, value in described.items() if name != "dashboard"}  # it holds the token
    return {**shown, "at": round(now, 3), "cost": spending.shown(runtime.app, views), "services": services}


def _service(told: ServiceJson, of: ServiceView, p95_ms: Mapping[str, float]) -> dict[str, object]:
    health, size = of.of.health, of.of.size
    return {
        **told,
        "rollout": None if told["rollout"] is None or of.rollout is None else _rollout(told["rollout"], of, of.rollout),
        "instances": [_instance(one, seen, p95_ms) for one, seen in zip(told["instances"], of.instances, strict=True)],
        "alarms": [_alarm(alarm) for alarm in of.alarms],
        "held_until": of.held_until,
        "period_s": of.of.scaling.period_s,
        "health": {"path": health.path, "interval_s": health.interval_s},
        "size": {"cpu": size.cpu, "memory_bytes": size.memory_bytes},
    }


def _instance(told: InstanceJson, of: InstanceView, p95_ms: Mapping[str, float]) -> dict[str, object]:
    return {**told, "p95_ms": p95_ms.get(of.of.id), "unhealthy_since": of.of.unhealthy_since}


def _alarm(of: AlarmView) -> dict[str, object]:
    return {
        "name": of.rule.name,
        "metric": of.rule.metric,
        "comparison": of.rule.comparison,
        "value": of.rule.value,
        "points": of.rule.points,
        "to_alarm": of.rule.to_alarm,
        "state": of.state,
    }


def _rollout(told: RolloutJson, of: ServiceView, gates: RolloutView) -> dict[str, object]:
    """A rollout with its gates: how many may fail, how many must serve, how many may run."""
    rules = of.of.deployment
    return {
        **told,
        "rules": {
            "strategy": rules.strategy,
            "failures_allowed": gates.failures_allowed,
            "minimum_healthy": gates.fewest,
            "maximum": gates.most,
            "rollback": rules.rollback,
            "bake_s": rules.bake_s,
        },
    }
