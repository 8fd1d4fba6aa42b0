"""The state that the page shows: what `flyball ps --json` says, and what explains it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flyball.core.control import breaker
from flyball.core.control.alarms import AlarmState, Threshold
from flyball.core.control.scaling import policy_alarms
from flyball.core.control.state import ServiceState
from flyball.core.model import Service
from flyball.local import control_api
from flyball.local.runtime import Runtime


def snapshot(
    runtime: Runtime,
    control: dict[str, Any],
    *,
    scalings: Mapping[str, Mapping[str, int]],
    p95_ms: Mapping[str, float],
    now: float,
) -> dict[str, Any]:
    """The shape of `control_api.described` with `at`, and with alarms, holds and rollout rules of each service.

    `scalings` counts the last 24 hours. `p95_ms` is by instance.
    """
    described = control_api.described(runtime, control)
    described["at"] = round(now, 3)
    del described["dashboard"]  # the page is open already, and this holds the token
    states = {state.name: state for state in runtime.state.services}
    for service in described["services"]:
        of, state = runtime.app.service(service["name"]), states[service["name"]]
        service["alarms"] = [_alarm(threshold, state) for threshold in policy_alarms.thresholds(of)]
        service["held_until"] = state.held_until
        service["scalings"] = scalings.get(of.name, {"scale_out": 0, "scale_in": 0})
        service["health"] = {"path": of.health.path, "interval_s": of.health.interval_s}
        service["size"] = {"cpu": of.size.cpu, "memory_bytes": of.size.memory_bytes}
        if service["rollout"] is not None:
            service["rollout"]["rules"] = _rules(of, state)
        unhealthy = {one.id: one.unhealthy_since for one in runtime.state.instances if one.service == of.name}
        for instance in service["instances"]:
            instance["p95_ms"] = p95_ms.get(instance["id"])
            instance["unhealthy_since"] = unhealthy.get(instance["id"])
    return described


def _alarm(threshold: Threshold, state: ServiceState) -> dict[str, Any]:
    known = {alarm.name: alarm.state for alarm in state.alarms}
    return {
        "name": threshold.name,
        "metric": threshold.metric.value,
        "comparison": threshold.comparison.value,
        "value": threshold.value,
        "points": threshold.points,
        "to_alarm": threshold.to_alarm,
        "state": known.get(threshold.name, AlarmState.INSUFFICIENT_DATA).value,
    }


def _rules(service: Service, state: ServiceState) -> dict[str, Any]:
    """The gates of a rollout: how many instances may fail, must serve, may run."""
    rules = service.deployment
    return {
        "strategy": rules.strategy.value,
        "failures_allowed": None
        if rules.circuit_breaker is None
        else breaker.threshold(rules.circuit_breaker, state.desired),
        "minimum_healthy": -(-rules.minimum_healthy_percent * state.desired // 100),
        "maximum": rules.maximum_percent * state.desired // 100,
        "rollback": rules.rollback,
        "bake_s": rules.bake_s,
    }
