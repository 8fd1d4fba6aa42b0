"""The `deploy` table of a service: rollout, circuit breaker, rollback, draining, stopping."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, WithJsonSchema

from flyball.core.manifest import units
from flyball.core.model import CircuitBreaker, Comparison, Deployment, Metric, RolloutAlarm, Strategy, ThresholdType

from .base import (
    Duration,
    Lax,
    Percent,
    Shorthand,
    Table,
    WholePercent,
    WholeShare,
    between,
    key,
    required,
    span,
    switch,
)
from .scaling import When

Latency = Annotated[Duration, span("1ms", "1h")]
Held = Annotated[Duration, span("0s", "1d")]


def _percent_text(value: float) -> str:
    return f"{units.number_text(value)}%"


def _failures(value: Any) -> Any:
    if isinstance(value, str):
        share = units.percent(value)
        if not 1 <= share <= 100 or not share.is_integer():
            raise ValueError(f"must be a whole percentage from 1% to 100%, found {value!r}")
        return value
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f'must be a whole number such as 3 or a share such as "50%", found {units.value_text(value)}')
    return value


class CircuitBreakerTable(Table):
    """Fails a rollout after too many failed instances."""

    enabled: bool | None = key("false turns it off; by default true")
    failures: (
        Annotated[
            int | str,
            BeforeValidator(_failures),
            WithJsonSchema(
                {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": units.PERCENT_PATTERN}]}
            ),
        ]
        | None
    ) = key('how many failed instances fail the rollout: a number, or a share of desired; by default "50%"')
    bounded: bool | None = key("whether a share is kept within 3 to 200 instances; by default true")
    reset_on_healthy: bool | None = key("whether a healthy instance resets the count", to="reset_on_healthy")
    model: ClassVar[type | None] = CircuitBreaker
    shorthand: ClassVar[Shorthand | None] = switch()

    def resolve(self) -> CircuitBreaker | None:
        """None when it is off."""
        if self.enabled is False:
            return None
        found = self.given()
        if isinstance(self.failures, int):
            return CircuitBreaker(**found, threshold_type=ThresholdType.COUNT, value=self.failures)
        if self.failures is not None:
            found["value"] = int(units.percent(self.failures))
        if self.bounded is False:
            found["threshold_type"] = ThresholdType.UNBOUNDED_PERCENT
        return CircuitBreaker(**found)


class RollbackTable(Table):
    """Rolls back a rollout when it fails or a metric gets worse."""

    enabled: bool | None = key("false: a failed rollout stays as it is; by default true")
    errors: Annotated[Percent, between(0, 100, _percent_text)] | None = key('share of failed requests, such as "1%"')
    p50: Latency | None = key('median latency, such as "100ms"')
    p95: Latency | None = key("latency of 95 of 100 requests")
    p99: Latency | None = key("latency of 99 of 100 requests")
    cpu: Annotated[Percent, between(1, 1000, _percent_text)] | None = key("CPU use in percent of the reservation")
    memory: Annotated[Percent, between(1, 100, _percent_text)] | None = key("memory use in percent of the limit")
    for_: Held | None = key("how long a metric must be above its limit; by default three periods", alias="for")
    within: Held | None = key("how long to keep watching after the last instance; the same as `bake`")
    shorthand: ClassVar[Shorthand | None] = switch()

    def alarms(self, period_s: float) -> list[RolloutAlarm]:
        """One alarm per metric, in the order of the keys above; none when it is off."""
        if self.enabled is False:
            return []
        duration_s = 3 * period_s if self.for_ is None else self.for_
        found: list[RolloutAlarm] = []
        for metric in (Metric.ERRORS, Metric.P50, Metric.P95, Metric.P99, Metric.CPU, Metric.MEMORY):
            limit = getattr(self, metric)
            if limit is not None:
                # Latencies are seconds in the file's values, ms in the model's.
                threshold = limit * 1000.0 if metric in {Metric.P50, Metric.P95, Metric.P99} else limit
                found.append(
                    RolloutAlarm(metric=metric, comparison=Comparison.ABOVE, threshold=threshold, duration_s=duration_s)
                )
        return found


class AlarmTable(Table):
    """An alarm that rolls back a rollout."""

    when: When = required('condition, such as "errors > 1%"')
    for_: Held | None = key("how long it must hold; by default three periods", alias="for")
    shorthand: ClassVar[Shorthand | None] = Shorthand(
        kinds=(str,),
        says='a condition such as "errors > 1%"',
        expand=lambda value: {"when": value},
        schema={"type": "string", "pattern": units.CONDITION_PATTERN},
    )

    def resolve(self, period_s: float) -> RolloutAlarm:
        """The alarm."""
        metric, comparison, threshold = self.when
        duration_s = 3 * period_s if self.for_ is None else self.for_
        return RolloutAlarm(metric=metric, comparison=comparison, threshold=threshold, duration_s=duration_s)


class DeployTable(Table):
    """How a new release replaces the old one. Percentages are of the desired capacity."""

    strategy: Annotated[Strategy, Lax] | None = key("how instances or traffic move to the new release", to="strategy")
    minimum_healthy: WholeShare | None = key("fewest healthy instances during a rollout", to="minimum_healthy_percent")
    maximum: Annotated[WholePercent, between(100, 200, lambda value: f"{value}%")] | None = key(
        "most instances during a rollout", to="maximum_percent"
    )
    circuit_breaker: CircuitBreakerTable | None = key("true, false, or a table")
    rollback: RollbackTable | None = key('true, false, or limits such as { errors = "1%", p95 = "500ms" }')
    alarms: list[AlarmTable] | None = key('further alarms: conditions such as "errors > 1%", or tables')
    bake: Held | None = key("how long alarms are watched after the last instance", to="bake_s")
    step: Annotated[Percent, between(1, 100, _percent_text)] | None = key(
        "share of traffic for the canary, or for each step of linear", to="step_percent"
    )
    every: Held | None = key("duration of the canary, or of each step of linear", to="step_interval_s")
    drain: Annotated[Duration, span("0s", "1h")] | None = key(
        "how long running requests may take to finish", to="deregistration_delay_s"
    )
    stop_timeout: Annotated[Duration, span("0s", "1h")] | None = key(
        "time from SIGTERM to SIGKILL", to="stop_timeout_s"
    )
    model: ClassVar[type | None] = Deployment

    def resolve(self, period_s: float) -> Deployment:
        """The deployment rules; alarms of `rollback` precede those of `alarms`."""
        found = self.given()
        if self.circuit_breaker is not None:
            found["circuit_breaker"] = self.circuit_breaker.resolve()
        alarms = [alarm.resolve(period_s) for alarm in self.alarms or []]
        if self.rollback is not None:
            found["rollback"] = self.rollback.enabled is not False
            alarms = [*self.rollback.alarms(period_s), *alarms]
            if self.rollback.within is not None:
                found["bake_s"] = self.rollback.within
        return Deployment(**found, alarms=tuple(alarms))
