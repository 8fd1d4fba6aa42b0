"""The `scale` table of a service: target tracking, step scaling, schedule, predictive scaling."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from flyball.core.manifest import units
from flyball.core.model import (
    AdjustmentType,
    Comparison,
    Metric,
    PredictiveScaling,
    Scaling,
    ScalingShape,
    ScheduledAction,
    StepAdjustment,
    StepScaling,
    TargetTracking,
    cron,
)

from .autoscalers import AdaptiveTable, HpaTable, KpaTable
from .base import (
    NUMBER_OR_PERCENT,
    Duration,
    OneOrMany,
    Shorthand,
    Table,
    Text,
    key,
    number_or_percent,
    required,
    span,
    text_of,
)

Bound = Annotated[float, Field(ge=0, le=1e9)]
Count = Annotated[int, Field(ge=0, le=5000)]
Cooldown = Annotated[Duration, span("0s", "1d")]
When = Annotated[
    tuple[Metric, Comparison, float],
    text_of(units.condition, 'a condition in quotes such as "cpu > 50%"'),
    WithJsonSchema({"type": "string", "pattern": units.CONDITION_PATTERN}),
]

_NOT_A_TARGET = (
    "is not suitable for target tracking, because more capacity need not lower it in proportion; "
    "use cpu, memory or requests, or an out rule"
)
_UNSUITED = dict.fromkeys(("latency", "errors", "p50", "p95", "p99", "response_time"), _NOT_A_TARGET)


def _change(value: Any) -> Any:
    """A valid change: 2 instances, or the text "20%"."""
    if isinstance(value, str):
        share = units.percent(value)
        if not 1 <= share <= 1000 or not share.is_integer():
            raise ValueError(f"must be a whole percentage from 1% to 1000%, found {value!r}")
        return value
    if isinstance(value, bool) or not isinstance(value, int):
        raise units.NotAUnit(
            f'must be a whole number such as 1 or a percentage such as "20%", found {units.value_text(value)}'
        )
    if not 1 <= value <= 5000:
        raise ValueError(f"must be 1 to 5000, found {value}")
    return value


Change = Annotated[
    int | str,
    BeforeValidator(_change),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 5000},
                {"type": "string", "pattern": units.PERCENT_PATTERN},
            ]
        }
    ),
]


class TargetTable(Table):
    """One target value, which may be barred from scaling in."""

    value: Annotated[
        float, BeforeValidator(number_or_percent), Field(gt=0, le=1e9), WithJsonSchema(NUMBER_OR_PERCENT)
    ] = required("the target value")
    disable_scale_in: bool | None = key("true: this target never scales in", to="disable_scale_in")
    model: ClassVar[type | None] = TargetTracking
    shorthand: ClassVar[Shorthand | None] = Shorthand(
        kinds=(int, float, str),
        says="a number",
        expand=lambda value: {"value": value},
        schema=NUMBER_OR_PERCENT,
    )


def _one_to_hundred(target: TargetTable) -> TargetTable:
    if not 1 <= target.value <= 100:
        raise ValueError(f"must be 1% to 100%, found {units.number_text(target.value)}%")
    return target


class TargetsTable(Table):
    """Target tracking: keep the average of a metric at its target value."""

    cpu: Annotated[TargetTable, AfterValidator(_one_to_hundred)] | None = key("percent of the reserved CPU, 1 to 100")
    memory: Annotated[TargetTable, AfterValidator(_one_to_hundred)] | None = key(
        "percent of the memory limit, 1 to 100"
    )
    requests: TargetTable | None = key("requests per instance and minute")
    unsuited: ClassVar[dict[str, str]] = _UNSUITED

    def metrics(self) -> list[tuple[Metric, TargetTable]]:
        """The given targets, in the order cpu, memory, requests."""
        found = ((metric, getattr(self, metric)) for metric in (Metric.CPU, Metric.MEMORY, Metric.REQUESTS))
        return [(metric, target) for metric, target in found if target is not None]


class StepTable(Table):
    """One step of a rule. Bounds are values of the rule's metric, in the unit of its condition."""

    from_: Bound | None = key("lower bound of the metric", alias="from")
    to: Bound | None = key("upper bound of the metric")
    set: Count | None = key("exact number of instances")
    verb: ClassVar[str]

    def change(self) -> int | str | None:
        """What the step adds or removes."""
        found: int | str | None = getattr(self, self.verb)
        return found


class OutStep(StepTable):
    """A step that scales out."""

    add: Change | None = key('instances to add: 2, or "20%" of the current ones')
    verb: ClassVar[str] = "add"


class InStep(StepTable):
    """A step that scales in."""

    remove: Change | None = key('instances to remove: 2, or "20%" of the current ones')
    verb: ClassVar[str] = "remove"


class RuleTable(Table):
    """Step scaling: changes the capacity while a condition has held for some time."""

    when: When = required('condition on the average of the instances, such as "cpu > 50%"')
    for_: Annotated[Duration, span("0s", "1d")] | None = key(
        "how long it must hold; by default three periods", alias="for"
    )
    set: Count | None = key("exact number of instances")
    at_least: Annotated[int, Field(ge=1, le=5000)] | None = key(
        "smallest change, for percentages", to="min_adjustment_magnitude"
    )
    cooldown: Cooldown | None = key("wait after this rule has acted; by default the service's", to="cooldown_s")

    of: ClassVar[type[StepTable]]
    sign: ClassVar[int]

    def parts(self) -> list[tuple[StepTable, int]]:
        """The steps, each with +1 (scales out) or -1 (scales in); a rule without steps is one step."""
        change = {name: getattr(self, name) for name in (self.of.verb, "set")}
        steps: list[StepTable] | None = getattr(self, "steps", None)
        return [(step, self.sign) for step in steps or [self.of.model_construct(**change)]]

    def resolve(self, period_s: float) -> StepScaling:
        """The policy, with bounds relative to the threshold, as on AWS."""
        metric, comparison, threshold = self.when
        parts = self.parts()
        first = parts[0][0]
        return StepScaling(
            **self.given(),
            metric=metric,
            comparison=comparison,
            threshold=threshold,
            duration_s=3 * period_s if self.for_ is None else self.for_,
            adjustment_type=adjustment(first),
            steps=tuple(_step(step, sign, threshold) for step, sign in parts),
        )


class OutRule(RuleTable):
    """A rule that scales out."""

    add: Change | None = key('instances to add: 2, or "20%" of the current ones')
    steps: Annotated[list[OutStep], Field(min_length=1)] | None = key(
        "different changes for different values of the metric"
    )
    of: ClassVar[type[StepTable]] = OutStep
    sign: ClassVar[int] = 1


class InRule(RuleTable):
    """A rule that scales in."""

    remove: Change | None = key('instances to remove: 2, or "20%" of the current ones')
    steps: Annotated[list[InStep], Field(min_length=1)] | None = key(
        "different changes for different values of the metric"
    )
    of: ClassVar[type[StepTable]] = InStep
    sign: ClassVar[int] = -1


def adjustment(step: StepTable) -> AdjustmentType:
    """AWS's name for what the step does."""
    if step.set is not None:
        return AdjustmentType.EXACT_CAPACITY
    percent = isinstance(step.change(), str)
    return AdjustmentType.PERCENT_CHANGE_IN_CAPACITY if percent else AdjustmentType.CHANGE_IN_CAPACITY


def _step(step: StepTable, sign: int, threshold: float) -> StepAdjustment:
    change = step.change()
    amount = sign * int(units.percent(change) if isinstance(change, str) else change or 0)
    lower, upper = step.from_, step.to
    whole = lower is None and upper is None
    return StepAdjustment(
        lower_bound=0.0 if whole and sign > 0 else None if lower is None else lower - threshold,
        upper_bound=0.0 if whole and sign < 0 else None if upper is None else upper - threshold,
        amount=amount if step.set is None else step.set,
    )


def _moment(value: Any) -> Any:
    """Seconds since the epoch of a date and time with offset, bare or in quotes."""
    found = value
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            found = None
    if not isinstance(found, datetime) or found.tzinfo is None:
        raise ValueError(
            f"must be a date and time with offset such as 2026-12-24T18:00:00Z, found {units.value_text(value)}"
        )
    return found.timestamp()


def _five_fields(value: str) -> str:
    cron.parse(value)
    return value


Timezone = Annotated[
    str, Text(r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$", "be a time zone such as Europe/Stockholm")
]


class ScheduleTable(Table):
    """A scheduled action, which sets any of min, max and desired."""

    cron: Annotated[str, AfterValidator(_five_fields)] | None = key(
        'five fields: minute, hour, day, month, weekday, such as "0 8 * * MON-FRI"', to="cron"
    )
    at: Annotated[float, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})] | None = (
        key("once, at a date and time with offset", to="at")
    )
    timezone: Timezone | None = key('time zone of `cron`, such as "Europe/Stockholm"', to="timezone")
    min: Count | None = key("new lower bound", to="min")
    max: Count | None = key("new upper bound", to="max")
    desired: Count | None = key("new desired capacity", to="desired")
    model: ClassVar[type | None] = ScheduledAction

    def resolve(self) -> ScheduledAction:
        """The scheduled action."""
        return ScheduledAction(**self.given())


class PredictiveTable(TargetsTable):
    """Predictive scaling: an hourly forecast of one metric; it only scales out."""

    forecast_only: bool | None = key("true: forecast without acting", to="forecast_only")
    buffer: Annotated[Duration, span("0s", "1h")] | None = key("how long before the hour it acts", to="buffer_s")
    model: ClassVar[type | None] = PredictiveScaling

    def resolve(self) -> PredictiveScaling:
        """The policy for its one metric."""
        metric, target = self.metrics()[0]
        return PredictiveScaling(**self.given(), metric=metric, target_value=target.value)


class ScaleTable(Table):
    """Everything that decides the capacity. Any policy may scale out; all must agree to scale in."""

    target: TargetsTable | None = key("target tracking, such as { cpu = 50 }")
    out: Annotated[list[OutRule], OneOrMany()] | None = key("rules that scale out: a table, or a list of tables")
    in_: Annotated[list[InRule], OneOrMany()] | None = key(
        "rules that scale in: a table, or a list of tables", alias="in"
    )
    schedule: Annotated[list[ScheduleTable], OneOrMany()] | None = key("scheduled actions: a table, or a list")
    predictive: PredictiveTable | None = key("predictive scaling, such as { cpu = 50 }")
    hpa: HpaTable | None = key("Kubernetes' policy, such as { cpu = 50 }; not on AWS")
    kpa: KpaTable | None = key("Knative's policy, such as { concurrency = 10 }; not on AWS")
    adaptive: AdaptiveTable | None = key('as few instances as keep { slo = "p99 < 200ms" }; not on AWS')
    out_cooldown: Cooldown | None = key("wait after scaling out; by default five periods", to="scale_out_cooldown_s")
    in_cooldown: Cooldown | None = key("wait after scaling in; by default five periods", to="scale_in_cooldown_s")
    warm_up: Cooldown | None = key(
        "how long a new instance is not counted in the metrics; by default five periods", to="warmup_s"
    )
    disable_scale_in: bool | None = key("true: policies never scale in", to="disable_scale_in")
    period: Annotated[Duration, span("100ms", "1h")] | None = key(
        'length of one metric datapoint; AWS has "60s" (ECS also "20s")', to="period_s"
    )
    model: ClassVar[type | None] = Scaling

    def rules(self) -> list[tuple[str, int, RuleTable]]:
        """All rules with their places: `("out", 0, …)`."""
        out = [("out", index, rule) for index, rule in enumerate(self.out or [])]
        return [*out, *(("in", index, rule) for index, rule in enumerate(self.in_ or []))]

    def resolve(self, shape: ScalingShape) -> Scaling:
        """The policies, target tracking in the order cpu, memory, requests."""
        period_s = self.period or Scaling().period_s
        targets = self.target.metrics() if self.target else []
        return Scaling(
            **self.given(),
            target_tracking=tuple(
                TargetTracking(**target.given(), metric=metric, target_value=target.value) for metric, target in targets
            ),
            steps=tuple(rule.resolve(period_s) for _, _, rule in self.rules()),
            schedule=tuple(action.resolve() for action in self.schedule or []),
            predictive=None if self.predictive is None else self.predictive.resolve(),
            hpa=None if self.hpa is None else self.hpa.resolve(),
            kpa=None if self.kpa is None else self.kpa.resolve(),
            adaptive=None if self.adaptive is None else self.adaptive.resolve(),
            shape=shape,
        )
